"""The demo's promise: within minutes, the right page names the canary, with the evidence, and every tool agrees."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.running import Instance, burnline

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]

WITHIN = 180.0
CANARY = {"version": "v2", "region": "eu-west"}
ALERTMANAGER_V4 = {
    *("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels"),
    *("commonLabels", "commonAnnotations", "externalURL", "alerts"),
}
ALERT = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, float]]:
    """A running instance whose pager has been told, and how long that took."""
    began = time.monotonic()
    with Instance(tmp_path_factory.mktemp("canary"), "canary-regression", own_metrics=True) as instance:
        instance.until(WITHIN, "the pager was told", instance.alerts_received)
        yield instance, time.monotonic() - began


def is_canary(labels: dict[str, str]) -> bool:
    return CANARY.items() <= labels.items()


def test_the_pager_is_told_of_the_canary_within_three_minutes(paged: tuple[Instance, float]) -> None:
    instance, seconds = paged
    assert seconds < WITHIN
    assert all(is_canary(alert["labels"]) for alert in instance.alerts_received())


def test_an_open_incident_names_version_and_region(paged: tuple[Instance, float]) -> None:
    incidents = paged[0].cli_json("incident", "list")
    assert incidents
    pages = [one for one in incidents if one["severity"] == "page"]
    assert pages
    assert all(one["open"] and is_canary(one["labels"]) and "v2" in one["title"] for one in pages)


def test_the_webhook_is_alertmanagers_with_evidence(paged: tuple[Instance, float]) -> None:
    entry = next(one for one in paged[0].received() if one["path"] == "/page")
    body = entry["body"]
    assert body["version"] == "4"
    assert body.keys() >= ALERTMANAGER_V4
    assert "Idempotency-Key" in entry["headers"]
    for alert in body["alerts"]:
        assert alert.keys() >= ALERT
        evidence = json.loads(alert["annotations"]["evidence"])
        assert max(rate for rate in evidence["burn_rates"].values() if rate is not None) > 1
        assert CANARY.items() <= evidence["suspects"][0]["group"].items()


def test_the_links_of_the_page_lead_to_the_dashboard(paged: tuple[Instance, float]) -> None:
    instance, _ = paged
    links = {alert["annotations"]["dashboard_url"] for alert in instance.alerts_received()}
    assert all(link.startswith(instance.dashboard) and "version=v2" in link for link in links)


def test_slo_status_shows_the_burn_of_the_canary_and_of_nobody_else(paged: tuple[Instance, float]) -> None:
    rows = paged[0].cli_json("slo", "status")
    firing = [(row["slo"], row["group"]) for row in rows if row["state"] == "firing"]
    assert any(is_canary(group) for _, group in firing)
    # An SLO that is not grouped by region names the version alone: it must still be the canary's.
    assert all((group | CANARY).items() == group.items() | CANARY.items() for _, group in firing), firing
    healthy = [row for row in rows if row["group"].get("version") == "v1" and row["slo"] == "request-success"]
    assert healthy
    assert all(row["state"] == "ok" and row["budget_remaining"] > 0 for row in healthy)


def test_what_is_not_known_is_null_with_a_reason(paged: tuple[Instance, float]) -> None:
    unknown = [row for row in paged[0].cli_json("slo", "status") if row["sli"] is None]
    assert {row["slo"] for row in unknown} >= {"hallucination", "retries", "safety"}
    assert all(row["reason"] for row in unknown)


def test_the_api_answers_as_the_command_line_does(paged: tuple[Instance, float]) -> None:
    instance, _ = paged
    answers: dict[str, Any] = {}
    for path in ("slos/status", "alerts", "incidents", "silences", "targets"):
        answer = instance.get(f"/api/v1/{path}")
        assert answer is not None
        assert answer.status_code == 200, (path, answer.text)
        answers[path] = answer.json()
    assert {row["slo"] for row in answers["slos/status"]} == {row["slo"] for row in instance.cli_json("slo", "status")}
    assert {one["id"] for one in answers["incidents"]} <= {one["id"] for one in instance.cli_json("incident", "list")}
    assert {target["labels"]["job"] for target in answers["targets"]} >= {"vllm", "dcgm"}
    assert all(target["up"] for target in answers["targets"]), answers["targets"]


def test_it_is_ready_and_says_of_each_part_why(paged: tuple[Instance, float]) -> None:
    answer = paged[0].get("/readyz")
    assert answer is not None
    assert (answer.status_code, answer.json()["ready"]) == (200, True), answer.text
    assert answer.json()["parts"].keys() == {"collector", "engine", "alerter"}


def test_the_dashboard_answers(paged: tuple[Instance, float]) -> None:
    import httpx

    answer = httpx.get(f"{paged[0].dashboard}/_stcore/health", trust_env=False)
    assert answer.status_code == 200


def test_an_incident_is_acknowledged_from_the_command_line(paged: tuple[Instance, float]) -> None:
    instance, _ = paged
    chosen = next(one for one in instance.cli_json("incident", "list") if one["severity"] == "page")
    instance.cli("incident", "ack", chosen["id"], "--by", "ada", "--comment", "rolling back")
    after = next(one for one in instance.cli_json("incident", "list") if one["id"] == chosen["id"])
    assert (after["acknowledged_by"], after["comment"]) == ("ada", "rolling back")
    assert after["acknowledged_at"] is not None


def test_an_incident_that_is_not_there_cannot_be_acknowledged(paged: tuple[Instance, float]) -> None:
    instance, _ = paged
    done = burnline("incident", "ack", 999_999, "--config", instance.config, env=instance.env)
    assert done.returncode == 2
    assert "999999" in done.stderr


def test_a_silence_is_added_listed_and_expired(paged: tuple[Instance, float]) -> None:
    instance, _ = paged
    added = instance.cli("silence", "add", "slo=ttft", "version=v2", "--for", "1h", "--by", "ada", "--comment", "known")
    silence_id = added.strip()
    (listed,) = instance.cli_json("silence", "list")
    assert (listed["id"], listed["state"], listed["created_by"]) == (silence_id, "active", "ada")
    instance.cli("silence", "expire", silence_id, "--by", "ada")
    assert instance.cli_json("silence", "list") == []
    (expired,) = instance.cli_json("silence", "list", "--expired")
    assert (expired["id"], expired["state"]) == (silence_id, "expired")
