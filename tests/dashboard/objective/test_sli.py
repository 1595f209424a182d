"""What the dashboard counts by a stored formula is what the engine says of the same objective."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.buckets import MINUTES
from core.durations import parse_prometheus
from core.labels import make
from core.measures import TARGET_TIME, Measure
from dashboard.debug.buckets import Buckets, Cells
from dashboard.debug.span import Span
from dashboard.objective import budget
from dashboard.objective.budget import InForce, Spending
from dashboard.objective.reading import read_course, revisions
from dashboard.objective.sli import (
    COVERED,
    PART,
    TOTAL,
    Description,
    Formula,
    Limit,
    Unreadable,
    count,
    pieces,
    pieces_through,
    read_description,
    read_policy,
)
from storage.ledger.dictionary import Atom
from storage.plan import QueryMeasure
from storage.slo import status
from tests.slo_engine.world import START, World, ratio, spec, threshold

BOUNDS = (0.1, 0.25, 0.5, 1.0)
ONE, TWO = (("model", "a"),), (("model", "b"), ("region", "eu"))
GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
LONG = Measure("requests", "engine", (("outcome", "good"), ("reason", "length")))
GONE = Measure("requests", "engine", (("outcome", "excluded"), ("reason", "abort")))
TTFT = Measure("ttft", "engine", (), BOUNDS)
DEPTH = Measure("queue_depth", "engine", (), (0.0, 5.0, 10.0))
TOKENS = Measure("generation_tokens", "engine")
COST = Measure("cost", "engine")

ALL = "signal: requests, by: [model]"
FAILED = ratio("signal: requests, where: 'outcome=\"bad\"', by: [model]", ALL, "bad")
IN_EUROPE = 'signal: requests, where: \'outcome="good",region=~"e.*"\', by: [region]'

SPECS = (
    spec(name="success"),
    spec(FAILED, name="failures"),
    spec(ratio("signal: truncated, by: [model]", ALL, "bad"), 90, name="truncated"),
    spec(threshold("signal: ttft, by: [model]"), 99, name="ttft", at_most=0.4),
    spec(threshold("signal: queue_depth, by: [model]"), 90, name="shallow", at_most=5),
    spec(threshold("signal: generation_tokens, rate: true, by: [model]"), 90, name="rate", at_most=2, op="gte"),
    spec(threshold("signal: cost, per: generation_tokens, scale: 1000, by: [model]"), 0, name="cost", at_most=0.01),
    spec(ratio(IN_EUROPE, "signal: requests, by: [region]"), name="by-region"),
)


def _amounts(n: int) -> dict[Any, Any]:
    latency = {0: 5 + n % 3, 2: 4, 3: n % 4}
    mine = {(GOOD, ONE): 40 + n % 7, (BAD, ONE): n % 5, (LONG, ONE): 3, (GONE, ONE): 9, (TTFT, ONE): latency}
    mine |= {(DEPTH, ONE): {1: 30_000, 3: 30_000}, (TOKENS, ONE): 60 * (n % 5), (COST, ONE): 7 + n}
    return mine | {(GOOD, TWO): 11, (BAD, TWO): 1 + n % 2}


@pytest.fixture
def judged(tmp_path: Path) -> World:
    """Seven hours of counts, an objective that changed within them, and the engine's last word."""
    world = World(tmp_path)
    world.lead(*SPECS)
    minutes = [START + 60 * n for n in range(430)]
    for n, minute in enumerate(minutes[:200]):
        world.count([minute], _amounts(n), coverage=0.9)
    world.tick(minutes[200])
    world.lead(spec(name="success", target=99), *SPECS[1:])
    for n, minute in enumerate(minutes[200:], 200):
        world.count([minute], _amounts(n))
    world.tick(minutes[-1] + 60)
    return world


def _counted(world: World, row: dict[str, Any]) -> tuple[Description, Spending]:
    known, reader = revisions(world.db, row["slo"], row["group"]), Buckets(world.db)
    sli = known[-1].sli
    assert isinstance(sli, Description)
    end = int(world.clock.now()) // 60 * 60
    window, span = int(parse_prometheus(row["window"])), Span(end - 3600, end, 60, live=True)
    found = read_course(reader, Formula(sli, reader.layers()), known, make(row["group"]), window, end, span)
    return sli, found.window[-1]


