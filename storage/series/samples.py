"""Samples of many series in flat arrays, and putting them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from storage.series.arrays import AnyInts, Bools, Ints, Words

_SMALL = 1 << 16


class Samples(NamedTuple):
    """One sample at each place: its series' slot, its time in ms and the value's 64 bits."""

    slots: Ints
    times: Ints
    bits: Words


def join(parts: Sequence[Samples]) -> Samples:
    """All parts one after the other, in the order in which they were written."""
    if not parts:
        return Samples(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
    return Samples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def settle(samples: Samples) -> Samples:
    """Sort by slot and time; of several samples of one slot and time the last one stays."""
    by_slot = _take(samples, _stable_order(samples.slots))
    later = _steps(by_slot)
    if later.all():
        return by_slot
    by_time = _take(by_slot, np.lexsort((by_slot.times, by_slot.slots)))
    return _take(by_time, np.append(_steps(by_time), True))


def _stable_order(slots: Ints) -> Ints:
    # numpy sorts 16-bit numbers by radix, several times faster than wider ones.
    small = len(slots) > 0 and slots.max() < _SMALL
    keys: AnyInts = slots.astype(np.uint16) if small else slots
    return np.argsort(keys, kind="stable")


def _steps(samples: Samples) -> Bools:
    """Shape (n - 1,): whether the next sample is of another slot or a later time."""
    later: Bools = (np.diff(samples.slots) != 0) | (np.diff(samples.times) > 0)
    return later


def _take(samples: Samples, which: Ints | Bools) -> Samples:
    return Samples(samples.slots[which], samples.times[which], samples.bits[which])
