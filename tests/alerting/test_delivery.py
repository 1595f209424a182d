from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.delivery import CONCURRENCY, LEASE, Delivery
from alerting.metrics import AlertingMetrics
from alerting.receivers.pagerduty import PagerDuty
from alerting.receivers.webhook import Webhook
from core.clock import ManualClock
from core.egress import AddressRules, Answer, Request
from core.errors import DeliveryRetryable
from storage import outbox
from storage.tables import outbox as outbox_table

BODY = {
    "action": "notify", "receiver": "a", "group_key": "{}:{}", "group_labels": {}, "reason": "first notification",
    "title": "t", "severity": "page", "alerts": [], "evidence": {}, "at": 0.0, "external_url": "",
    "incident_id": None, "acknowledged_by": None,
}  # fmt: skip


class ScriptedSender:
    """Answers as a script says, then 200; remembers what arrived, by webhook-id."""

    def __init__(self, script: dict[str, list[Any]]) -> None:
        self.script = defaultdict(list, {name: list(answers) for name, answers in script.items()})
        self.arrived: list[tuple[str, str]] = []
        self.tried: list[tuple[str, str]] = []

    async def __call__(self, rules: AddressRules, request: Request) -> Answer:
        await asyncio.sleep(0)
        name = request.url.rpartition("/")[2]
        message = request.headers["webhook-id"]
        self.tried.append((name, message))
        answer = self.script[name].pop(0) if self.script[name] else 200
        if answer == "lost":  # it arrived, but its answer did not
            self.arrived.append((name, message))
            raise DeliveryRetryable("the connection broke")
        if answer == "down":
            raise DeliveryRetryable("no connection")
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer == 200:
            self.arrived.append((name, message))
        return Answer(answer, "")


def put(db: Any, receiver: str, key: str, now: float = 0.0) -> int:
    with db.write() as connection:
        return outbox.put(connection, receiver, key, dedup_key=f"dedup-{key}", body=BODY, now=now)


def ids(db: Any) -> dict[str, int]:
    with db.read() as connection:
        return {row.message_id: row.id for row in connection.execute(outbox_table.select())}


def states(db: Any) -> list[str]:
    with db.read() as connection:
        return [row.state for row in connection.execute(outbox_table.select().order_by(outbox_table.c.id))]


def deliver(db: Any, sender: ScriptedSender, clock: ManualClock, names: list[str]) -> Delivery:
    receivers = {name: Webhook(url=f"http://127.0.0.1/{name}") for name in names}
    return Delivery(db, receivers, clock, sender, metrics=AlertingMetrics(), roll=lambda: 0.5)


async def turn_until_empty(db: Any, delivery: Delivery, clock: ManualClock, turns: int = 200) -> None:
    for _ in range(turns):
        await delivery.start_due()
        await delivery.drain()
        clock.advance(400.0)
        if set(states(db)) <= {"delivered", "failed"}:
            return


FAILURES = st.lists(st.sampled_from([200, 500, 503, 429, "down", "lost"]), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.fixed_dictionaries({"a": FAILURES, "b": FAILURES}), keys=st.lists(st.sampled_from("xyz"), max_size=8))
def test_each_key_arrives_in_order_and_completely_whatever_fails(
    db: Any, script: dict[str, list[Any]], keys: list[str]
) -> None:
    with db.write() as connection:
        connection.execute(outbox_table.delete())
    rows = {put(db, name, key): (name, key) for key in keys for name in ("a", "b")}
    sender, clock = ScriptedSender(script), ManualClock()
    asyncio.run(turn_until_empty(db, deliver(db, sender, clock, ["a", "b"]), clock))
    row_of = ids(db)
    arrived: dict[tuple[str, str], list[int]] = defaultdict(list)
    for _, message in sender.arrived:
        row = row_of[message]
        if row not in arrived[rows[row]]:
            arrived[rows[row]].append(row)
    assert sorted(row for order in arrived.values() for row in order) == sorted(rows)
    assert all(order == sorted(order) for order in arrived.values())


def test_a_later_row_waits_while_an_earlier_one_of_its_key_is_undelivered(db: Any) -> None:
    first, second, other = put(db, "a", "x"), put(db, "a", "x"), put(db, "a", "y")
    sender, clock = ScriptedSender({"a": [503]}), ManualClock()
    delivery = deliver(db, sender, clock, ["a"])

    async def run() -> None:
        await delivery.start_due()
        await delivery.drain()
        await delivery.start_due()
        await delivery.drain()

    asyncio.run(run())
    row_of = ids(db)
    assert [row_of[message] for _, message in sender.arrived] == [other]
    assert second not in [row_of[message] for _, message in sender.tried]
    assert states(db)[first - 1] == "pending"


