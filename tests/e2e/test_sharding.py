"""Collectors that share their targets, as processes: handed over, killed and doubled, they count each event once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import fleet, migrate
from storage.database import Database, sqlite_url
from tests.e2e import truth
from tests.e2e.test_bad_targets import Engine, Server, targets
from tests.storage.conftest import postgresql_url  # noqa: F401 - a fixture

WITHIN = 120.0
NAMES = [f"e{number}" for number in range(8)]


class Fleet:
    """Engines whose pages count on with each scrape, served by a thread of their own."""

    def __init__(self) -> None:
        self.engines = {name: Engine() for name in NAMES}
        self.address = ""
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Fleet:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        async with Server(dict(self.engines)).serving() as server:
            self.address = server.address
            self._ready.set()
            await self._over.wait()

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    def counted(self) -> int:
        return sum(max(0, engine.counted) for engine in self.engines.values())

    def rest(self) -> None:
        for engine in self.engines.values():
            engine.rests = True


class Collectors:
    """Collector processes over one database, each with a folder of its own."""

    def __init__(self, folder: Path, url: str, address: str) -> None:
        self.database = Database(url)
        migrate.upgrade(self.database)
        self._folder, self._url, self._address = folder, url, address
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, shard: str) -> subprocess.Popen[bytes]:
        folder = self._folder / f"host{len(self._running)}"
        folder.mkdir()
        static = [one.model_dump(mode="json") for one in targets(self._address, NAMES)]
        config = {
            "storage": {"directory": str(folder), "url": self._url},
            "metrics_ports": {"collector": 0, "engine": 0, "alerter": 0, "evaluator": 0},
            "collector": {
                "shard": shard,
                "flush_interval": "300ms",
                "otlp": {"enabled": False},
                "scrape": [{"name": "job", "interval": "500ms", "static": static}],
            },
        }
        (folder / "burnline.yaml").write_text(json.dumps(config))
        command = [sys.executable, "-m", "burnline", "collector", "--config", str(folder / "burnline.yaml")]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._running.append(process)
        return process

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        self.database.dispose()

    def requests(self) -> int:
        return sum(sum(one.requests.values()) for one in truth.of_ledger(self.database).values())

    def logs(self) -> str:
        return "".join(file.read_text() for file in self._folder.glob("host*/log"))

    def owners(self) -> dict[str, str]:
        """Shards by the targets that they scrape."""
        return {one.labels["name"]: one.shard for one in fleet.targets(self.database)}

    def flushed(self, shard: str) -> float:
        """Up to when one shard has committed."""
        with self.database.read() as connection:
            return next(one.flushed_through for one in fleet.shards(connection) if one.name == shard)

    def watermark(self) -> float:
        with self.database.read() as connection:
            return fleet.watermark(connection) or 0.0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "burnline.db")
    return str(request.getfixturevalue("postgresql_url")) + "&options=-csynchronous_commit%3Doff"


@pytest.fixture
def engines() -> Iterator[Fleet]:
    with Fleet() as fleet_:
        yield fleet_


@pytest.fixture
def collectors(tmp_path: Path, url: str, engines: Fleet) -> Iterator[Collectors]:
    made = Collectors(tmp_path, url, engines.address)
    yield made
    made.stop()


def wait(what: str, look: Callable[[], object]) -> None:
    """Until `look` is true; a process takes seconds to start, many on a busy machine."""
    deadline = time.monotonic() + WITHIN
    while not look():
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        time.sleep(0.1)


@pytest.mark.timeout(600)
def test_a_doubled_a_resized_and_a_killed_collector_count_each_event_once(
    collectors: Collectors, engines: Fleet
) -> None:
    first = collectors.start("0/1")
    wait("all are scraped", lambda: set(collectors.owners()) == set(NAMES) and collectors.requests() > 16)
    assert set(collectors.owners().values()) == {"0-of-1"}
    doubled = collectors.start("0/1")  # somebody's mistake: the same part twice
    wait("both scrape", lambda: "another collector has counted" in collectors.logs())
    first.send_signal(signal.SIGKILL)
    first.wait()

    parts = [collectors.start("0/2"), collectors.start("1/2")]  # while the other still runs
    wait("the new set has targets", lambda: "0-of-2" in collectors.owners().values())
    doubled.send_signal(signal.SIGTERM)
    doubled.wait(WITHIN)
    wait("the new set alone scrapes", lambda: set(collectors.owners().values()) == {"0-of-2", "1-of-2"})
    before = collectors.watermark()
    wait("the watermark follows the new set", lambda: collectors.watermark() > before + 1)

    parts[1].send_signal(signal.SIGKILL)
    parts[1].wait()
    held, counted = collectors.flushed("1-of-2"), engines.counted()
    wait("the other goes on", lambda: engines.counted() > counted + 12)
    assert collectors.watermark() <= held < collectors.flushed("0-of-2"), "nobody says that everything is known"
    collectors.start("1/2")
    wait("another process takes its place", lambda: collectors.watermark() > held + 1)

    engines.rest()
    final = engines.counted()
    wait("the last count is in the ledger", lambda: collectors.requests() >= final)
    assert collectors.requests() == final == engines.counted()
