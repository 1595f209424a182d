"""The verdict on the demo's canary: fail within three minutes where it is worse, never a fail where it is not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Instance

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(420)]

REGRESSION_AFTER = 20.0
"""The scenario's script: seconds from the fleet's start on."""
WITHIN = 180.0


def the_verdict(instance: Instance, *states: str) -> dict[str, Any] | None:
    """The verdict of the one canary, once it is in one of these states (without any: in any)."""
    found = instance.cli_json("canary", "list")
    assert len(found) <= 1, found
    return next((one["verdict"] for one in found if not states or one["state"] in states), None)


def surely_worse(instance: Instance) -> dict[str, Any] | None:
    """The verdict, once its interval holds differences above 0 alone."""
    verdict = the_verdict(instance, "fail")
    return verdict if verdict is not None and verdict["interval"][0] > 0 else None


def test_a_worse_canary_fails_within_three_minutes_and_the_verdict_names_it(tmp_path: Path) -> None:
    with Instance(tmp_path, "canary-regression") as instance:
        began = time.monotonic()
        instance.until(REGRESSION_AFTER + WITHIN, "the canary fails", lambda: the_verdict(instance, "fail"))
        assert time.monotonic() - began < REGRESSION_AFTER + WITHIN
        # The interval is the more cautious of the two: it leaves 0 a little after the labels have said fail.
        verdict = instance.until(60, "the interval lies above 0", lambda: surely_worse(instance))
        assert (verdict["version"], verdict["baseline"], verdict["ended_at"]) == ("v2", "v1", None)
        assert verdict["e_value"] >= 1 / verdict["alpha"]
        assert verdict["suspects"][0]["region"] == "eu-west"
        answer = instance.get(f"/api/v1/canaries/{verdict['id']}/verdict")
        assert answer is not None
        assert (answer.status_code, answer.json()["state"]) == (200, "fail"), answer.text
        assert "fail: " in instance.cli("canary", "verdict", verdict["id"])
        told = instance.until(30, "the alert was sent", lambda: regressions(instance))
        assert told[0]["labels"]["severity"] == "ticket"
        assert verdict["id"].rpartition(":")[2] in told[0]["annotations"]["dashboard_url"]


def test_a_canary_that_is_as_good_does_not_fail(tmp_path: Path) -> None:
    with Instance(tmp_path, "healthy") as instance:
        first = instance.until(240, "something is said", lambda: the_verdict(instance, "pass", "inconclusive", "fail"))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            verdict = the_verdict(instance)
            assert verdict is not None
            assert verdict["state"] in ("pass", "inconclusive"), (first, verdict)
            time.sleep(5)
        assert regressions(instance) == []


def regressions(instance: Instance) -> list[dict[str, Any]]:
    paths = {entry["path"] for entry in instance.received()}
    alerts = [alert for path in paths for alert in instance.alerts_received(path=path)]
    return [alert for alert in alerts if alert["labels"]["alertname"] == "CanaryRegression"]
