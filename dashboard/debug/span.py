"""Which stretch of time a page shows, and in buckets of which width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, start_of
from core.durations import DAY, HOUR

RANGES = {"1h": HOUR, "6h": 6 * HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
DEFAULT = "1h"
SMALL = 180
"""Buckets that a small chart shows at most: it has two or three pixels for each."""
BEHIND = 0.25
"""Share of the range that is shown behind `at`: what a moment led to is part of its story."""


class Span(NamedTuple):
    """[start, end) in Unix seconds, whole buckets of `width`. `live`: it ends at the watermark, and moves on with it.

    `note` says why it is not what was asked for. `stored`: the width of the buckets that are read and added up, 0 where
    they are those that are shown.
    """

    start: int
    end: int
    width: int
    live: bool
    note: str = ""
    stored: int = 0

    @property
    def read_width(self) -> int:
        """The width of the stored buckets."""
        return self.stored or self.width

    @property
    def starts(self) -> Sequence[int]:
        """The beginning of every bucket."""
        return range(self.start, self.end, self.width)


def span_of(length: str, at: float | None, watermark: float) -> Span:
    """The stretch that an address means; `length` is a name of RANGES."""
    end, live = _end(RANGES[length], at, watermark)
    span = _cut(RANGES[length], end, live, watermark)
    if len(span.starts) > 1:
        return span
    day = _cut(DAY, *_end(DAY, at, watermark), watermark)
    return day._replace(note=f"Of this time only hours are kept: a day is shown, not {length}.")


def overview(span: Span, most: int = SMALL) -> Span:
    """The same stretch in at most `most` buckets: several are added up to one, and what is left over is at the old end.

    The newest of them ends where the span does, as what just happened must not wait for a wide bucket to be complete.
    """
    together = -(-len(span.starts) // most)
    if together < 2:
        return span
    width = together * span.width
    start = span.end - (span.end - span.start) // width * width
    return span._replace(start=start, width=width, stored=span.read_width)


def _end(seconds: int, at: float | None, watermark: float) -> tuple[float, bool]:
    if at is None or at + BEHIND * seconds >= watermark:
        return watermark, True
    return at + BEHIND * seconds, False


def _cut(seconds: int, end: float, live: bool, watermark: float) -> Span:
    width = _width(seconds, watermark - (end - seconds))
    last = start_of(end, width)
    return Span(last - max(seconds, width), last, width, live)


def _width(seconds: int, oldest: float) -> int:
    """Few enough buckets to draw, and fine enough that they are still kept."""
    if seconds <= 6 * HOUR and oldest < MINUTES.retention:
        return MINUTES.width
    if seconds <= DAY and oldest < FIVE_MINUTES.retention:
        return FIVE_MINUTES.width
    return HOURS.width
