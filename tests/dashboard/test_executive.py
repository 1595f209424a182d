"""The executive page and the weeks behind it."""

from __future__ import annotations

import pytest

from core.measures import TARGET_TIME, Measure
from core.statistics.quality import Estimate
from dashboard.filters import Filters
from dashboard.history import HistoryReader
from dashboard.overview import Judged
from dashboard.sections import figures
from dashboard.sections.figures import in_points, relative
from dashboard.sections.promises import worst_by_slo
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import RowKey, SourceFlush
from tests.dashboard.conftest import Opened, Page
from tests.dashboard.world import CANARY, STABLE, World, blank_row, busy, status_row

HOUR = 3600
WEEK = 7 * 24 * HOUR
V1 = tuple(sorted(STABLE.items()))
V2 = tuple(sorted(CANARY.items()))


def _executive(opened: Opened) -> Page:
    return opened(page="executive")


def _put(world: World, hours: dict[int, dict[tuple[Atom, int], int]]) -> None:
    mark = rows.open_source(world.db, "scrape", "one", world.now)
    content = {RowKey(HOUR, at): cells for at, cells in hours.items()}
    rows.commit(world.db, Dictionary(), [SourceFlush(mark, b"", content)], world.now)
    with world.db.write() as connection:
        rollups.store(connection, rollups.compute(connection))


def _requests(outcome: str = "good", layer: str = "engine", group: tuple[tuple[str, str], ...] = V1) -> Atom:
    return Atom(Measure("requests", layer, (("outcome", outcome),)), group)


def test_a_week_is_seven_days_of_whole_hours_and_the_running_hour_is_none(world: World) -> None:
    end = 3000 * HOUR
    atom = (_requests(), 0)
    _put(world, {end: {atom: 1000}, end - HOUR: {atom: 7}, end - WEEK: {atom: 5}, end - WEEK - HOUR: {atom: 3}})
    history = HistoryReader(world.db).read(end + 60.0)
    assert (history.week(Filters()).total, history.week(Filters(), back=1).total) == (12, 3)
    assert history.week(Filters()).rate == 12 / (2 * HOUR)
    assert HistoryReader(world.db).read(None).week(Filters()).rate is None


def test_a_request_counts_in_the_outermost_layer_alone_and_in_its_group(world: World) -> None:
    content = {(_requests(), 0): 10, (_requests(layer="gateway"), 0): 9, (_requests("bad", "gateway", V2), 0): 1}
    _put(world, {2999 * HOUR: content})
    history = HistoryReader(world.db).read(3000.0 * HOUR)
    week = history.week(Filters())
    assert (week.total, week.availability) == (10, 0.9)
    assert history.week(Filters(group={"version": "v2"})).availability == 0.0


def test_a_late_count_changes_an_hour_that_was_read_before(world: World) -> None:
    reader = HistoryReader(world.db)
    _put(world, {2999 * HOUR: {(_requests(), 0): 10}})
    assert reader.read(3000.0 * HOUR).week(Filters()).total == 10
    mark = rows.open_source(world.db, "scrape", "two", world.now)
    late = SourceFlush(mark, b"", {RowKey(HOUR, 2999 * HOUR): {(_requests(), 0): 5}})
    rows.commit(world.db, Dictionary(), [late], world.now)
    with world.db.write() as connection:
        rollups.store(connection, rollups.compute(connection))
    assert reader.read(3000.0 * HOUR).week(Filters()).total == 15


def test_cost_without_a_price_and_without_gpu_time_are_told_apart(world: World) -> None:
    seen = Atom(Measure(TARGET_TIME, "engine", (("state", "expected"),)), V1)
    _put(world, {2999 * HOUR: {(seen, 0): 1, (_requests(), 0): 1}})
    week = HistoryReader(world.db).read(3000.0 * HOUR).week(Filters())
    assert figures.cost(week, week).text is None
    assert figures.cost(week, week).reason == figures.NO_COST
    week.gpu_ms = 5
    assert figures.cost(week, week).reason == figures.NO_PRICE


def test_the_page_says_the_week_in_numbers_with_the_week_before(world: World, opened: Opened) -> None:
    busy(world)
    text = _executive(opened).text
    assert "The last seven days" in text
    assert "a second" in text
    assert "more than in the week before" in text
    assert "Cost of GPU time $1,04" in text
    assert "Availability 99.6" in text
    assert "seen 98.9 % of the servers' time" in text
    assert "worse: \N{MINUS SIGN}0.1" in text
    assert "judged by a program, uncorrected by people" in text
    assert "▲ fail llama: v2 beside v1" in text
    assert "▲ spent, 12 % over" in text
    assert text.index("▲ spent") < text.index("◆ 18 %")


def test_an_empty_database_measures_nothing_and_says_so(opened: Opened) -> None:
    text = _executive(opened).text
    assert text.count("not measured") >= 5
    assert "%" not in text
    assert "$" not in text


def test_an_absent_detector_is_not_a_rate_of_nothing(world: World, opened: Opened) -> None:
    _put(world, {int(world.now // HOUR - 1) * HOUR: {(_requests(), 0): 10}})
    world.collected()
    assert "Unsupported answers (hallucinations) not measured nothing was drawn" in _executive(opened).text


def test_a_difference_inside_the_intervals_is_no_change() -> None:
    now, before = Estimate(0.05, 0.04, 0.06, 900, 900, 1.0), Estimate(0.045, 0.03, 0.055, 900, 900, 1.0)
    trend = figures.support(Judged("g1", now), Judged("g1", before)).trend
    assert trend is not None
    assert trend.text.startswith("no clear change")
    assert figures.support(Judged("g2", now), Judged("g1", before)).trend is None


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (121, 100, "21\u202f% more than"),
        (79, 100, "21\u202f% less than"),
        (100.4, 100, "as in"),
        (5000, 100, "50 times"),
    ],
)
def test_a_trend_is_said_in_words(now: float, before: float, said: str) -> None:
    trend = relative(now, before, "")
    assert trend is not None
    assert said in trend.text
    assert relative(1, 0, "") is None


def test_less_availability_is_worse_and_fewer_unsupported_answers_are_better() -> None:
    assert in_points(0.99, 0.995, more_is_good=True).good is False
    assert in_points(0.02, 0.03, more_is_good=False).good is True
    assert in_points(0.99, 0.99, more_is_good=True).good is None


def test_the_worst_group_stands_for_its_slo_and_the_unmeasured_come_last() -> None:
    status = [
        blank_row("quality", "nothing was drawn"),
        status_row("ttft", STABLE, budget_remaining=0.9),
        status_row("ttft", CANARY, budget_remaining=-0.2),
        status_row("errors", STABLE, budget_remaining=0.1),
    ]
    found = worst_by_slo(status)
    assert [(one["slo"], one["budget_remaining"]) for one in found] == [
        ("ttft", -0.2),
        ("errors", 0.1),
        ("quality", None),
    ]
