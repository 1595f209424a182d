from __future__ import annotations

import http.server
import io
import json
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.event import listens_for

from alerting.service import Alerter
from alerting.settings import AlertingSettings
from core.clock import ManualClock
from core.matchers import parse_matchers
from core.measures import group_key
from storage import alerts, incidents, silences
from storage.database import Database, sqlite_url
from storage.tables import metadata, outbox

SETTINGS: dict[str, Any] = {
    "receivers": [
        {"name": "page", "pagerduty": {"routing_key_env": "BURNLINE_TEST_ROUTING_KEY"}},
        {"name": "ticket", "webhook": {"url": "http://127.0.0.1:1/hook"}},
    ],
}


@dataclass
class World:
    """A database, a clock that is moved by hand, and an alerter; speaks of alerts as `eu` or `ticket:eu`."""

    db: Database
    settings: AlertingSettings
    clock: ManualClock = field(default_factory=ManualClock)
    start: float = 1_800_000_000.0

    def __post_init__(self) -> None:
        self.clock.set(self.start)
        self.restart()

    def restart(self, settings: AlertingSettings | None = None) -> None:
        self.settings = settings or self.settings
        self.alerter = Alerter(self.db, self.settings, self.clock, "http://127.0.0.1:8080/")

    def event(self, transition: str, alert: str, severity: str | None = None, **evidence: Any) -> int:
        now = self.clock.now()
        labels = self.labels(alert)
        with self.db.write() as connection:
            return alerts.append(
                connection,
                alerts.AlertEvent(
                    at=now,
                    slo=labels["slo"],
                    group_key=group_key({"model": "m1", "region": labels["region"]}),
                    severity=severity or labels["severity"],
                    transition=transition,
                    starts_at=now,
                    labels=labels,
                    annotations={"summary": f"{alert} burns", "runbook_url": "http://127.0.0.1/runbook"},
                    evidence=evidence or {"burn_rates": {"1h": 15.2, "5m": 16.0}, "budget_remaining": 0.41},
                ),
            )

    @staticmethod
    def labels(alert: str) -> dict[str, str]:
        severity, _, region = alert.rpartition(":")
        names = {"alertname": "ChatBurn", "slo": "chat-ttft", "service": "chat", "model": "m1"}
        return names | {"severity": severity or "page", "region": region}

    def silence(self, alert: str, seconds: float) -> str:
        text = f'region="{self.labels(alert)["region"]}"'
        now = self.clock.now()
        return silences.add(self.db, parse_matchers(text), now, now + seconds, "ann", "known", now)

    def acknowledge(self) -> None:
        found = incidents.list_incidents(self.db, open_only=True)[0]
        incidents.acknowledge(self.db, found.id, "ann", "mine", self.clock.now())

    def run_until(self, seconds: float) -> None:
        """Step as the service would, at every moment that is due and at least once a second near the ends."""
        end = self.start + seconds
        while True:
            pause = self.alerter.step()
            if self.clock.now() >= end:
                return
            self.clock.advance(min(max(pause, 0.001), end - self.clock.now()))

    def rows(self) -> list[Any]:
        with self.db.read() as connection:
            return list(connection.execute(select(outbox).order_by(outbox.c.id)))

    def told(self) -> list[str]:
        """Every notification as `at 10 page first notification: +eu -us`."""
        return [self._line(row) for row in self.rows()]

    def _line(self, row: Any) -> str:
        marks = sorted(("+" if a["ends_at"] is None else "-") + a["labels"]["region"] for a in row.body["alerts"])
        verb = row.body["reason"] if row.body["action"] == "notify" else "acknowledge"
        return f"at {row.created_at - self.start:g} {row.receiver} {verb}: {' '.join(marks)}"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "burnline.db"))

    @listens_for(database.engine, "connect")
    def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def world(db: Database) -> World:
    return World(db, AlertingSettings.model_validate(SETTINGS))


@pytest.fixture
def base_settings() -> dict[str, Any]:
    return SETTINGS


@pytest.fixture
def all_bytes(tmp_path: Path) -> Any:
    """Reads every byte of the database, with its write-ahead log checkpointed into it first."""

    def read() -> bytes:
        path = tmp_path / "burnline.db"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return b"".join(file.read_bytes() for file in tmp_path.glob("burnline.db*"))

    return read


@dataclass(frozen=True)
class Received:
    """One request that a test server got."""

    path: str
    headers: Any
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class Server:
    """A receiver on a thread: answers 200 `ok`, or as it is told, and remembers its requests."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._answers: list[tuple[int, bytes, dict[str, str]]] = []
        self._behaviour = ""
        self._released = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                content = self.rfile.read(length)
                if len(content) < length:  # the sender was killed before it had said all
                    return
                server.requests.append(Received(self.path, self.headers, content))
                server._respond(self, content)

            def log_message(self, *_args: Any) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._answers.append((status, body, headers or {}))

    def behave(self, behaviour: str) -> None:
        self._behaviour = behaviour

    def _respond(self, handler: Any, content: bytes) -> None:
        if self._behaviour == "hang":
            self._released.wait(5)
            return
        if self._behaviour == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.wfile = io.BytesIO()
            return
        if self._behaviour == "garbage":
            handler.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            return
        status, body, headers = self._answers.pop(0) if self._answers else (200, b"ok", {})
        if self._behaviour.startswith("echo-"):
            status, body = int(self._behaviour.removeprefix("echo-")), handler.path.encode() + b" " + content
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        self._released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def http_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()