def test_a_dead_receiver_takes_no_place_of_another(db: Any) -> None:
    for number in range(30):
        put(db, "dead", f"k{number}")
    put(db, "alive", "x")
    sender, clock = ScriptedSender({"dead": ["hang"] * 30}), ManualClock()
    delivery = deliver(db, sender, clock, ["dead", "alive"])

    async def run() -> None:
        for _ in range(3):
            await delivery.start_due()
            await asyncio.sleep(0.02)
        assert [name for name, _ in sender.arrived] == ["alive"]
        assert len([1 for name, _ in sender.tried if name == "dead"]) == CONCURRENCY
        await delivery.stop(0.0)

    asyncio.run(run())
    assert states(db).count("sending") == 0


def test_a_crashed_sending_is_sent_again_under_the_same_id_when_its_claim_lapses(db: Any) -> None:
    put(db, "a", "x")
    claimed = outbox.claim(db, "a", 1, 0.0, LEASE)[0]
    sender, clock = ScriptedSender({}), ManualClock(LEASE - 1)
    delivery = deliver(db, sender, clock, ["a"])

    async def turn() -> None:
        await delivery.start_due()
        await delivery.drain()

    asyncio.run(turn())
    assert sender.arrived == []
    clock.advance(1.0)
    asyncio.run(turn())
    assert sender.arrived == [("a", claimed.message_id)]


def test_who_was_overtaken_after_its_claim_lapsed_changes_nothing(db: Any) -> None:
    put(db, "a", "x")
    stale = outbox.claim(db, "a", 1, 0.0, LEASE)[0]
    fresh = outbox.claim(db, "a", 1, LEASE, LEASE)[0]
    outbox.fail(db, stale, "late")
    assert states(db) == ["sending"]
    outbox.delivered(db, fresh, LEASE + 1)
    assert states(db) == ["delivered"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301])
def test_an_answer_that_will_not_change_is_never_tried_again(db: Any, status: int) -> None:
    put(db, "a", "x")
    sender, clock = ScriptedSender({"a": [status]}), ManualClock()
    asyncio.run(turn_until_empty(db, deliver(db, sender, clock, ["a"]), clock, turns=3))
    assert (states(db), len(sender.tried)) == (["failed"], 1)


def test_a_webhook_is_given_up_after_a_day_and_health_says_so(db: Any) -> None:
    put(db, "a", "x")
    sender, clock = ScriptedSender({"a": ["down"] * 1000}), ManualClock()
    asyncio.run(turn_until_empty(db, deliver(db, sender, clock, ["a"]), clock, turns=1000))
    assert states(db) == ["failed"]
    assert 86_400 <= clock.now() <= 86_400 + 1200
    health = outbox.health(db)[0]
    assert (health.failed, health.depth) == (1, 0)
    assert "age" in str(health.last_error)


def test_a_body_that_cannot_be_read_fails_alone(db: Any) -> None:
    with db.write() as connection:
        outbox.put(connection, "a", "x", dedup_key="d", body={"nonsense": 1}, now=0.0)
    put(db, "a", "y")
    sender, clock = ScriptedSender({}), ManualClock()
    asyncio.run(turn_until_empty(db, deliver(db, sender, clock, ["a"]), clock, turns=3))
    assert states(db) == ["failed", "delivered"]


def test_pagerduty_is_left_alone_for_thirty_seconds_and_more() -> None:
    backoff = PagerDuty(routing_key_env="X").policy.backoff
    assert backoff.delay(1, 0.0) == 30.0
    assert backoff.delay(50, 0.999) <= 300.0
    assert backoff.delay(1, 0.0, retry_after=120.0) == 120.0


def test_a_failed_page_is_tried_anew_at_the_next_interval(world: Any) -> None:
    world.event("firing", "eu")
    world.run_until(20)
    claimed = outbox.claim(world.db, "page", 1, world.clock.now(), LEASE)[0]
    outbox.fail(world.db, claimed, "answered 400: invalid routing key")
    world.run_until(400)
    assert world.told() == ["at 10 page first notification: +eu", "at 310 page first notification: +eu"]
