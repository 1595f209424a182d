"""What queries say of minutes becomes whole counts whose sums are right, and is counted only where it is an answer."""

from __future__ import annotations

from math import floor, fsum, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.promql.api import Stream
from collector.promql.minutes import GONE, MINUTE, MOST, Course, Held, Progress, answered, course, unanswered, whole
from core.measures import TARGET_TIME, Group
from storage.plan import QueryMeasure

START = 1_799_996_400
NOW = START + 86_400.0
ALL = QueryMeasure(part="bad", total="all", server="main")
BY_MODEL = ALL.model_copy(update={"by": ("model",)})
A: Group = (("model", "a"),)
B: Group = (("model", "b"),)

values = st.one_of(st.floats(0, 1e6), st.floats(0, 1), st.integers(0, 1000).map(float))
pairs = st.lists(st.tuples(values, values).map(lambda two: (min(two), max(two))), max_size=60)


def minutes(*said: float | None, since: int = START) -> dict[int, float]:
    """The values at the ends of minutes after `since`; None is no value."""
    return {since + MINUTE * n: value for n, value in enumerate(said, 1) if value is not None}


def sums(rows: object) -> dict[str, int]:
    """part, total, expected and covered minutes, over all rows and groups."""
    assert isinstance(rows, dict)
    found = dict.fromkeys(("part", "total", "expected", "covered"), 0)
    for row in rows.values():
        for (atom, _), n in row.items():
            attrs = dict(atom.measure.attrs)
            if atom.measure.name == TARGET_TIME:
                assert attrs["of"] == ALL.name or attrs["of"] == BY_MODEL.name
                found[attrs["state"]] += n // (MINUTE * 1000)
            else:
                found[attrs["count"]] += n
    return found


def count(part: Course, total: Course, upto: int, ratio: QueryMeasure = ALL) -> dict[str, int]:
    before = Progress(START, START)
    return sums(answered(ratio, before, part, total, START + upto * MINUTE, NOW).rows)


@given(pairs)
def test_the_total_is_the_floor_of_the_sum_and_no_minute_has_a_greater_part(said: list[tuple[float, float]]) -> None:
    held, counted = Held(0.0, 0.0, 0, 0), []
    for part, total in said:
        k, n, held = whole(held, part, total)
        counted.append((k, n))
        assert 0 <= k <= n
    parts, totals = fsum(p for p, _ in said), fsum(t for _, t in said)
    close = 1e-6 * (1 + len(said))  # what the float that is carried loses
    assert floor(totals - close) <= sum(n for _, n in counted) <= floor(totals + close)
    assert floor(parts - close) - 1 <= sum(k for k, _ in counted) <= floor(parts + close)


@given(pairs, st.data())
def test_answers_in_pieces_count_what_one_answer_does(said: list[tuple[float, float]], data: st.DataObject) -> None:
    part: Course = {(): minutes(*(p for p, _ in said))}
    total: Course = {(): minutes(*(t for _, t in said))}
    end = START + len(said) * MINUTE
    at_once = answered(ALL, Progress(START, START), part, total, end, NOW)
    middle = START + data.draw(st.integers(0, len(said))) * MINUTE
    first = answered(ALL, Progress(START, START), part, total, middle, NOW)
    rest = answered(ALL, Progress.restore(first.progress.dump()), part, total, end, NOW)
    assert rest.progress == at_once.progress
    assert {**first.rows, **rest.rows} == at_once.rows  # each minute has a row of its own


@pytest.mark.parametrize("odd", [nan, inf, -1.0, MOST, None])
def test_a_minute_without_a_sound_total_is_asked_and_not_answered(odd: float | None) -> None:
    said = course([_stream({}, 5.0), _stream({}, 5.0, 5.0)], ())
    assert said == {(): {START + 60: 10.0, START + 120: 5.0}}
    total = {(): minutes(10.0, odd, 10.0)}
    assert count({(): minutes(1.0, 1.0, 1.0)}, total, 3) == {"part": 2, "total": 20, "expected": 3, "covered": 2}


@pytest.mark.parametrize("odd", [nan, inf, -1.0])
def test_a_minute_with_an_odd_part_counts_nothing(odd: float) -> None:
    total = {(): minutes(10.0, 10.0)}
    assert count({(): minutes(1.0, odd)}, total, 2) == {"part": 1, "total": 10, "expected": 2, "covered": 1}


def test_one_negative_series_of_a_group_makes_its_minute_unknown() -> None:
    total = course([_stream({"pod": "x"}, 5.0, -1.0), _stream({"pod": "y"}, 5.0, 7.0)], ())
    assert count({}, total, 2) == {"part": 0, "total": 10, "expected": 2, "covered": 1}


def test_a_part_that_the_server_has_no_series_for_is_none_of_the_total() -> None:
    assert count({}, {(): minutes(10.0)}, 1) == {"part": 0, "total": 10, "expected": 1, "covered": 1}


def test_a_part_above_its_total_is_all_of_it() -> None:
    assert count({(): minutes(11.0)}, {(): minutes(10.0)}, 1)["part"] == 10


def test_a_query_without_groups_that_answers_nothing_was_asked() -> None:
    assert count({}, {}, 7) == {"part": 0, "total": 0, "expected": 7, "covered": 0}


def test_a_group_that_has_left_is_expected_for_five_more_minutes() -> None:
    total = {A: minutes(*[10.0] * 10), B: minutes(10.0)}
    found = answered(BY_MODEL, Progress(START, START), {}, total, START + 10 * MINUTE, NOW)
    assert sums(found.rows) == {"part": 0, "total": 110, "expected": 10 + 1 + GONE // MINUTE, "covered": 11}
    assert list(found.progress.groups) == [A]


def test_the_past_before_the_first_ask_is_expected_only_once_there_is_something() -> None:
    before = Progress(START, START + 5 * MINUTE)
    found = answered(ALL, before, {}, {(): minutes(None, None, 4.0)}, START + 6 * MINUTE, NOW)
    assert sums(found.rows) == {"part": 0, "total": 4, "expected": 4, "covered": 1}


def test_what_was_not_answered_is_expected_once_and_covered_when_the_answer_comes() -> None:
    first = answered(ALL, Progress(START, START), {}, {(): minutes(1.0)}, START + MINUTE, NOW)
    out = unanswered(ALL, first.progress, START + 3 * MINUTE, NOW)
    assert sums(out.rows) == {"part": 0, "total": 0, "expected": 2, "covered": 0}
    assert out.progress.through == START + MINUTE
    late = answered(ALL, out.progress, {}, {(): minutes(1.0, 2.0, 3.0, 4.0)}, START + 4 * MINUTE, NOW)
    assert sums(late.rows) == {"part": 0, "total": 9, "expected": 1, "covered": 3}


def test_a_first_ask_that_nobody_answers_is_expected_from_then_on() -> None:
    out = unanswered(ALL, Progress(START - 7200, START), START + 2 * MINUTE, NOW)
    assert sums(out.rows)["expected"] == 2


def _stream(labels: dict[str, str], *said: float) -> Stream:
    found = minutes(*said)
    return Stream(tuple(sorted(labels.items())), [time * 1000 for time in found], list(found.values()))
