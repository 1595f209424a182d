"""What went wrong for single users in the last hour: calls that failed, and answers that a detector flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import streamlit as st

from core.measures import Group
from dashboard import links, words
from dashboard.filters import Filters
from dashboard.markup import Html, cell, link, row, table, tag
from dashboard.sections.signs import heading, nothing
from dashboard.snapshot import Snapshot
from storage.generations import Generation
from storage.scores import Score

MOST = 8
Case = TypeVar("Case", Generation, Score)


class Heap(NamedTuple):
    """Equal cases of one group: how many, when last (Unix seconds), and one trace to look at, if it is kept."""

    name: str
    group: Group
    number: int
    last: float
    trace_id: str | None


def show(taken: Snapshot, filters: Filters) -> None:
    """Two tables side by side."""
    left, right = st.columns(2)
    with left:
        st.html(heading("Recent errors", "failed model calls of an hour"))
        st.html(_failures(taken, filters))
    with right:
        st.html(heading("Safety and support", "answers of an hour that a detector flagged, uncorrected"))
        st.html(_flagged(taken, filters))


def _failures(taken: Snapshot, filters: Filters) -> Html:
    if not taken.traced:
        return nothing(f"{words.NOT_MEASURED}: no model call of this time is known from traces.")
    mine = [one for one in taken.failures if filters.covers(dict(one.group))]
    if not mine:
        return nothing("None." if not taken.failures else "None that fits the filters.")
    return _table("Error", heaps(mine, error_of, lambda one: one.trace_id if one.sampled else None), taken.now)


def error_of(one: Generation) -> str:
    """What a failed call is counted under."""
    return one.error_type or (f"finished by {one.finish_reason}" if one.finish_reason else "no error type given")


def _flagged(taken: Snapshot, filters: Filters) -> Html:
    if not taken.judged:
        return nothing(f"{words.NOT_MEASURED}: no answer of this time was judged.")
    mine = [one for one in taken.flagged if filters.covers(dict(one.group))]
    if not mine:
        return nothing("None was flagged." if not taken.flagged else "None that fits the filters.")
    return _table("Detector", heaps(mine, lambda one: one.detector, lambda one: one.trace_id), taken.now)


def heaps(found: Sequence[Case], name: Callable[[Case], str], trace: Callable[[Case], str | None]) -> list[Heap]:
    """Equal cases together, the most frequent first. `found` is newest first."""
    made: dict[tuple[str, Group], Heap] = {}
    for one in found:
        key = (name(one), one.group)
        held = made.get(key, Heap(*key, 0, one.at, None))
        made[key] = held._replace(number=held.number + 1, trace_id=held.trace_id or trace(one))
    return sorted(made.values(), key=lambda heap: (-heap.number, -heap.last))


def _table(head: str, found: Sequence[Heap], now: float) -> Html:
    rows = [_row(heap, now) for heap in found[:MOST]]
    if len(found) > MOST:
        rows.append(row(cell(f"{len(found) - MOST} more kinds: narrow the page with filters.", span=4)))
    return table((head, "Number", "Last", ""), rows)


def _row(heap: Heap, now: float) -> Html:
    who = cell(tag("strong", heap.name), tag("small", words.group(dict(heap.group))))
    return row(who, words.count(heap.number), words.clock(heap.last, now), cell(*_trace(heap)))


def _trace(heap: Heap) -> Iterable[Html]:
    if heap.trace_id is not None:
        yield link("trace", links.trace(heap.trace_id))
