"""Canaries through the engine: found, judged each minute, told, latched and ended; a new leader goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from core.histogram import Bounds
from core.measures import Measure
from slo_engine.settings import CanarySettings, EngineSettings
from storage import canaries, deployments
from storage.canaries import Canary
from storage.deployments import Deployment
from tests.slo_engine.world import START, World, ratio, spec, threshold

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
BOUNDS: Bounds = (0.1, 0.5, 1.0)
TTFT = Measure("ttft", "engine", (), BOUNDS)
ITL = Measure("itl", "engine", (), BOUNDS)
SUCCESS = spec(target=99)
FIRST_TOKEN = spec(threshold("signal: ttft, by: [model]"), target=99, name="ttft", at_most=0.5)
GAPS = spec(threshold("signal: itl, by: [model]"), target=99, name="itl", at_most=0.5)
MINUTE = 60


def group(version: str, region: str = "eu") -> tuple[tuple[str, str], ...]:
    return (("model", "m"), ("region", region), ("version", version))


def serve(
    world: World,
    minutes: range,
    requests: Mapping[str, tuple[int, int]],
    region: str = "eu",
    slow: Mapping[str, int] | None = None,
    coverage: float = 1.0,
) -> None:
    """Each minute (counted from START), each version finishes (bad, all) requests; `slow` ones wait too long."""
    for version, (bad, all_) in requests.items():
        late = (slow or {}).get(version, 0)
        amounts = {
            (GOOD, group(version, region)): all_ - bad,
            (BAD, group(version, region)): bad,
            (TTFT, group(version, region)): {0: all_ - late, 3: late},
            (ITL, group(version, region)): {0: all_ * 50},
        }
        span = range(START + minutes.start * MINUTE, START + minutes.stop * MINUTE, MINUTE)
        world.count(span, amounts, f"{version} {region}", coverage=coverage)


def tick(world: World, minute: int) -> None:
    world.tick(START + minute * MINUTE)


def the_canary(world: World) -> Canary:
    (found,) = canaries.since(world.db, 0.0)
    return found


def told(world: World) -> list[str]:
    return [line for line in world.told() if "canary regression" in line]


def test_a_new_version_that_fails_more_is_found_and_told(world: World) -> None:
    world.lead(SUCCESS, FIRST_TOKEN)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 63), {"v1": (0, 300), "v2": (8, 100)})
    tick(world, 60)
    assert canaries.since(world.db, 0.0) == []
    tick(world, 62)
    found = the_canary(world)
    assert (found.id, found.version, found.baseline) == (f"m:v2:{START + 3600}", "v2", "v1")
    assert (found.state, found.failed_at) == ("fail", float(START + 62 * MINUTE))
    verdict = found.verdict
    assert verdict["criterion"] == "success"
    assert verdict["e_value"] >= 20
    assert verdict["p_value"] <= 0.05
    assert verdict["requests"] == {"canary": 200, "baseline": 600}
    assert verdict["bad"] == {"canary": 16, "baseline": 0}
    assert verdict["delta"] == pytest.approx(0.08)
    assert verdict["interval"][0] > 0
    assert (verdict["ratio"], verdict["ratio_interval"][1]) == (None, None)
    assert [one["region"] for one in verdict["suspects"]] == ["eu"]
    assert [(one["name"], one["slo"]) for one in verdict["criteria"]] == [("errors", "success"), ("slow ttft", "ttft")]
    assert told(world) == ["1:02 firing ticket canary regression{model=m,version=v2}"]
    (event,) = world.events("canary regression")
    assert event.evidence["canary"] == found.id
    assert "v2 is worse than v1" in event.annotations["summary"]
    json.dumps(verdict, allow_nan=False)


def test_slow_answers_fail_it_too_and_gaps_between_tokens_are_no_criterion(world: World) -> None:
    world.lead(SUCCESS, FIRST_TOKEN, GAPS)
    serve(world, range(60), {"v1": (1, 300)})
    serve(world, range(60, 64), {"v1": (1, 300), "v2": (1, 100)}, slow={"v2": 20})
    tick(world, 64)
    verdict = the_canary(world).verdict
    assert (verdict["state"], verdict["criterion"]) == ("fail", "ttft")
    assert {one["slo"] for one in verdict["criteria"]} == {"success", "ttft"}


def test_a_version_as_good_passes_once_enough_was_seen(world: World) -> None:
    world.lead(SUCCESS, FIRST_TOKEN)
    serve(world, range(60), {"v1": (1, 300)})
    serve(world, range(60, 90), {"v1": (1, 300), "v2": (0, 100)})
    tick(world, 62)
    early = the_canary(world)
    assert early.state == "inconclusive"
    needed = early.verdict["needs"]["requests"]
    assert 100 <= needed <= 5000
    tick(world, 90)
    late = the_canary(world)
    assert (late.state, late.verdict["needs"]) == ("pass", None)
    assert told(world) == []


def test_few_requests_say_nothing(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 63), {"v1": (0, 300), "v2": (0, 5)})
    tick(world, 63)
    verdict = the_canary(world).verdict
    assert verdict["state"] == "no_data"
    assert "15 requests of v2" in verdict["reason"]
    assert (verdict["e_value"], verdict["ratio"], verdict["ratio_interval"]) == (1.0, None, None)


def test_what_was_hardly_seen_cannot_pass(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (1, 300)})
    serve(world, range(60, 100), {"v1": (1, 300), "v2": (0, 100)}, coverage=0.7)
    tick(world, 100)
    verdict = the_canary(world).verdict
    assert verdict["state"] == "inconclusive"
    assert "70%" in verdict["reason"]


def test_a_region_that_fails_more_is_no_fault_of_the_version_that_serves_it_mostly(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (1, 300)}, "eu")
    serve(world, range(60, 90), {"v1": (27, 270), "v2": (3, 30)}, "eu")
    serve(world, range(60, 90), {"v1": (0, 30), "v2": (0, 270)}, "us")
    tick(world, 90)
    verdict = the_canary(world).verdict
    assert verdict["state"] != "fail"
    assert verdict["ratio"] == pytest.approx(1.0, rel=0.05)


def test_the_region_that_is_to_blame_comes_first(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (1, 300)}, "eu")
    serve(world, range(60, 66), {"v1": (1, 300), "v2": (1, 100)}, "eu")
    serve(world, range(60, 66), {"v1": (1, 300), "v2": (30, 100)}, "us")
    tick(world, 66)
    worst, other = the_canary(world).verdict["suspects"]
    assert (worst["region"], other["region"]) == ("us", "eu")
    assert worst["e_value"] > 20 > other["e_value"]
    (event,) = world.events("canary regression")
    assert "Where: us." in event.annotations["summary"]


def test_a_fail_latches_and_the_alert_ends_when_the_version_is_gone(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 62), {"v1": (0, 300), "v2": (30, 100)})
    tick(world, 62)
    serve(world, range(62, 120), {"v1": (30, 300), "v2": (0, 100)})
    tick(world, 120)
    assert the_canary(world).state == "fail"
    assert len(told(world)) == 1
    serve(world, range(120, 140), {"v1": (0, 300)})
    tick(world, 134)
    assert the_canary(world).ended_at is None
    tick(world, 135)
    over = the_canary(world)
    assert over.ended_at == START + 135 * MINUTE
    assert over.verdict["reason"].endswith("over: v2 left")
    assert over.verdict["ended_at"] == "2026-01-05T02:15:00Z"
    assert told(world)[1:] == ["2:15 resolved ticket canary regression{model=m,version=v2}"]
    tick(world, 140)
    assert len(told(world)) == 2


def test_a_new_leader_goes_on_with_the_same_canary(world: World) -> None:
    world.lead(SUCCESS, ttl=0.0)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 70), {"v1": (0, 300), "v2": (5, 100)})
    tick(world, 61)
    early = the_canary(world)
    world.lead(holder="two", ttl=0.0)
    tick(world, 70)
    late = the_canary(world)
    assert late.id == early.id
    assert late.verdict["requests"] == {"canary": 1000, "baseline": 3000}
    assert late.verdict["p_value"] <= early.verdict["p_value"]
    assert len(told(world)) == 1


def test_versions_that_came_together_the_smaller_one_is_the_canary(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(5), {"v1": (0, 30), "v2": (0, 90)})
    tick(world, 5)
    assert (the_canary(world).version, the_canary(world).baseline) == ("v1", "v2")
    serve(world, range(5, 80), {"v1": (0, 300), "v2": (0, 9)})
    tick(world, 80)
    assert the_canary(world).version == "v1"


def test_versions_in_different_regions_are_not_compared(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)}, "eu")
    serve(world, range(60, 70), {"v1": (0, 300)}, "eu")
    serve(world, range(60, 70), {"v2": (30, 300)}, "us")
    tick(world, 70)
    assert canaries.since(world.db, 0.0) == []


def deploy(world: World, minute: int, version: str, region: str | None = None) -> Deployment:
    at = float(START + minute * MINUTE)
    return deployments.add(world.db, Deployment(0, at, "m", version, region, 0.1, "", "ci", at))


def test_a_registered_deployment_makes_an_old_label_a_canary_again(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 64), {"v1": (0, 300), "v2": (30, 100)})
    tick(world, 64)
    serve(world, range(64, 90), {"v1": (0, 300)})
    tick(world, 90)
    registered = deploy(world, 91, "v2", "eu")
    serve(world, range(90, 110), {"v1": (1, 300), "v2": (0, 100)})
    tick(world, 110)
    new, old = canaries.since(world.db, 0.0)
    assert (old.state, new.state) == ("fail", "pass")
    assert (new.deployment_id, new.started_at, new.region) == (registered.id, registered.at, "eu")
    assert new.verdict["deployment"] == registered.id


def test_the_steps_of_a_ramp_belong_to_the_canary_that_runs(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 80), {"v1": (0, 300), "v2": (0, 100)})
    tick(world, 65)
    first = deploy(world, 66, "v2")
    deploy(world, 70, "v2")
    deploy(world, 75, "v1")
    tick(world, 80)
    assert the_canary(world).deployment_id == first.id


def test_a_newer_version_ends_the_canary_before_it(world: World) -> None:
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 80), {"v1": (0, 300), "v2": (20, 100)})
    tick(world, 70)
    serve(world, range(80, 90), {"v1": (0, 300), "v2": (20, 100), "v3": (0, 100)})
    tick(world, 90)
    newer, older = canaries.since(world.db, 0.0)
    assert (newer.version, newer.baseline, newer.ended_at) == ("v3", "v1", None)
    assert older.verdict["reason"].endswith(f"over: {newer.id} began")
    assert [line.split()[1] for line in told(world)] == ["firing", "resolved"]


def test_it_ends_after_the_longest_time_and_does_not_begin_again(world: World) -> None:
    world.settings = EngineSettings(packs=(), canary=CanarySettings(max_duration=1800.0))
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 130), {"v1": (0, 300), "v2": (0, 100)})
    for minute in (61, 90, 91, 130):
        tick(world, minute)
    assert the_canary(world).ended_at == START + 90 * MINUTE


@pytest.mark.parametrize(("severity", "wanted"), [("page", ["page"]), ("off", [])])
def test_the_severity_is_a_setting(world: World, severity: str, wanted: list[str]) -> None:
    settings = CanarySettings.model_validate({"severity": severity})
    world.settings = EngineSettings(packs=(), canary=settings)
    world.lead(SUCCESS)
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 62), {"v1": (0, 300), "v2": (30, 100)})
    tick(world, 62)
    assert the_canary(world).state == "fail"
    assert [event.severity for event in world.events("canary regression")] == wanted


def test_without_a_criterion_there_is_no_canary(world: World) -> None:
    world.lead(spec(ratio("signal: http_responses, where: 'code!=\"5xx\"'", "signal: http_responses"), target=99))
    serve(world, range(60), {"v1": (0, 300)})
    serve(world, range(60, 62), {"v1": (0, 300), "v2": (30, 100)})
    tick(world, 62)
    assert canaries.since(world.db, 0.0) == []


def test_a_pass_ratio_within_the_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="pass_ratio"):
        CanarySettings(margin=2.0, pass_ratio=1.5)
