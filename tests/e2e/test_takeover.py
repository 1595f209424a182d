"""Two engines of which one leads: killed or stopped at any moment, no alert is lost and none is told twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from core.measures import TARGET_TIME, Group, Measure, group_key
from slo_engine.absence import FLEET_DOWN
from slo_engine.tick import LEASE
from storage import fleet, migrate
from storage import slo as store
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.ledger import rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, RowKey, SourceFlush
from storage.tables import lease
from tests.slo_engine.world import spec
from tests.storage.conftest import postgresql_url  # noqa: F401 - a fixture

WITHIN = 90.0
"""Seconds for a process to start, on a busy machine."""
TAKES_OVER = 15.0
"""Seconds until another engine leads when the leader is gone."""
LIFE = ["pending", "firing", "resolved"]
MODELS = ("a", "b", "c", "d", "e")


class Engines:
    """Engine processes over one database, and the fleet that they watch: a target a model, up or down."""

    def __init__(self, folder: Path, url: str) -> None:
        self.database = Database(url)
        migrate.upgrade(self.database)
        self._folder, self._url = folder, url
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._began = time.time()
        self.up = dict.fromkeys(MODELS, True)
        self.phases = dict.fromkeys(MODELS, 0)
        (folder / "slo.yaml").write_text(spec(target=99))
        self._write_a_burn()

    def start(self) -> None:
        config = {
            "storage": {"directory": str(self._folder), "url": self._url},
            "metrics_ports": {"collector": 0, "engine": 0, "alerter": 0, "evaluator": 0},
            "engine": {
                "packs": [],
                "slos": [str(self._folder / "slo.yaml")],
                "tick_interval": "100ms",
                "lease_ttl": "2s",
                "absence": {"fleet_down_for": "300ms", "collector_blind_after": "10m"},
            },
        }
        path = self._folder / "burnline.yaml"
        path.write_text(json.dumps(config))
        with (self._folder / "log").open("a") as log:
            command = [sys.executable, "-m", "burnline", "engine", "--config", str(path)]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._running[process.pid] = process

    def end(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.database.dispose()

    def kill(self, pid: int) -> None:
        process = self._running.pop(pid)
        process.kill()
        process.wait()

    def leader(self) -> tuple[int, int] | None:
        """The process that holds the lease, and its epoch; None while nobody does."""
        with self.database.read() as connection:
            row = connection.execute(select(lease).where(lease.c.name == LEASE)).one_or_none()
        return None if row is None or row.expires_at < time.time() else (int(row.holder.partition("-")[0]), row.epoch)

    def _write_a_burn(self) -> None:
        """An hour of which everything failed."""
        end = int(time.time()) // 60 * 60
        bad = Atom(Measure("requests", "engine", (("outcome", "bad"),)), (("model", "a"),))
        seen = [Atom(Measure(TARGET_TIME, "engine", (("state", one),)), bad.group) for one in ("expected", "covered")]
        cells: AtomCells = {(bad, 0): 100} | {(atom, 0): 60_000 for atom in seen}
        mark = rows.open_source(self.database, "test", "test", self._began)
        content = {RowKey(60, minute): cells for minute in range(end - 3600, end + 300, 60)}
        rows.commit(self.database, Dictionary(), [SourceFlush(mark, b"", content)], self._began)

    # What passes.

    def pass_on(self) -> None:
        """The collector says how the fleet does; a target whose change was told changes again."""
        now = time.time()
        with self.database.write() as connection:
            fleet.put_shard(connection, "0", now, self._began, now, {})
            fleet.put_targets(connection, [self._target(model) for model in MODELS])
        time.sleep(0.05)

    def move(self) -> None:
        """Bring down what is up and told as such, and the other way round."""
        told = self.told()
        for model in MODELS:
            lives = told[FLEET_DOWN, group_key(_group(model)), "page"]
            if self.up[model] and lives == LIFE * self.phases[model]:
                self.up[model] = False
                self.phases[model] += 1
            elif not self.up[model] and lives == (LIFE * self.phases[model])[:-1]:
                self.up[model] = True

    def told(self) -> dict[tuple[str, str, str], list[str]]:
        found: dict[tuple[str, str, str], list[str]] = {
            (FLEET_DOWN, group_key(_group(model)), "page"): [] for model in MODELS
        }
        for event in store.events(self.database):
            found.setdefault((event.slo, event.group_key, event.severity), []).append(event.transition)
        return found

    def _target(self, model: str) -> TargetHealth:
        groups = [dict(_group(model))]
        seen = TargetHealth(model, "0", "job", {}, 15.0, self._began - 3600, list(groups), ["requests"], layer="engine")
        seen.up, seen.last_scrape_at = self.up[model], time.time()
        return seen

    def until(self, what: str, look: Callable[[], object], seconds: float = WITHIN, *, moving: bool = True) -> None:
        deadline = time.monotonic() + seconds
        while not look():
            if time.monotonic() > deadline:
                log = (self._folder / "log").read_text()
                pytest.fail(f"not within {seconds:.0f} s: {what}; {self.leader()} {self.told()}\n{log}")
            self.pass_on()
            if moving:
                self.move()

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        over = time.monotonic() + seconds
        self.until("time has passed", lambda: time.monotonic() > over)

    def until_another_leads(self, before: tuple[int, int]) -> None:
        """Another process has taken the lease, within TAKES_OVER."""

        def another() -> bool:
            now = self.leader()
            return now is not None and now[1] > before[1]

        self.until("another leads", another, TAKES_OVER)

    def come_to_rest(self) -> None:
        """Every target went down once more, is up again, and told to be."""
        least = {model: n + 1 for model, n in self.phases.items()}
        self.until("all went down once more", lambda: all(self.phases[model] >= least[model] for model in MODELS))
        rest = {model: LIFE * n for model, n in self.phases.items()}

        def rested() -> bool:
            told = self.told()
            for model in MODELS:
                if told[FLEET_DOWN, group_key(_group(model)), "page"] == rest[model][:-1]:
                    self.up[model] = True
            return all(told[FLEET_DOWN, group_key(_group(model)), "page"] == rest[model] for model in MODELS)

        self.until("all is up, and told to be", rested, moving=False)


def _group(model: str) -> Group:
    return (("model", model),)


@pytest.fixture(params=["sqlite", "postgresql"])
def engines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engines]:
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "burnline.db")
    else:
        url = _in_a_schema_of_its_own(request.getfixturevalue("postgresql_url"))
    made = Engines(tmp_path, url)
    yield made
    made.end()


def _in_a_schema_of_its_own(url: str) -> str:
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS takeover CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA takeover")
    admin.dispose()
    return f"{url}&options=-csearch_path%3Dtakeover%20-csynchronous_commit%3Doff"


def _each_once(engines: Engines) -> None:
    """Every alert began as often as it had cause to, and ended as often."""
    told = engines.told()
    for model, phases in engines.phases.items():
        assert told.pop((FLEET_DOWN, group_key(_group(model)), "page")) == LIFE * phases
    assert told == {("success", group_key(_group("a")), severity): ["firing"] for severity in ("page", "ticket")}


@pytest.mark.timeout(600)
def test_a_leader_that_is_killed_is_replaced_and_each_alert_is_told_once(engines: Engines) -> None:
    chance = random.Random(7)
    engines.start()
    engines.start()
    engines.until("one leads", lambda: engines.leader())
    for _ in range(5):
        before = engines.leader()
        assert before is not None
        engines.go_on(chance.uniform(0.5, 3.0))
        engines.kill(before[0])
        engines.start()
        engines.until_another_leads(before)
    engines.come_to_rest()
    _each_once(engines)


@pytest.mark.timeout(600)
def test_a_leader_that_was_stopped_and_goes_on_decides_nothing_any_more(engines: Engines) -> None:
    chance = random.Random(11)
    engines.start()
    engines.start()
    engines.until("one leads", lambda: engines.leader())
    for _ in range(3):
        before = engines.leader()
        assert before is not None
        engines.go_on(chance.uniform(0.5, 2.0))
        os.kill(before[0], signal.SIGSTOP)
        try:
            engines.until_another_leads(before)
        finally:
            os.kill(before[0], signal.SIGCONT)
        after = engines.leader()
        engines.go_on(1.0)
        assert engines.leader() == after, "the one that was stopped took nothing back"
    engines.come_to_rest()
    _each_once(engines)
