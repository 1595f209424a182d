"""Slices in a living engine: what it keeps, what it reads again, and what a backtest makes of them."""

from __future__ import annotations

from pathlib import Path

from core.measures import Measure
from slo_engine.backtest import backtest
from slo_engine.compile import timeslices_name
from slo_engine.specs.model import TimeSlices
from slo_engine.timeslices import round as slice_round
from storage import slo as store
from tests.slo_engine.script import slo_text
from tests.slo_engine.world import START, World

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M = (("model", "m"),)
TEXT = slo_text("success", "95", "requests of slices 5m 0.9")


def test_a_new_slo_has_the_slices_of_all_minutes_that_are_kept(world: World) -> None:
    now = START + 3 * 86_400
    world.clock.set(now)
    world.count(range(now - 50 * 3600, now, 60), {(GOOD, M): 10})
    world.lead(slo_text("plain", "99", "requests"))
    world.tick(now)
    world.lead(TEXT)
    for minute in range(now, now + 13 * 60, 60):
        world.tick(minute)
    row = world.status("success")
    assert row["slices"]["good"] == 48 * 12
    assert row["total"] == row["good"] == 48 * 12


def test_a_backlog_is_judged_newest_first_and_a_part_of_it_in_a_tick(world: World) -> None:
    world.count(range(START, START + 40 * 3600, 60), {(GOOD, M): 10})
    world.lead(slo_text("success", "95", "requests of slices 1m 0.9"))
    world.clock.set(START + 40 * 3600)
    world.lead()
    world.tick(START + 40 * 3600)
    assert world.status("success")["total"] == slice_round.AT_ONCE
    assert world.status("success")["burn_rates"]["1h"] == 0.0


def test_equal_slices_of_two_slos_are_judged_once(tmp_path: Path) -> None:
    slos = World(tmp_path).read(TEXT, slo_text("other", "99", "requests of slices 5m 0.9"))
    assert len({timeslices_name(slo.indicator) for slo in slos if isinstance(slo.indicator, TimeSlices)}) == 1
    assert len(slice_round.definitions_of(slos, {})) == 1


def test_slices_that_differ_in_anything_have_measures_of_their_own(tmp_path: Path) -> None:
    texts = [
        TEXT,
        TEXT.replace("timeSliceWindow: 5m", "timeSliceWindow: 1m"),
        TEXT.replace("timeSliceTarget: 0.9", "timeSliceTarget: 0.8"),
        TEXT.replace("Timeslices", "RatioTimeslices"),
        TEXT.replace("by: [model]", "by: [region]"),
        slo_text("x", "95", "kv_cache <= 0.5 of slices 5m 0.9"),
        slo_text("x", "95", "kv_cache <= 0.6 of slices 5m 0.9"),
        slo_text("x", "95", "kv_cache >= 0.5 of slices 5m 0.9"),
        slo_text("x", "95", "ttft <= 0.5 of slices 5m 0.9"),
        slo_text("x", "95", "tokens >= 10 of slices 5m 0.9"),
    ]
    world = World(tmp_path)
    found = [slo.indicator for text in texts for slo in world.read(text)]
    assert len({timeslices_name(one) for one in found if isinstance(one, TimeSlices)}) == len(texts)


def test_no_alert_window_is_narrower_than_a_slice(world: World) -> None:
    world.count(range(START, START + 7200, 60), {(BAD, M): 10})
    world.lead(slo_text("success", "99", "requests of slices 20m 0.9"))
    world.tick(START + 7200)
    assert list(world.status("success")["burn_rates"]) == ["20m", "40m", "1h", "2h", "6h", "1d", "3d"]
    assert world.status("success")["state"] == "firing"


def test_a_backtest_of_slices_that_were_never_in_force_says_what_an_engine_would_have(world: World) -> None:
    world.count(range(START, START + 3600, 60), {(GOOD, M): 10})
    world.count(range(START + 3600, START + 5400, 60), {(BAD, M): 10})
    world.lead(slo_text("plain", "99", "requests"))
    world.tick(START + 5400)
    minutes = range(START + 3660, START + 5400, 60)
    slos = world.read(slo_text("success", "99", "requests of slices 1m 0.9"))
    looked_back = backtest(world.db, slos, minutes, {})
    (world.folder / "live").mkdir()
    live = World(world.folder / "live")
    live.count(range(START, START + 3600, 60), {(GOOD, M): 10})
    live.count(range(START + 3600, START + 5400, 60), {(BAD, M): 10})
    live.lead(slo_text("success", "99", "requests of slices 1m 0.9"))
    for minute in minutes:
        live.tick(minute)
    told = [(one.at, one.severity, one.transition) for one in live.events("success")]
    assert told
    assert [(one.minute, one.severity, one.transition) for one in looked_back] == told
    assert store.evaluations(world.db) == [START + 5400]


def test_a_threshold_that_is_no_bound_is_said_for_slices_too(world: World) -> None:
    ttft = Measure("ttft", "engine", (), (0.1, 0.25, 0.5, 1.0))
    world.count(range(START, START + 600, 60), {(ttft, M): {1: 10}})
    world.lead(slo_text("quick", "95", "ttft <= 0.4 of slices 5m 0.9"))
    world.tick(START + 600)
    assert "0.4 s is no bucket bound" in world.status("quick")["reason"]
    assert world.status("quick")["total"] == 2
