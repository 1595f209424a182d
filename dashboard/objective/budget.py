"""How a budget went down over its window, and what was bad in each bucket. Pure arithmetic over counted buckets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from core.buckets import MINUTES, start_of
from dashboard.objective.sli import COVERED, EXPECTED, PART, TOTAL, Counted, Description


class InForce(NamedTuple):
    """From `since` on (Unix seconds) this share of the events may be bad."""

    since: float
    allowed: Fraction


class Spending(NamedTuple):
    """The window up to the end of a bucket: events that were bad, that were allowed to be, and all; ledger units."""

    time: int
    bad: int
    allowed: Fraction
    total: int


class Bucket(NamedTuple):
    """One bucket by itself. `share` of bad events and the share that was `allowed`; None without events.

    `coverage` is None where no target was expected.
    """

    time: int
    share: float | None
    allowed: float
    bad: int
    total: int
    coverage: float | None


def bad_of(sli: Description, part: int, total: int) -> int:
    """Bad events (a ratio of sums: its numerator) of a part and a total."""
    return total - part if sli.part_is_good else part


def in_force(revisions: Sequence[InForce], time: float) -> Fraction:
    """The share allowed at a time; a revision begins at its whole minute, and the first reaches back for ever."""
    starts = [start_of(revision.since, MINUTES.width) for revision in revisions]
    return revisions[max(0, bisect_right(starts, time) - 1)].allowed


def burn_down(
    sli: Description,
    counted: Counted,
    ends: Sequence[int],
    revisions: Sequence[InForce],
    tails: Mapping[int, int] = MappingProxyType({}),
) -> list[Spending]:
    """Running sums of a window; `ends` are the ends of the counted buckets, in order of time.

    `tails`: for a revision that began inside a bucket (its whole minute) the events from then to the bucket's end.
    """
    found, bad, total, allowed = [], 0, 0, Fraction(0)
    for start, end, row in zip(counted.starts.tolist(), ends, counted.sums.tolist(), strict=True):
        bad += bad_of(sli, row[PART], row[TOTAL])
        total += row[TOTAL]
        allowed += _allowed(start, end, row[TOTAL], revisions, tails)
        found.append(Spending(end, bad, allowed, total))
    return found


def changes_within(start: int, end: int, revisions: Sequence[InForce]) -> list[int]:
    """The whole minutes inside a bucket at which a revision began."""
    minutes = {start_of(revision.since, MINUTES.width) for revision in revisions}
    return sorted(minute for minute in minutes if start < minute < end)


def _allowed(start: int, end: int, total: int, revisions: Sequence[InForce], tails: Mapping[int, int]) -> Fraction:
    """Each part of a bucket under what was in force; a part that is not told apart falls to the revision before."""
    cuts = changes_within(start, end, revisions)
    left_over = [total, *(tails.get(minute, 0) for minute in cuts), 0]
    parts = (here - later for here, later in pairwise(left_over))
    return sum(
        (in_force(revisions, at) * part for at, part in zip([start, *cuts], parts, strict=True)), start=Fraction(0)
    )


def left(spent: Spending, whole: Spending) -> float | None:
    """Share of the whole window's budget that is left at a moment of it; None where nothing was allowed."""
    return float(1 - spent.bad / whole.allowed) if whole.allowed else None


def evenly(spent: Spending, whole: Spending) -> float | None:
    """What would be left had bad events been spread evenly over all events, all of the budget spent at the end."""
    return float(1 - spent.allowed / whole.allowed) if whole.allowed else None


def buckets(sli: Description, counted: Counted, revisions: Sequence[InForce]) -> list[Bucket]:
    """Each counted bucket by itself."""
    found = []
    for start, row in zip(counted.starts.tolist(), counted.sums.tolist(), strict=True):
        total, allowed = row[TOTAL], float(in_force(revisions, start))
        bad = bad_of(sli, row[PART], total)
        coverage = min(1.0, row[COVERED] / row[EXPECTED]) if row[EXPECTED] else None
        found.append(Bucket(start, bad / total if total else None, allowed, bad, total, coverage))
    return found
