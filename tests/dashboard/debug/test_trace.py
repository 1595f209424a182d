"""A trace's rows and a generation's tokens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboard.debug.trace import rows, tokens
from dashboard.debug.waterfall import seconds, timeline, waterfall, why_no_spans
from storage.generations import Generation, Span


def _span(span_id: str, parent: str | None, start: float, length: float = 1.0, **values: Any) -> Span:
    made: dict[str, Any] = {"service": "s", "name": span_id, "kind": 1, "error": None, "attributes": {}, "events": []}
    return Span("t", span_id, parent, started_at=start, ended_at=start + length, **(made | values))


def _call(**values: Any) -> Generation:
    made: dict[str, Any] = {"operation": "chat", "outcome": "good", "goodput": "good", "duration": 4.0}
    made |= {"stratum": "default", "probability": 0.01, "sampled": False}
    return Generation("t", "c", 100.0, 101.0, (), **(made | values))


def test_children_stand_below_their_parents_in_order_of_their_start() -> None:
    spans = [_span("c", "a", 3), _span("d", "b", 2.2), _span("a", None, 0, 5), _span("b", "a", 2)]
    found = rows(spans)
    assert [(row.span.span_id, row.depth) for row in found] == [("a", 0), ("b", 1), ("d", 2), ("c", 1)]
    assert (found[1].left, found[1].width) == pytest.approx((0.4, 0.2))


def test_a_span_whose_parent_was_not_received_is_a_root_that_says_so() -> None:
    found = rows([_span("a", None, 0), _span("b", "gone", 0)])
    assert [(row.span.span_id, row.depth, row.orphan) for row in found] == [("a", 0, False), ("b", 0, True)]


@given(some.lists(some.tuples(some.integers(0, 9), some.none() | some.integers(0, 9), some.floats(0, 9)), max_size=12))
def test_every_span_stands_once_inside_the_frame_whatever_its_parents_are(made: list[Any]) -> None:
    spans = {str(own): _span(str(own), None if up is None else str(up), start) for own, up, start in made}
    if not spans:
        return
    found = rows(list(spans.values()))
    assert sorted(row.span.span_id for row in found) == sorted(spans)
    assert all(0 <= row.left <= row.left + row.width <= 1 + 1e-9 for row in found)


def test_a_trace_without_length_and_one_with_markup_in_it_are_drawn() -> None:
    text = waterfall([_span("<b>x</b>", None, 5, 0.0, error="<script>")])
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "<script>" not in text
    assert "bl-failed" in text


def test_ticks_are_the_token_events_of_the_own_span_and_nothing_is_made_up_without() -> None:
    events = [{"name": "gen_ai.token", "at": 11.0}, {"name": "exception", "at": 12.0}, {"name": "Chunk", "at": 99.0}]
    known = tokens(_call(ttft=1.0, itl=0.03), _span("c", None, 10, 4, events=events))
    assert (known.first, known.ticks, known.gap) == (0.25, [0.25], 0.03)
    assert tokens(_call(), None) == (None, (), None)
    assert "single tokens were not told" in "".join(timeline(_call(itl=0.03), tokens(_call(itl=0.03), None)))
    assert "not measured" in "".join(timeline(_call(), tokens(_call(), None)))


def test_why_there_are_no_spans() -> None:
    assert "never received" in why_no_spans([])
    assert "probability of 1.00" in why_no_spans([_call()])
    assert "are kept any more" in why_no_spans([_call(sampled=True)])


def test_durations_have_the_unit_that_fits() -> None:
    said = [seconds(one).replace("\u202f", " ") for one in (0.00087, 0.042, 1.34, 150, -1)]
    assert said == ["870 µs", "42 ms", "1.34 s", "2 min 30 s", "less than nothing: its clock went back"]
