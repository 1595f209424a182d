"""A client without a network, and a database with a row of every kind that the API tells of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
from fastapi import FastAPI

from core.matchers import parse_matchers
from core.measures import TARGET_TIME, Measure, group_key
from core.recurrence import Recurrence
from storage import (
    alerts,
    canaries,
    deployments,
    fleet,
    generations,
    incidents,
    maintenance,
    scores,
    silences,
    slo,
    tokens,
)
from storage.alerts import AlertEvent
from storage.canaries import Canary
from storage.database import Database
from storage.deployments import Deployment
from storage.fleet import TargetHealth
from storage.generations import Generation, Span
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import RowKey, SourceFlush
from storage.scores import Score
from storage.slo import AlertRow, StoredRevision

TRACE, CALL, STEP = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00f067aa0ba902b8"
GROUP = (("model", "llama"), ("version", "v2"))
TTFT_BOUNDS = (0.1, 0.5, 1.0)


class Client:
    """Asks an application; `secret` is the bearer token of every request."""

    def __init__(self, app: FastAPI, secret: str | None = None, host: str = "127.0.0.1:9400") -> None:
        self._app = app
        self._secret = secret
        self._host = host

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("DELETE", path, **options)

    def ask(self, method: str, path: str, address: str = "127.0.0.1", **options: Any) -> httpx.Response:
        if self._secret is not None:
            bearer = f"Bearer {self._secret}".encode("latin-1")
            options["headers"] = {b"Authorization": bearer, **options.get("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, client=(address, 4711), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{self._host}") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())


class Known(NamedTuple):
    """What can be named in a question."""

    incident: int
    silence: str
    maintenance: str
    token: str


def fill(db: Database, now: float) -> Known:
    """A row of every kind."""
    _judged(db, now)
    _counted(db, now)
    _told_of_calls(db, now)
    matchers = parse_matchers('slo="ttft"')
    silence = silences.add(db, matchers, now, now + 3600, "ann", "known", now)
    begin = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    when = Recurrence(begin, "UTC", 3600.0, "FREQ=DAILY")
    window = maintenance.add(db, matchers, when, "upgrade", "ann", now)
    found, _ = tokens.add(db, "spare", "read", "ann", now)
    deployments.add(db, Deployment(0, now - 60, "llama", "v2", "eu", 0.1, "canary", "ann", now))
    with db.write() as connection:
        canaries.put(connection, [canary(now)])
        incident = incidents.insert(connection, **_incident(now)).id
    return Known(incident, silence, window, found.id)


def canary(now: float) -> Canary:
    """A canary that cannot be told yet."""
    verdict = {"state": "inconclusive", "reason": "12 bad requests", "e_value": 1.5, "needs": {"requests": 900}}
    return Canary("llama-v2", "llama", None, "v2", "v1", now - 600, None, 1, None, "inconclusive", now, verdict)


def _judged(db: Database, now: float) -> None:
    status = {"slo": "ttft", "group": dict(GROUP), "objective": 0.99, "window": "30d", "good": 97, "total": 100}
    status |= {"sli": 0.97, "budget_remaining": -2.0, "burn_rates": {"5m": 3.0, "1h": None}, "coverage": 1.0}
    status |= {"state": "firing", "since": "2026-01-01T00:00:00Z", "reason": None}
    waiting = {"slo": "cost", "group": {}, "objective": None, "window": "7d", "state": "no_data", "reason": "no price"}
    event = AlertEvent(now - 30, "ttft", group_key(GROUP), "page", "firing", now - 30, {"a": "b"}, {}, {"n": 1})
    with db.write() as connection:
        slo.put_status(connection, [("ttft", group_key(GROUP), status), ("cost", "{}", waiting)], now)
        slo.put_alerts(connection, [AlertRow("ttft", group_key(GROUP), "page", "firing", now - 30, now - 30, 0)])
        slo.add_revision(connection, StoredRevision("ttft", now - 900, "d1", "99/100", 2_592_000), {})
        slo.add_evaluation(connection, int(now) // 60 * 60, now)
        alerts.append(connection, event)
        fleet.put_shard(connection, "0", now, now - 999, now, {})
        health = TargetHealth("http://a:1/metrics", "0", "llm", {"k": "v"}, 15.0, now - 99, [dict(GROUP)], ["ttft"])
        fleet.put_targets(connection, [health])


def _counted(db: Database, now: float) -> None:
    minute = int(now) // 60 * 60 - 120
    cells = {(Atom(Measure("ttft", "engine", (), TTFT_BOUNDS), GROUP), cell): n for cell, n in enumerate((5, 3, 2, 1))}
    for outcome, n in (("good", 40), ("bad", 2), ("excluded", 7)):
        cells[Atom(Measure("requests", "engine", (("outcome", outcome),)), GROUP), 0] = n
    for name, attrs in (("generations", ()), ("drawn", ()), ("judged", JUDGED)):
        cells[Atom(Measure(name, "client", (("stratum", "all"), *attrs)), GROUP), 0] = 10
    cells[Atom(Measure(TARGET_TIME, "engine", (("state", "covered"),)), GROUP), 0] = 60_000
    mark = rows.open_source(db, "scrape", "http://a:1/metrics", now)
    rows.commit(db, Dictionary(), [SourceFlush(mark, b"", {RowKey(60, minute): cells})], now)
    with db.write() as connection:
        rollups.store(connection, rollups.compute(connection))


JUDGED = (("detector", "pii"), ("revision", "r1"), ("verdict", "clear"))


def _told_of_calls(db: Database, now: float) -> None:
    call = Generation(TRACE, CALL, now - 5, now, GROUP, "chat", "bad", "bad", 1.5, "all", 0.1, sampled=True)
    step = Span(TRACE, STEP, None, "app", "step", 1, now - 6, now - 5, None, {"k": 1}, [{"name": "e", "at": now}])
    score = Score(TRACE, CALL, "pii", "r1", now - 5, now, GROUP, "all", "flagged", 0.9, None, [{"start": 0, "end": 3}])
    with db.write() as connection:
        generations.add(connection, [call])
        generations.add_spans(connection, [step])
        scores.put(connection, [score])


def _incident(now: float) -> dict[str, Any]:
    alert = {"fingerprint": "f", "labels": {}, "annotations": {}, "starts_at": now, "ends_at": None, "evidence": {}}
    values = {"group_key": "g", "slo": "ttft", "title": "ttft burns", "severity": "page", "labels": {"slo": "ttft"}}
    return values | {"evidence": {}, "alerts": [alert], "opened_at": now - 30, "notified_at": now - 20}
