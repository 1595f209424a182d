"""UTC buckets: the three tiers of the ledger, and the arithmetic that keeps counts whole.

All times here are whole milliseconds since the epoch, so that shares of a span are exact rationals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.durations import DAY, HOUR, MINUTE


@dataclass(frozen=True)
class Tier:
    """One width of buckets: how long it is kept, and the longest window that is read from it (seconds)."""

    width: int
    retention: int
    longest_window: int


MINUTES = Tier(MINUTE, 48 * HOUR, 6 * HOUR)
FIVE_MINUTES = Tier(5 * MINUTE, 7 * DAY, 3 * DAY)
HOURS = Tier(HOUR, 400 * DAY, 400 * DAY)
TIERS = (MINUTES, FIVE_MINUTES, HOURS)


def tier_of_window(seconds: float) -> Tier:
    """The tier that a window of this length is read from."""
    return next((tier for tier in TIERS if seconds <= tier.longest_window), HOURS)


def tier_of_age(bucket_end: float, now: float) -> Tier:
    """The finest tier that still holds a bucket which ended at `bucket_end` (Unix seconds)."""
    age = now - bucket_end
    for tier in TIERS:  # asked for every event: a generator takes three times as long
        if age < tier.retention:
            return tier
    return HOURS


def start_of(time: float, width: int) -> int:
    """Start (Unix seconds) of the bucket of `width` seconds that holds `time`."""
    return int(time // width) * width


def end_of_window(time: float, width: int) -> int:
    """The bucket edge at or after `time`: a window ends there, so that a running bucket counts as its last."""
    return -int(-time // width) * width


def spread(count: int, begin_ms: int, end_ms: int, width: int) -> Iterator[tuple[int, int]]:
    """Share `count` events of the span (begin, end] over the buckets it touches: (bucket start in seconds, events).

    Bucket k gets floor(count × elapsed share at its end) less the same at its start: whole, additive, and the
    sum is exactly `count`. A span without length puts everything into the bucket that holds its end.
    An event at the very edge of a bucket belongs to the bucket that the edge closes, as in Prometheus's (start, end].
    """
    width_ms = width * 1000
    length = end_ms - begin_ms
    if length <= 0:
        yield (end_ms - 1) // width_ms * width, count
        return
    first = begin_ms // width_ms
    last = (end_ms - 1) // width_ms
    given = 0
    for bucket in range(first, last):
        upto = count * ((bucket + 1) * width_ms - begin_ms) // length
        if upto != given:
            yield bucket * width, upto - given
        given = upto
    if count != given:
        yield last * width, count - given
