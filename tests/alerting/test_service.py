from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import generate_latest

from alerting import heartbeat
from alerting.heartbeat import Heartbeat, Pulse
from alerting.metrics import AlertingMetrics
from alerting.settings import AlertingSettings, HeartbeatSettings
from core.egress import AddressRules, Answer, Request
from core.errors import StorageBusy
from storage import incidents
from storage.database import Database
from storage.tables import collector_shard, target_health


@pytest.mark.parametrize(
    ("watermark", "oldest", "expected"),
    [
        (1000.0, None, Pulse.BEAT),
        (940.0, 700.0, Pulse.BEAT),
        (939.0, None, Pulse.BLIND),
        (None, None, Pulse.BLIND),
        (1000.0, 699.0, Pulse.STUCK),
    ],
)
def test_the_heart_beats_only_while_alerts_can_arise_and_arrive(
    watermark: float | None, oldest: float | None, expected: Pulse
) -> None:
    assert heartbeat.decide(watermark, oldest, 1000.0) is expected


class Caller:
    def __init__(self) -> None:
        self.urls: list[str] = []

    async def __call__(self, rules: AddressRules, request: Request) -> Answer:
        self.urls.append(request.url)
        return Answer(200, "OK")


def shard(db: Database, name: str, flushed_through: float) -> None:
    values = {"shard": name, "flushed_through": flushed_through, "started_at": 0.0, "heartbeat_at": 0.0, "detail": {}}
    with db.write() as connection:
        connection.execute(collector_shard.insert().values(values))


def test_one_late_collector_stops_the_heart(world: Any) -> None:
    caller = Caller()
    settings = HeartbeatSettings.model_validate({"url": "http://127.0.0.1/beat", "interval": "30s"})
    heart = Heartbeat(world.db, settings, world.clock, caller, AlertingMetrics())
    shard(world.db, "a", world.clock.now())
    assert asyncio.run(heart.beat()) == "beat"
    shard(world.db, "b", world.clock.now() - 61)
    assert asyncio.run(heart.beat()) == "blind"
    assert caller.urls == ["http://127.0.0.1/beat"]


def test_an_undelivered_notification_stops_the_heart(world: Any) -> None:
    world.event("firing", "eu")
    world.run_until(400)
    shard(world.db, "a", world.clock.now())
    settings = HeartbeatSettings.model_validate({"url": "http://127.0.0.1/beat"})
    heart = Heartbeat(world.db, settings, world.clock, Caller(), AlertingMetrics())
    assert asyncio.run(heart.beat()) == "stuck"


def test_the_whole_way_from_event_to_receiver_and_a_clean_stop(world: Any, http_server: Any) -> None:
    settings = AlertingSettings.model_validate(
        {
            "receivers": [{"name": "hook", "webhook": {"url": http_server.url("/hook")}}],
            "route": {"receiver": "hook", "group_wait": "0s"},
        }
    )
    world.restart(settings)
    world.event("firing", "eu")

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(world.alerter.run(stop))
        while not http_server.requests:  # noqa: ASYNC110 - the server lives on a thread
            await asyncio.sleep(0.01)
        http_server.behave("hang")
        stop.set()
        async with asyncio.timeout(5):
            await running

    asyncio.run(run())
    body = http_server.requests[0].json()
    assert (body["receiver"], body["status"]) == ("hook", "firing")
    assert world.rows()[0].state == "delivered"
    text = generate_latest(world.alerter.metrics.registry).decode()
    assert "burnline_alerting_events_consumed_total 1.0" in text
    assert 'burnline_alerting_notifications_total{outcome="delivered",receiver="hook"} 1.0' in text


def test_a_stop_during_a_hanging_sending_gives_its_claim_back(
    world: Any, http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerting.service.GRACE", 0.1)
    http_server.behave("hang")
    world.restart(
        AlertingSettings.model_validate(
            {
                "receivers": [{"name": "hook", "webhook": {"url": http_server.url("/hook")}}],
                "route": {"receiver": "hook", "group_wait": "0s"},
            }
        )
    )
    world.event("firing", "eu")

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(world.alerter.run(stop))
        while not http_server.requests:  # noqa: ASYNC110 - the server lives on a thread
            await asyncio.sleep(0.01)
        stop.set()
        await running

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await run()

    asyncio.run(bounded())
    assert world.rows()[0].state == "pending"


def test_a_busy_database_is_tried_again(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    calls = []

    def step() -> float:
        calls.append(1)
        if len(calls) == 1:
            raise StorageBusy("database is locked")
        stop.set()
        return 0.0

    monkeypatch.setattr(world.alerter, "step", step)
    monkeypatch.setattr("alerting.service.POLL", 0.01)
    asyncio.run(world.alerter.run(stop))
    assert len(calls) == 2


def test_the_evidence_names_dead_targets_suspects_and_earlier_incidents(world: Any) -> None:
    world.event("firing", "eu")
    world.run_until(20)
    world.event("resolved", "eu")
    world.run_until(1000)
    common = {
        "shard": "s", "job": "j", "labels": {}, "interval": 15.0, "conditions": [], "signals": [], "watched_since": 0.0,
    }  # fmt: skip
    targets = [
        {"url": "http://u:p@eu-1:8000/metrics", "groups": [{"model": "m1", "region": "eu"}], "up": False,
         "error_reason": "refused"},
        {"url": "http://eu-2:8000/metrics", "groups": ['{"model":"m1","region":"eu"}'], "up": True},
        {"url": "http://us-1:8000/metrics", "groups": [{"model": "m1", "region": "us"}], "up": False},
    ]  # fmt: skip
    with world.db.write() as connection:
        for target in targets:
            connection.execute(target_health.insert().values(common | target))
    world.event("firing", "eu", suspects=[{"version": "v2"}], burn_rates={"1h": 20})
    world.run_until(1100)
    found = incidents.list_incidents(world.db, open_only=True)[0]
    assert found.title == "chat-ttft in model m1, region eu burns its error budget 20 times too fast"
    down = [{"target": "http://eu-1:8000/metrics", "reason": "refused"}]
    assert found.evidence["targets"] == {"known": 2, "down": 1, "which": down}
    assert found.evidence["suspects"] == [{"version": "v2"}]
    assert [one["id"] for one in found.evidence["recent_incidents"]] == [1]
    assert world.rows()[-1].body["evidence"] == found.evidence


def test_an_incident_lives_from_the_first_alert_to_the_told_resolution(world: Any) -> None:
    world.event("firing", "eu")
    world.run_until(5)
    world.event("firing", "us")
    world.run_until(20)
    found = incidents.list_incidents(world.db)
    assert len(found) == 1 and found[0].open and len(found[0].alerts) == 2
    assert found[0].notified_at == world.start + 10
    for alert in ("eu", "us"):
        world.event("resolved", alert)
    world.run_until(1000)
    closed = incidents.list_incidents(world.db)[0]
    assert (closed.open, closed.outcome, closed.resolved_at) == (False, incidents.RESOLVED, world.start + 20)


def test_an_incident_nobody_was_told_of_says_so(world: Any) -> None:
    world.event("firing", "eu")
    world.run_until(3)
    world.event("resolved", "eu")
    world.run_until(100)
    assert incidents.list_incidents(world.db)[0].outcome == incidents.UNNOTIFIED
