"""The engine over judged samples: what status says, and when a ticket opens and closes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.measures import Measure
from core.statistics.quality import interval
from tests.slo_engine.world import START, World, ratio, spec

HOUR, DAY = 3600, 86_400
M = (("model", "m"),)
N = (("model", "n"),)
Amounts = Mapping[tuple[Measure, tuple[tuple[str, str], ...]], int]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.db.dispose()


def quality(target: float = 95, detectors: str = "groundedness", name: str = "grounded", ticket: str = "true") -> str:
    where = f'detector=~\\"{detectors}\\"'.replace('\\"', '"')
    total = f"signal: judged, where: '{where}', by: [model]"
    bad = f"signal: judged, where: '{where},verdict=\"flagged\"', by: [model]"
    return spec(ratio(bad, total, "bad"), target, name, page="false", ticket=ticket)


def amounts(
    flagged: int = 0,
    clear: int = 0,
    failed: int = 0,
    not_applicable: int = 0,
    drawn: int | None = None,
    generated: int | None = None,
    detector: str = "groundedness",
    revision: str = "r1",
    stratum: str = "default",
    group: tuple[tuple[str, str], ...] = M,
) -> dict[tuple[Measure, tuple[tuple[str, str], ...]], int]:
    """One minute of a stratum; by default everything that was generated was drawn and has a verdict."""
    verdicts = {"flagged": flagged, "clear": clear, "failed": failed, "not_applicable": not_applicable}
    drawn = sum(verdicts.values()) if drawn is None else drawn
    of = (("stratum", stratum),)
    found = {(Measure("drawn", "client", of), group): drawn}
    found[Measure("generations", "client", of), group] = drawn if generated is None else generated
    for verdict, n in verdicts.items():
        attrs = (("detector", detector), ("revision", revision), ("stratum", stratum), ("verdict", verdict))
        found[Measure("judged", "client", attrs), group] = n
    return {key: n for key, n in found.items() if n}


def put(world: World, begin: int, end: int, content: Amounts, every: int = 60, source: str = "otlp") -> None:
    """The same minute again and again, from `begin` up to `end` (seconds after START)."""
    world.count(range(START + begin, START + end, every), content, source)


def run(world: World, begin: int, end: int, every: int = 600) -> None:
    for at in range(begin, end + 1, every):
        world.tick(START + at)


def test_a_row_has_the_fields_of_every_row_and_the_interval(world: World) -> None:
    world.lead(quality())
    put(world, 0, HOUR, amounts(flagged=1, clear=39, drawn=50, generated=500))
    world.tick(START + HOUR)
    row = world.status("grounded", model="m")
    low, high = interval(60, 2400)
    assert (row["good"], row["total"]) == (2340, 2400)
    assert row["sli"] == pytest.approx(0.975)
    assert row["budget_remaining"] == pytest.approx(0.5)
    assert "undecided" not in row["reason"]
    assert row["coverage"] == pytest.approx(0.8)
    assert row["interval"] == pytest.approx([1 - high, 1 - low])
    assert row["burn_rates"]["1d"] == pytest.approx(low / 0.05)
    assert (row["sampled"], row["corrected"], row["state"]) == (True, False, "ok")
    assert "uncorrected: the share that groundedness flags; 95 % interval 1." in row["reason"]
    assert "partial: 80% of what was drawn is judged" in row["reason"]
    assert row["detectors"] == [{"detector": "groundedness", "revision": "r1", "since": "2026-01-05T00:00:00Z"}]


def test_none_flagged_of_a_few_does_not_show_that_a_promise_is_kept(world: World) -> None:
    world.lead(quality(99.99))
    put(world, 0, HOUR, amounts(clear=20))
    world.tick(START + HOUR)
    row = world.status("grounded", model="m")
    assert (row["sli"], row["budget_remaining"], row["state"]) == (1.0, None, "ok")
    assert row["interval"][0] < 0.9999
    assert "undecided: the objective lies within the interval" in row["reason"]


def test_without_any_trace_it_is_not_measured(world: World) -> None:
    world.lead(quality())
    world.tick(START + HOUR)
    row = world.status("grounded")
    assert row["reason"] == "not measured: no application sends traces"
    assert (row["sli"], row["total"], row["interval"], row["state"]) == (None, None, None, "no_data")
    assert row["corrected"] is False


def test_what_was_drawn_and_not_judged_is_not_measured(world: World) -> None:
    world.lead(quality())
    put(world, 0, HOUR, amounts(drawn=2, generated=20))
    world.tick(START + HOUR)
    row = world.status("grounded", model="m")
    assert row["reason"] == "not measured: 120 drawn, none judged"
    assert (row["sli"], row["total"], row["coverage"], row["state"]) == (None, None, 0.0, "no_data")
    assert row["burn_rates"] == {"2h": None, "6h": None, "1d": None, "3d": None}


@pytest.mark.parametrize("verdict", ["failed", "not_applicable"])
def test_a_failed_verdict_and_one_without_sources_are_never_clear(world: World, verdict: str) -> None:
    world.lead(quality())
    put(world, 0, HOUR, amounts(drawn=2, **{verdict: 2}))  # type: ignore[arg-type] # a count by its name
    world.tick(START + HOUR)
    row = world.status("grounded", model="m")
    assert (row["sli"], row["total"], row["state"]) == (None, None, "no_data")
    assert row["reason"].startswith("not measured: 120 drawn")


def test_nothing_drawn_is_idle(world: World) -> None:
    world.lead(quality())
    put(world, 0, HOUR, amounts(drawn=0, generated=20))
    world.tick(START + HOUR)
    assert world.status("grounded", model="m")["reason"] == "idle: 1200 generated, none drawn"


def test_a_ticket_opens_by_the_near_edge_not_by_the_rate(world: World) -> None:
    """Twice the budget is flagged: 10 % of few verdicts may be chance, 10 % of many is not."""
    world.lead(quality())
    put(world, 0, DAY, amounts(flagged=1, clear=9), every=1800)
    run(world, 1800, DAY, 1800)
    fired = [event for event in world.events("grounded") if event.transition == "firing"]
    assert [event.severity for event in fired] == ["ticket"]
    evidence = fired[0].evidence
    assert evidence["interval"][0] > 0.05
    judged = evidence["judged"]
    assert judged > 60  # 10 % of 60 has a near edge under 5 %
    assert interval(judged // 10 - 1, judged - 10).low <= 0.05
    assert (evidence["corrected"], evidence["sampled"], evidence["drawn"]) == (False, True, judged)
    assert evidence["by_stratum"][0]["stratum"] == "default"
    assert evidence["detectors"][0]["revision"] == "r1"
    assert fired[0].labels["alertname"] == "ErrorBudgetBurn"
    assert "at least 1." in fired[0].annotations["summary"]
    assert "uncorrected" in fired[0].annotations["description"]


def test_a_rate_on_the_promise_opens_nothing(world: World) -> None:
    world.lead(quality())
    put(world, 0, DAY, amounts(flagged=1, clear=19), every=600)
    run(world, 3600, DAY, 3600)
    assert world.events("grounded") == []


def test_four_flagged_open_nothing_however_sure_the_rate(world: World) -> None:
    world.lead(quality(99.99))
    put(world, 0, 4 * 60, amounts(flagged=1))
    run(world, 60, HOUR, 60)
    assert [event for event in world.events("grounded") if event.transition == "firing"] == []
    put(world, HOUR, HOUR + 60, amounts(flagged=1))
    run(world, HOUR + 60, HOUR + 120, 60)
    assert world.told("grounded")[-1] == "1:01 firing ticket grounded{model=m}"


def test_it_never_pages(world: World) -> None:
    world.lead(quality())
    put(world, 0, 6 * HOUR, amounts(flagged=20))
    run(world, 600, 6 * HOUR)
    assert {event.severity for event in world.events("grounded")} == {"ticket"}


def test_it_ends_once_the_newest_verdicts_show_it(world: World) -> None:
    world.lead(quality())
    put(world, 0, 2 * HOUR, amounts(flagged=5, clear=5))
    put(world, 2 * HOUR, 9 * HOUR, amounts(clear=10))
    run(world, 600, 7 * HOUR)
    assert world.told("grounded") == ["0:10 firing ticket grounded{model=m}"]  # the longer short window is 6 h
    run(world, 7 * HOUR, 9 * HOUR)
    assert [event.transition for event in world.events("grounded")] == ["firing", "resolved"]
    assert world.status("grounded", model="m")["state"] == "ok"


def test_it_does_not_end_because_nobody_judges_any_more(world: World) -> None:
    world.lead(quality())
    put(world, 0, 2 * HOUR, amounts(flagged=5, clear=5))
    put(world, 2 * HOUR, 30 * HOUR, amounts(drawn=10, generated=10))
    run(world, 600, 30 * HOUR, 1800)
    assert [event.transition for event in world.events("grounded")][-1] == "firing"
    assert world.status("grounded", model="m")["state"] == "firing"


def test_a_group_that_generates_nothing_for_a_day_is_over(world: World) -> None:
    world.lead(quality())
    put(world, 0, 2 * HOUR, amounts(flagged=5, clear=5))
    put(world, 2 * HOUR, 30 * HOUR, amounts(clear=1, group=N), every=600, source="other")
    run(world, 600, 30 * HOUR, 1800)
    last = world.events("grounded")[-1]
    assert (last.transition, last.labels["model"]) == ("resolved", "m")
    assert last.evidence["reason"] == "nothing was generated in its group for a whole long window"


def test_a_new_revision_is_a_new_series_and_does_not_end_the_alert_of_the_one_before(world: World) -> None:
    world.lead(quality())
    put(world, 0, 5 * HOUR, amounts(flagged=5, clear=5, revision="old"))
    run(world, 600, 5 * HOUR)
    put(world, 5 * HOUR, 5 * HOUR + 600, amounts(clear=1, drawn=10, revision="new"), source="new")
    run(world, 5 * HOUR + 600, 5 * HOUR + 1200)
    row = world.status("grounded", model="m")
    assert row["detectors"] == [{"detector": "groundedness", "revision": "new", "since": "2026-01-05T05:00:00Z"}]
    assert (row["total"], row["good"], row["state"]) == (10, 10, "firing")


def test_a_revision_that_is_put_back_is_read_again(world: World) -> None:
    world.lead(quality())
    put(world, 0, HOUR, amounts(clear=1, revision="old"))
    put(world, HOUR, 2 * HOUR, amounts(clear=2, revision="bad"), source="bad")
    put(world, 2 * HOUR, 5 * HOUR, amounts(clear=1, revision="old"))
    world.tick(START + 5 * HOUR)
    assert world.status("grounded", model="m")["detectors"][0]["revision"] == "old"


def test_strata_count_by_their_population(world: World) -> None:
    """Failed calls are drawn ten times as often; the rate is that of all calls."""
    world.lead(quality())
    often = amounts(flagged=5, clear=5, generated=10, stratum="failed")
    rarely = amounts(clear=10, generated=90)
    put(world, 0, HOUR, {**often, **rarely})
    world.tick(START + HOUR)
    row = world.status("grounded", model="m")
    assert row["sli"] == pytest.approx(0.95)
    assert (row["good"], row["total"]) == (900, 1200)


def test_two_detectors_are_two_samples_of_the_same_answers(world: World) -> None:
    world.lead(quality(99, "pii|secrets", "safety"))
    content = {**amounts(clear=8, detector="pii"), **amounts(flagged=4, clear=4, detector="secrets")}
    put(world, 0, HOUR, content)
    world.tick(START + HOUR)
    row = world.status("safety", model="m")
    assert row["sli"] == pytest.approx(0.75)
    assert row["coverage"] == 1.0
    assert "the share that pii and secrets flag;" in row["reason"]
    assert [one["detector"] for one in row["detectors"]] == ["pii", "secrets"]


def test_suspects_are_ordered_by_what_is_sure(world: World) -> None:
    """One flagged of one would be the highest share, and says nothing."""
    world.lead(quality())
    put(world, 0, 2 * HOUR, amounts(flagged=5, clear=5))
    put(world, 0, 2 * HOUR, amounts(clear=60, group=N), source="other")
    put(world, 0, 60, amounts(flagged=1, group=(("model", "few"),)), source="few")
    run(world, 600, 2 * HOUR)
    fired = next(e for e in world.events("grounded") if e.transition == "firing")
    assert [one["group"]["model"] for one in fired.evidence["suspects"]] == ["m", "n"]


def test_a_new_leader_goes_on_from_the_ledger(world: World) -> None:
    world.lead(quality())
    put(world, 0, 2 * HOUR, amounts(flagged=5, clear=5))
    run(world, 600, 2 * HOUR)
    before = world.status("grounded", model="m")
    world.lead()
    world.tick(START + 2 * HOUR + 60)
    after = world.status("grounded", model="m")
    assert (after["total"], after["state"]) == (before["total"], "firing")
    assert world.told("grounded") == ["0:10 firing ticket grounded{model=m}"]


def test_an_slo_that_is_dropped_or_opens_no_tickets_any_more_ends_its_alert(world: World) -> None:
    world.lead(quality())
    put(world, 0, 2 * HOUR, amounts(flagged=5, clear=5))
    run(world, 600, 2 * HOUR)
    world.engine.use(world.read(quality(ticket="false")))
    world.tick(START + 2 * HOUR + 60)
    assert world.told("grounded")[-1] == "2:01 resolved ticket grounded{model=m}"
    assert world.status("grounded", model="m")["state"] == "ok"


def test_sampled_and_counted_slos_stand_beside_each_other(world: World) -> None:
    world.lead(quality(), spec())
    requests: dict[str, Any] = {"outcome": "good", "reason": "stop"}
    put(world, 0, HOUR, {(Measure("requests", "engine", tuple(requests.items())), M): 10}, source="scrape")
    put(world, 0, HOUR, amounts(clear=1))
    world.tick(START + HOUR)
    assert world.status("success", model="m")["total"] == 600
    assert "sampled" not in world.status("success", model="m")
    assert world.status("grounded", model="m")["total"] == 60
