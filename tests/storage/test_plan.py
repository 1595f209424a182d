from __future__ import annotations

from random import Random
from string import ascii_letters

from core.measures import TARGET_TIME, Measure
from slo_engine.specs.queries import LONGEST
from storage import plan
from storage.database import Database
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import open_source
from storage.plan import MeasurePlan, QueryMeasure, SelectorMeasure

ERRORS = SelectorMeasure(selector='x_total{code="500"}', by=("pod",))
ALL = SelectorMeasure(selector="x_total", by=("pod",))
TIMES = SelectorMeasure(selector="x_seconds_bucket", kind="histogram")


def put(database: Database, *selectors: SelectorMeasure) -> MeasurePlan:
    with database.write() as connection:
        return plan.put(connection, selectors, 1.0)


def test_before_the_first_there_is_an_empty_plan(database: Database) -> None:
    assert plan.current(database) == MeasurePlan()


def test_a_plan_is_read_as_it_was_written_whatever_its_order(database: Database) -> None:
    written = put(database, ERRORS, ALL, TIMES)
    assert plan.current(database) == written == put(database, TIMES, ALL, ERRORS, ALL)
    assert written.revision == 1
    assert set(written.selectors) == {ERRORS, ALL, TIMES}


def test_each_change_is_a_revision_also_back_to_what_was(database: Database) -> None:
    assert [put(database, ALL).revision, put(database).revision, put(database, ALL).revision] == [1, 2, 3]
    assert plan.current(database).selectors == (ALL,)


def test_equal_selectors_with_equal_groups_share_a_measure() -> None:
    assert ERRORS.name == SelectorMeasure(selector='x_total{code="500"}', by=("pod",)).name
    assert len({ERRORS.name, ALL.name, SelectorMeasure(selector="x_total").name}) == 3


def test_a_histogram_is_selected_by_its_family() -> None:
    assert TIMES.parsed().metric == "x_seconds"
    assert ALL.parsed().metric == "x_total"


def test_queries_are_kept_beside_selectors_and_their_change_is_a_revision(database: Database) -> None:
    asked = QueryMeasure(part="sum(bad)", total="sum(all)", by=("pod",), server="eu")
    put(database, ALL)
    with database.write() as connection:
        written = plan.put(connection, [ALL], 2.0, [asked, asked])
    assert written.revision == 2
    assert plan.current(database) == written == MeasurePlan(revision=2, selectors=(ALL,), queries=(asked,))
    assert asked.measure("part") != asked.measure("total")
    assert len({asked.name, asked.model_copy(update={"server": ""}).name}) == 2


def test_the_longest_queries_that_specs_may_have_fit_the_ledgers_keys(database: Database) -> None:
    random = Random(3)  # nothing that compresses
    part, total = ("".join(random.choices(ascii_letters, k=LONGEST - 10)) for _ in range(2))
    asked = QueryMeasure(part=part, total=total, server="s" * 60)
    time = Measure(TARGET_TIME, "", (("of", asked.name), ("state", "expected")))
    atoms = [Atom(measure, ()) for measure in (asked.measure("part"), asked.measure("total"), time)]
    with database.write() as connection:
        assert len(set(Dictionary().resolve(connection, atoms).values())) == 3
    assert open_source(database, "promql", f"promql:{asked.server}:{asked.name}", 1.0).version == 0
