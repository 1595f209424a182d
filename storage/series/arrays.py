"""The array types that the store passes around."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Refs = npt.NDArray[np.uint32]
AnyInts = npt.NDArray[np.integer]
Counts = npt.NDArray[np.integer] | Bools


def offsets(counts: Counts) -> Ints:
    """Where runs of the given lengths begin in one flat array; shape (n + 1,), the last is the total."""
    result = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=result[1:])
    return result
