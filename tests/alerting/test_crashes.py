"""Whatever interrupts the alerter, every event's notification is decided once and arrives at least once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen, remove

from core.errors import StorageError

EVENTS = [(0, "firing", "eu"), (2, "firing", "us"), (60, "resolved", "eu"), (400, "resolved", "us")]
TOLD = [
    "at 10 page first notification: +eu +us",
    "at 310 page some alerts resolved: +us -eu",
    "at 610 page all alerts resolved: -us",
]


class Crash(BaseException):
    """Stands for a process that ends in the middle of something."""


@pytest.mark.parametrize("seed", range(12))
def test_a_crash_at_any_statement_loses_and_doubles_nothing(world: Any, seed: int) -> None:
    roll = random.Random(seed)
    crashes = 0
    is_armed = False

    def before(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal crashes
        if is_armed and statement != "ROLLBACK" and roll.random() < 0.04:
            crashes += 1
            raise Crash

    def run(second: float) -> None:
        nonlocal is_armed
        is_done = False
        while not is_done:
            is_armed = True
            try:
                world.run_until(second)
                is_done = True
            except (Crash, StorageError):  # the rollback after it can fail, too
                world.restart()
            is_armed = False

    listen(world.db.engine, "before_cursor_execute", before)
    try:
        for second, verb, alert in EVENTS:
            run(second)
            world.event(verb, alert)
        run(2000)
    finally:
        remove(world.db.engine, "before_cursor_execute", before)
    assert crashes > 0
    assert world.told() == TOLD


CHILD = """
import asyncio, sys
from alerting.service import Alerter
from alerting.settings import AlertingSettings
from core.clock import SystemClock
from storage.database import Database

settings = AlertingSettings.model_validate({
    "receivers": [{"name": "hook", "webhook": {"url": sys.argv[2]}}],
    "route": {"receiver": "hook", "group_by": ["..."], "group_wait": "0s"},
})
asyncio.run(Alerter(Database(sys.argv[1]), settings, SystemClock(), "http://127.0.0.1").run(asyncio.Event()))
"""


def test_kill_9_at_random_moments_loses_no_notification(world: Any, http_server: Any) -> None:
    roll = random.Random(7)
    root = Path(__file__).parents[2]
    alerts = [f"r{number}" for number in range(12)]
    world.clock.set(time.time())
    for number in range(3):
        for alert in alerts[number * 4 : number * 4 + 4]:
            world.event("firing", alert)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, world.db.url, http_server.url("/hook")], cwd=root, env=os.environ.copy()
        )
        time.sleep(roll.uniform(0.5, 1.3))
        child.send_signal(signal.SIGKILL)
        child.wait()
    lapse_claims(world)
    child = subprocess.Popen([sys.executable, "-c", CHILD, world.db.url, http_server.url("/hook")], cwd=root)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len({r.json()["groupKey"] for r in http_server.requests}) < len(alerts):
        time.sleep(0.05)
    child.kill()
    child.wait()
    by_group: dict[str, set[str]] = {}
    for request in http_server.requests:
        by_group.setdefault(request.json()["groupKey"], set()).add(request.headers["webhook-id"])
    assert len(by_group) == len(alerts)
    assert all(len(messages) == 1 for messages in by_group.values())


def lapse_claims(world: Any) -> None:
    """Let the claims of the killed process lapse at once."""
    from storage.tables import outbox

    with world.db.write() as connection:
        connection.execute(outbox.update().where(outbox.c.state == "sending").values(next_attempt_at=0.0))
