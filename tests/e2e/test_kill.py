"""Each part is killed once while the canary goes bad: nothing is lost, nothing is counted, decided or told twice."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from slo_engine.backtest import Change, backtest
from slo_engine.catalogue import SloFiles
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from storage import fleet
from storage import slo as store
from storage.database import Database
from storage.tables import outbox
from tests.e2e import truth
from tests.e2e.running import STOP_WITHIN, Instance, json_lines

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(400)]

PARTS = ("collector", "engine", "alerter", "api", "v1-us-east-0", "collector", "demo-fleet", "engine", "alerter")
"""In this order. The collector counts before and after a crash of a replica, so it and the fleet do not die together:
what a dead collector had read of a dead replica nobody knows any more, and the journal calls it unscraped."""
SPACING = 8.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An instance that lived through it all and was stopped with SIGTERM: its folder and what stopping took."""
    folder = tmp_path_factory.mktemp("kill")
    with Instance(folder, "canary-regression", own_metrics=True) as instance:
        instance.until(40, "ready", lambda: (answer := instance.get("/readyz")) and answer.status_code == 200)
        for part in PARTS:
            time.sleep(SPACING)
            seen_since = partial(_committed, instance.database(), time.time())
            instance.until(60, "the collector sees every target again", seen_since)
            instance.kill(part)
        instance.until(180, "the pager was told of the canary", instance.alerts_received)
        instance.end_load()
        instance.until(30, "all is delivered", lambda: _open(instance.database()) == 0)
        began = time.monotonic()
        code = instance.stop()
        yield instance, code, time.monotonic() - began


def _committed(database: Database, since: float) -> bool:
    """Whether counts of every target have been committed that were scraped after a moment."""
    with database.read() as connection:
        watermark = fleet.watermark(connection)
    return watermark is not None and watermark >= since


def _open(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(outbox.c.id).where(outbox.c.state.in_(("pending", "sending")))).all())


def test_everything_stops_in_time_and_in_order(finished: Any) -> None:
    _, code, seconds = finished
    assert code == 0
    assert seconds < STOP_WITHIN


def test_the_ledger_equals_the_journal(finished: Any) -> None:
    instance, _, _ = finished
    database = instance.database()
    since = fleet.job_watched_since(database, "demo")
    assert since is not None
    true = truth.of_journal(instance.directory, since)
    assert sum(sum(counts.requests.values()) for counts in true.values()) > 1000
    assert truth.differences(truth.of_ledger(database), true) == []


def test_burn_alerts_are_those_of_a_backtest_over_the_ledger(finished: Any) -> None:
    instance, _, _ = finished
    database = instance.database()
    slos = SloFiles(EngineSettings(packs=("llm-serving",)), EngineMetrics()).slos
    happened = [
        Change(int(event.at), event.slo, event.group_key, event.severity, event.transition)
        for event in store.events(database)
        if event.labels["alertname"] == "ErrorBudgetBurn"
    ]
    would_have = backtest(database, slos, store.evaluations(database), {})
    assert happened
    assert sorted(happened) == sorted(would_have)


def test_what_the_outbox_calls_delivered_is_in_the_receivers_log(finished: Any) -> None:
    instance, _, _ = finished
    received = {entry["headers"]["Idempotency-Key"] for entry in instance.received()}
    with instance.database().read() as connection:
        rows = connection.execute(select(outbox.c.message_id, outbox.c.state, outbox.c.error)).all()
    assert rows
    assert [row for row in rows if row.state != "delivered"] == []
    assert {row.message_id for row in rows} == received


def test_every_alert_that_fired_reached_its_receiver(finished: Any) -> None:
    instance, _, _ = finished
    told = {
        (path, alert["labels"]["slo"], alert["labels"].get("version"), alert["labels"].get("region"))
        for path in ("/page", "/ticket")
        for alert in instance.alerts_received(path=path)
        if alert["status"] == "firing"
    }
    fired = {
        (f"/{event.severity}", event.slo, event.labels.get("version"), event.labels.get("region"))
        for event in store.events(instance.database())
        if event.transition == "firing"
    }
    assert fired <= told


def test_what_came_twice_has_the_same_key(finished: Any) -> None:
    instance, _, _ = finished
    bodies: dict[str, set[str]] = {}
    for entry in json_lines(instance.directory / "received.jsonl"):
        bodies.setdefault(_content(entry), set()).add(entry["headers"]["Idempotency-Key"])
    assert {content: len(keys) for content, keys in bodies.items() if len(keys) > 1} == {}


def _content(entry: dict[str, Any]) -> str:
    """What a notification tells, without when it was told."""
    alerts = [(a["fingerprint"], a["status"], a["startsAt"]) for a in entry["body"]["alerts"]]
    return repr((entry["path"], entry["body"]["groupKey"], sorted(alerts)))


def test_nothing_of_the_instance_is_left(finished: Any) -> None:
    instance, _, _ = finished
    mine = str(instance.directory)
    left = Counter(
        words[3]
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if mine in (line := _line_of(file)) and len(words := line.split("\0")) > 3
    )
    assert not left


def _line_of(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
