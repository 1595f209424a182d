"""The SLO page as a person reads it."""

from __future__ import annotations

from typing import Any

from core.measures import group_key
from slo_engine.describe import describe, policy
from slo_engine.packs import load_pack
from slo_engine.status import iso
from storage import slo as store
from storage import slo_sets
from storage.slo import StoredRevision
from tests.dashboard.debug.conftest import Shown
from tests.dashboard.debug.world import deployed
from tests.dashboard.world import CANARY, ELSEWHERE, STABLE, World, burning, status_row

DAY = 86_400


def _stored(world: World, since: float, objective: str = "99/100", **spec: Any) -> None:
    revision = StoredRevision("ttft", world.now - since, objective, objective, 30 * DAY)
    with world.db.write() as connection:
        store.add_revision(connection, revision, {"objective": objective, **spec})


def _ttft() -> dict[str, Any]:
    slo = next(one for one in load_pack("llm-serving").slos if one.name == "ttft")
    return {"sli": describe(slo), "policy": policy(slo)}


def test_an_empty_database_claims_nothing(shown: Shown) -> None:
    page = shown("slo")
    assert "No SLO was judged yet" in page.text
    assert "budget left" not in page.text


def test_an_objective_shows_budget_burn_alerts_revisions_and_deployments(world: World, shown: Shown) -> None:
    burning(world)
    _stored(world, 40 * DAY, "19/20", **_ttft())
    _stored(world, 1200, **_ttft())
    deployed(world, 1500)
    page = shown("slo", slo="ttft", **CANARY)
    assert len(page.app.get("vega_lite_chart")) >= 4
    assert "bad events in this range" in page.section("Budget in time", "Bad share")
    assert "page 14.4x with 1h" in page.section("Burn", "Revisions")
    assert "4 changes in this range" in shown("slo", slo="ttft", range="1d", **CANARY).text
    revisions = page.section("Revisions", "Deployments")
    assert "in force now" in revisions and "5.00 %" in revisions and "at or below 0.5" in revisions
    assert "v2 at 10 %" in page.text.rpartition("Deployments")[2]


def test_a_budget_that_is_going_says_when_it_is_gone_at_the_earliest(world: World, shown: Shown) -> None:
    world.collected()
    gone = {"5m": None, "1h": str(iso(world.now + 7.5 * 3600)), "3d": str(iso(world.now + 90_000))}
    world.judged(status_row("ttft", CANARY, exhausted_at=gone), status_row("availability", CANARY))
    assert "Budget gone in 7h at the pace of the last 1h, at the earliest" in shown("slo", slo="ttft", **CANARY).text
    assert "Budget gone" not in shown("slo", slo="availability", **CANARY).text


def test_a_reset_is_marked_and_the_budget_is_drawn_from_it_on(world: World, shown: Shown) -> None:
    burning(world)
    _stored(world, 40 * DAY, "19/20", **_ttft())
    whole = shown("slo", slo="ttft", **CANARY).section("Budget in time", "Bad share")
    slo_sets.reset(world.db, "ttft", group_key(CANARY), world.now - 900, "ann", "a proxy lied", world.now - 900)
    page = shown("slo", slo="ttft", **CANARY)
    drawn = page.section("Budget in time", "Bad share")
    assert drawn != whole
    assert "ann · a proxy lied" in page.section("Resets", "Deployments")
    assert "Resets" not in shown("slo", slo="ttft", **STABLE).text


def test_without_a_choice_the_worst_is_shown_and_the_others_are_links(world: World, shown: Shown) -> None:
    burning(world)
    page = shown("slo")
    assert "model llama · version v2 · region eu-west ◀ shown" in page.text
    assert "region=us-east" in page.markup
    assert page.app.selectbox[0].value == "ttft"


def test_a_formula_from_before_is_said_and_the_engines_figures_stay(world: World, shown: Shown) -> None:
    burning(world)
    _stored(world, DAY)
    page = shown("slo", slo="ttft", **STABLE)
    assert "Not drawn: its revision was stored before formulas were" in page.text
    assert "93.0 %" in page.text


def test_a_sampled_objective_shows_its_interval_and_that_it_is_uncorrected(world: World, shown: Shown) -> None:
    world.collected()
    fields = {"interval": [0.955, 0.989], "corrected": False, "sampled": True, "objective": 0.95, "sli": 0.975}
    world.judged(status_row("hallucination", STABLE, **fields))
    text = shown("slo").text
    assert "95 % interval 95.50 % to 98.90 %" in text
    assert "Uncorrected: the share that the detector flags" in text


def test_an_objective_over_queries_is_marked_as_not_exact(world: World, shown: Shown) -> None:
    world.collected()
    world.judged(status_row("asked", STABLE, exact=False, reason="not exact: each minute"))
    text = shown("slo").text
    assert "not exact: each minute" in text
    assert "counts not exact" in " ".join(text.split())


def test_what_does_not_exist_is_said(world: World, shown: Shown) -> None:
    burning(world)
    assert "There is no SLO nothing in force." in shown("slo", slo="nothing").text
    assert "No group of it fits model gpt" in shown("slo", slo="ttft", model="gpt").text


def test_a_row_without_measurements_has_no_zero(world: World, shown: Shown) -> None:
    world.collected()
    unknown = dict.fromkeys(("good", "total", "sli", "budget_remaining", "coverage", "since"))
    world.judged(status_row("itl", ELSEWHERE, "no_data", burn_rates={}, reason="no counts yet", **unknown))
    text = shown("slo", slo="itl").text
    assert text.count("not measured") >= 6
    assert "no counts yet" in text


def test_the_past_stands_still(world: World, shown: Shown) -> None:
    burning(world)
    _stored(world, 40 * DAY, **_ttft())
    assert "Back to now" in shown("slo", slo="ttft", range="1h", at=str(world.now - 7200), **CANARY).text