@pytest.mark.parametrize("name", [text.split("name: ")[1].split("\n")[0] for text in SPECS])
def test_a_stored_formula_counts_what_the_engine_counts(judged: World, name: str) -> None:
    rows = [row for row in status(judged.db) if row["slo"] == name]
    assert rows
    for row in rows:
        sli, last = _counted(judged, row)
        assert (last.total / sli.unit or None) == row["total"], row
        if row["good"] is not None:
            assert (last.total - last.bad) / sli.unit == row["good"]
        assert budget.left(last, last) == pytest.approx(row["budget_remaining"], abs=1e-12)


def test_the_change_of_an_objective_is_a_revision_with_its_policy(judged: World) -> None:
    first, second = revisions(judged.db, "success", {})
    assert (float(first.allowed), float(second.allowed)) == (0.001, 0.01)
    assert Limit(severity="page", long="1h", short="5m", factor=14.4) in second.policy


def test_a_formula_that_is_missing_or_broken_says_so() -> None:
    old = read_description({"objective": "99/100"})
    assert isinstance(old, Unreadable) and "stored before" in old.reason
    broken = read_description({"sli": {"kind": "events"}})
    assert isinstance(broken, Unreadable) and "cannot be read" in broken.reason
    assert read_policy({"policy": [{"severity": 3}]}) == ()


def test_pieces_are_disjoint_and_leave_out_what_the_engine_forgets() -> None:
    end = 1_767_268_860
    found = pieces(end - 30 * 86_400, end, end)
    assert all(left.end <= right.start for left, right in pairwise(found))
    assert found[-1].end == end
    assert {piece.width for piece in found if piece.start < end - 4 * 86_400} == {3600}


@pytest.mark.parametrize("span", [Span(3600, 7200, 60, live=False), Span(0, 86_400, 300, live=True)])
def test_a_window_looked_at_closely_is_cut_without_gap_or_overlap(span: Span) -> None:
    end = 1_767_268_860
    moved = span._replace(start=end - 180_060 + span.start, end=end - 180_060 + span.end)
    moved = moved._replace(start=moved.start // span.width * span.width, end=moved.end // span.width * span.width)
    found = pieces_through(end - 30 * 86_400, end, moved)
    assert all(left.end == right.start for left, right in pairwise(found))
    assert found[-1].end == end
    assert all(p.start % p.width == p.end % p.width == 0 for p in found)
    assert {p.width for p in found if moved.start <= p.start < moved.end} <= {60, span.width}


def test_nothing_counted_is_an_empty_course() -> None:
    import numpy as np

    nothing = np.zeros(0, np.int64)
    terms = {"measures": ["requests"], "where": "", "layer": None, "at_or_below": None}
    shape = {"kind": "events", "by": ["model"], "part_is_good": True, "unit": 1.0, "part": terms, "total": terms}
    sli = read_description({"sli": {**shape, "coverage": {"signal": "requests", "layer": None, "of": [""]}}})
    assert isinstance(sli, Description)
    counted = count(Formula(sli, {}), Cells(nothing, nothing, nothing, nothing), {}, ())
    assert budget.burn_down(sli, counted, [], [InForce(0.0, MINUTES.width)]) == []  # type: ignore[arg-type]  # not reached


def test_a_ratio_of_queries_is_counted_from_its_own_measure() -> None:
    asked = QueryMeasure(part="sum(bad)", total="sum(all)", server="eu")
    part, total = ({"measures": [asked.name], "where": f'count="{count}"', "layer": ""} for count in ("part", "total"))
    shape = {"kind": "queries", "by": [], "part_is_good": False, "unit": 1.0, "part": part, "total": total}
    found = read_description({"sli": shape | {"coverage": {"signal": "", "layer": "", "of": [asked.name]}}})
    assert isinstance(found, Description)
    formula = Formula(found, {})
    time = Measure(TARGET_TIME, "", (("of", asked.name), ("state", "covered")))
    columns = {measure: list(formula.ranges(Atom(measure, ()))) for measure in (asked.measure("part"), time)}
    assert columns == {asked.measure("part"): [(PART, 0, 1)], time: [(COVERED, 0, 1)]}
    assert list(formula.ranges(Atom(asked.measure("total"), ()))) == [(TOTAL, 0, 1)]
    assert list(formula.ranges(Atom(asked.model_copy(update={"server": ""}).measure("total"), ()))) == []


def test_a_composite_counts_nothing_and_names_its_components() -> None:
    sli = {"kind": "composite", "by": [], "components": [{"slo": "a", "weight": "1"}, {"slo": "b", "weight": "1/2"}]}
    found = read_description({"sli": sli})
    assert found == Unreadable("it counts nothing itself; choose one of its components: a, b")
