"""What is not there pages, and what is merely quiet does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from storage import slo as store
from tests.e2e.running import Instance
from tests.e2e.virtual import START, Replica, Watched, times

WITHIN = 120.0
SCENARIOS = ("fleet-down", "engine-hang", "healthy")
LIVE_PAGES = Path(__file__).parents[3] / "shared" / "data" / "live-pages"


# Live: three instances at once, since each takes a tenth of a core.


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Instance]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Instance(tmp_path_factory.mktemp(name), name, own_metrics=False))
            for name in SCENARIOS
        }


def page_of(instance: Instance, alertname: str) -> dict[str, Any] | None:
    """The first webhook at the pager with an alert of this name."""
    for entry in instance.received():
        if entry["path"] == "/page" and any(a["labels"]["alertname"] == alertname for a in entry["body"]["alerts"]):
            return entry
    return None


@pytest.mark.xdist_group("demo-2")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("scenario", "fault", "alertname", "group"),
    [
        ("fleet-down", "kill", "FleetDown", {"version": "v1", "region": "us-east"}),
        ("engine-hang", "effects", "EngineStuck", {"version": "v1", "region": "eu-west"}),
    ],
)
def test_a_fleet_that_is_down_and_an_engine_that_hangs_page_within_two_minutes(
    live: dict[str, Instance], scenario: str, fault: str, alertname: str, group: dict[str, str]
) -> None:
    instance = live[scenario]
    began = instance.until(60, "the fault", lambda: instance.events(fault))[0]["time"]
    page = instance.until(WITHIN + 30, f"{alertname} at the pager", lambda: page_of(instance, alertname))
    (alert,) = [alert for alert in page["body"]["alerts"] if alert["labels"]["alertname"] == alertname]
    assert page["time"] - began <= WITHIN
    assert group.items() <= alert["labels"].items()


@pytest.mark.xdist_group("demo-2")
@pytest.mark.timeout(300)
def test_a_healthy_fleet_pages_nobody_for_two_minutes(live: dict[str, Instance]) -> None:
    instance = live["healthy"]
    instance.until(60, "ready", lambda: (answer := instance.get("/readyz")) and answer.status_code == 200)
    instance.until(180, "two minutes were evaluated", lambda: len(store.evaluations(instance.database())) >= 2)
    assert instance.alerts_received(path="/page") == []
    fired = [event for event in store.events(instance.database()) if event.transition == "firing"]
    assert [event for event in fired if event.severity == "page"] == []


# On a clock of its own: an hour in seconds.

EU, US = "http://eu/metrics", "http://us/metrics"
LABELS = {EU: {"version": "v1", "region": "eu-west"}, US: {"version": "v1", "region": "us-east"}}


def fleet() -> dict[str, Replica]:
    return {url: Replica(seed, rate=3.0) for seed, url in enumerate((EU, US))}


def test_an_hour_of_a_healthy_fleet_pages_nobody(tmp_path: Path) -> None:
    replicas = fleet()
    watched = Watched(tmp_path)
    for now in times(3600):
        watched.step(now, {url: replica.body(now) for url, replica in replicas.items()}, LABELS)
    assert len(store.evaluations(watched.database)) >= 60
    assert watched.pages() == []


def test_an_hour_of_a_fleet_without_any_request_pages_nobody(tmp_path: Path) -> None:
    replicas = fleet()
    watched = Watched(tmp_path)
    for now in times(3600):
        watched.step(now, {url: replica.body(now, share=0.0) for url, replica in replicas.items()}, LABELS)
    assert len(store.evaluations(watched.database)) >= 60
    assert watched.pages() == []


def test_a_region_that_dies_in_that_hour_pages_within_two_minutes(tmp_path: Path) -> None:
    replicas = fleet()
    watched = Watched(tmp_path)
    died = START + 300
    for now in times(600):
        bodies = {url: None if url == US and now > died else one.body(now) for url, one in replicas.items()}
        watched.step(now, bodies, LABELS)
    pages = watched.pages()
    assert [(event.labels["alertname"], event.labels["region"]) for event in pages] == [("FleetDown", "us-east")]
    assert pages[0].at - died <= WITHIN


def test_an_engine_that_hangs_in_that_hour_pages_within_two_minutes(tmp_path: Path) -> None:
    replicas = fleet()
    watched = Watched(tmp_path)
    hung = START + 300
    for now in times(600):
        if now == hung:
            replicas[EU].hang(now)
        watched.step(now, {url: replica.body(now) for url, replica in replicas.items()}, LABELS)
    pages = watched.pages()
    assert ("EngineStuck", "eu-west") in [(event.labels["alertname"], event.labels["region"]) for event in pages]
    assert all(event.labels["region"] == "eu-west" for event in pages)
    assert next(event.at for event in pages if event.labels["alertname"] == "EngineStuck") - hung <= WITHIN


def test_an_engine_that_comes_back_with_work_waiting_is_not_stuck(tmp_path: Path) -> None:
    """It was away for three minutes, and its queue fills before its first token: that is a start, not a hang."""
    replicas = fleet()
    watched = Watched(tmp_path)
    for now in times(420):
        away = START + 60 < now < START + 240
        if now == START + 240:
            replicas[EU] = Replica(seed=2, rate=100.0, start=now - 1)
        watched.step(now, {url: None if away and url == EU else one.body(now) for url, one in replicas.items()}, LABELS)
    assert "EngineStuck" not in [event.labels["alertname"] for event in watched.pages()]


# Pages that a real vLLM wrote, where they are at hand.


def recorded(name: str) -> bytes:
    file = LIVE_PAGES / name
    if not file.is_file():
        pytest.skip(f"no recorded page {name} beside this repository")
    return file.read_bytes()


def of_one_process(idle: bytes, busy: bytes) -> bytes:
    """The busy page with the process start of the idle one: as if one server had written both."""
    start = re.search(rb"^process_start_time_seconds .*$", idle, re.MULTILINE)
    assert start is not None
    return re.sub(rb"^process_start_time_seconds .*$", start.group(), busy, flags=re.MULTILINE)


RECORDED = 1_795_460_400.0
"""A whole minute after both processes of the recorded pages began."""


def test_an_hour_of_a_real_idle_page_pages_nobody(tmp_path: Path) -> None:
    body = recorded("vllm-0.32-cpu-idle.prom")
    watched = Watched(tmp_path, RECORDED)
    for now in times(3600, RECORDED):
        watched.step(now, {EU: body, US: body}, LABELS)
    assert len(store.evaluations(watched.database)) >= 60
    assert watched.pages() == []


def test_an_idle_server_that_takes_up_work_misses_nothing(tmp_path: Path) -> None:
    """Slow requests may burn the budget; that a server which idled for an hour was down, stuck or gone is not true."""
    idle = recorded("vllm-0.32-cpu-idle.prom")
    busy = of_one_process(idle, recorded("vllm-0.32-cpu-saturated.prom"))
    watched = Watched(tmp_path, RECORDED)
    for now in times(3600, RECORDED):
        watched.step(now, {EU: idle if now < RECORDED + 3000 else busy}, LABELS)
    assert {event.labels["alertname"] for event in watched.pages()} <= {"ErrorBudgetBurn"}
