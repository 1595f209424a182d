"""The stale marker: a NaN with bits of its own that says "this series ended here"."""

from __future__ import annotations

import struct

import numpy as np

from storage.series.arrays import Bools, Floats

STALE_BITS = 0x7FF0000000000002
"""Prometheus's bits. It is a signalling NaN: arithmetic turns it into an ordinary one, so the store moves only bits."""

STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


def is_stale(values: Floats) -> Bools:
    """Which of the float64 values are stale markers; other NaNs are not."""
    bits = np.asarray(values, np.float64).view(np.uint64)
    return np.equal(bits, STALE_BITS)
