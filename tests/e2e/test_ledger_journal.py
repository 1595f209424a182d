"""The ledger against the truth: crashes of replicas and a scraper that was away cost no event that a page showed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from burnline.demo import journal
from storage import fleet
from storage.database import Database, sqlite_url
from tests.e2e import truth
from tests.e2e.running import Process, burnline, command_of, descendants_of, environment, until

pytestmark = [pytest.mark.xdist_group("demo-2")]


class Plan(NamedTuple):
    """A run: seconds of wall time, all counted from the start of the load."""

    interval: float
    seconds: float
    crashes: tuple[tuple[float, str], ...]
    away: tuple[float, float]


TWO_MINUTES = Plan(1.0, 120.0, ((25.0, "v1-eu-west-0"), (85.0, "v2-us-east-0")), (50.0, 62.0))
TEN_MINUTES = Plan(5.0, 600.0, ((100.0, "v1-us-east-1"), (420.0, "v1-us-east-1")), (240.0, 255.0))


@pytest.mark.timeout(240)
def test_two_minutes_with_two_crashes_and_a_scraper_that_was_away(tmp_path: Path) -> None:
    check(tmp_path, TWO_MINUTES)


@pytest.mark.soak
@pytest.mark.timeout(780)
def test_ten_minutes_with_two_crashes_and_a_scraper_that_was_away(tmp_path: Path) -> None:
    check(tmp_path, TEN_MINUTES)


def check(folder: Path, plan: Plan) -> None:
    """Live through the plan, then compare every figure."""
    with Bench(folder, plan.interval) as bench:
        bench.live_through(plan)
        bench.end()
        true = truth.of_journal(bench.demo, bench.watched_since())
    assert len(true) == 4
    assert bench.baselines() == [], "the collector watched before the fleet began, so nothing is a baseline"
    assert sum(sum(counts.requests.values()) for counts in true.values()) > plan.seconds * 15
    assert sum(run.ended for run in journal.read(bench.demo).runs if len(run.requests) > run.scraped_upto) >= 1
    assert truth.differences(truth.of_ledger(bench.database), true) == []


class Bench:
    """A collector and a fleet, each a process of its own; the collector is there first."""

    def __init__(self, folder: Path, interval: float) -> None:
        self.demo = folder / "demo"
        self.demo.mkdir()
        self._folder = folder
        self._interval = interval
        self._config = folder / "burnline.yaml"
        self._config.write_text(
            f"storage: {{directory: {folder / 'storage'}}}\n"
            "metrics_ports: {collector: 0, engine: 0, alerter: 0, evaluator: 0}\n"
            "collector:\n"
            "  otlp: {enabled: false}\n"
            "  flush_interval: 2s\n"
            f"  scrape: [{{name: demo, interval: {interval}, file_sd: [{self.demo / 'targets.json'}]}}]\n"
        )
        (folder / "storage").mkdir()
        self.database = Database(sqlite_url(folder / "storage" / "burnline.db"))

    def __enter__(self) -> Bench:
        assert burnline("db", "upgrade", "--config", self._config).returncode == 0
        self._collector = self._start_collector()
        until(30, "the collector commits", lambda: self._watermark(), self._collector.log)
        self._fleet = Process(
            self._folder / "fleet.log", ("demo-fleet", "--scenario", "healthy", "--directory", self.demo), environment()
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._collector.end()
        self._fleet.end()
        self.database.dispose()

    def live_through(self, plan: Plan) -> None:
        """Crashes and the outage at their times."""
        until(40, "the load runs", (self.demo / "load.jsonl").exists, self._fleet.log)
        began = time.monotonic()
        steps = [(at, lambda name=name: self._crash(name)) for at, name in plan.crashes]
        steps += [(plan.away[0], self._leave), (plan.away[1], self._return), (plan.seconds, lambda: None)]
        for at, step in sorted(steps, key=lambda pair: pair[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            step()

    def end(self) -> None:
        """The clients go, a last scrape sees everything, and all processes end in order."""
        with self._stopped():
            os.kill(self._child("burnline.demo.load"), signal.SIGKILL)
            until(60 + 5 * self._interval, "every last count was scraped", self._all_scraped, self._collector.log)
            assert self._collector.stop() == 0
        assert self._fleet.stop() == 0

    def watched_since(self) -> float:
        """When the collector first saw the job."""
        since = fleet.job_watched_since(self.database, "demo")
        assert since is not None
        return since

    def baselines(self) -> list[str]:
        """Replicas whose first process began before anybody watched."""
        since = self.watched_since()
        return [run.replica for run in journal.read(self.demo).runs if run.process_start < since]

    def _start_collector(self) -> Process:
        return Process(self._folder / "collector.log", ("collector", "--config", self._config), environment())

    def _watermark(self) -> float | None:
        with self.database.read() as connection:
            return fleet.watermark(connection)

    def _crash(self, name: str) -> None:
        """Kill a replica at a moment when requests of its were not scraped yet: those are what a crash loses."""
        pid = self._child(f'"name":"{name}"')
        until(10, f"{name} has requests that no page showed", lambda: self._unscraped(name), self._fleet.log)
        os.kill(pid, signal.SIGKILL)

    def _unscraped(self, name: str) -> bool:
        run = max((r for r in journal.read(self.demo).runs if r.replica == name), key=lambda r: r.process_start)
        return len(run.requests) > run.scraped_upto

    def _leave(self) -> None:
        assert self._collector.stop() == 0

    def _return(self) -> None:
        self._collector = self._start_collector()

    def _child(self, sign: str) -> int:
        def look() -> int | None:
            children = descendants_of(self._fleet.pid)
            return next((pid for pid in children if any(sign in word for word in command_of(pid))), None)

        return until(10, f"{sign} runs", look, self._fleet.log)

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        """The fleet's supervisor pauses, so that it starts no other clients."""
        os.kill(self._fleet.pid, signal.SIGSTOP)
        yield
        os.kill(self._fleet.pid, signal.SIGCONT)

    def _all_scraped(self) -> bool:
        runs = [run for run in journal.read(self.demo).runs if not run.ended]
        return all([line.upto for line in run.scrapes[-2:]] == [len(run.requests)] * 2 for run in runs)
