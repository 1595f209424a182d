"""python -m bench.takeover: how long nobody decides when the engine that leads is killed."""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from sqlalchemy import select

from bench.harness import Table, Unequal, figure, guarded, python
from slo_engine.tick import LEASE
from storage import migrate
from storage.database import Database, sqlite_url
from storage.tables import lease

_STARTS_WITHIN = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when nobody takes over."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.takeover",
        description="Measures the time from the end of the engine that leads (kill -9, at a random moment) until "
        "another process of two holds its lease, with the settings as they come, against a SQLite ledger.",
    )
    parser.add_argument("--rounds", type=int, default=6, help="leaders that are killed (default: %(default)s)")
    given = parser.parse_args(argv)
    return guarded(lambda: _measure(given.rounds))


def _measure(rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        engines = _Engines(Path(folder))
        try:
            found = [engines.replace() for _ in range(rounds)]
        finally:
            engines.end()
    table = Table(
        ("kill -9 of the leader", "seconds"), [("median", figure(median(found))), ("longest", figure(max(found)))]
    )
    return f"Until another engine leads, {rounds} times: {python()}\n\n{table}"


class _Engines:
    """Two processes over one database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = Database(sqlite_url(folder / "burnline.db"))
        migrate.upgrade(self._database)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._random = random.Random(1)
        self._start()
        self._start()

    def _start(self) -> None:
        ports = {"collector": 0, "engine": 0, "alerter": 0, "evaluator": 0}
        config = self._folder / "burnline.yaml"
        config.write_text(json.dumps({"storage": {"directory": str(self._folder)}, "metrics_ports": ports}))
        with (self._folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "burnline", "engine", "--config", str(config)]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._running[process.pid] = process

    def replace(self) -> float:
        """Kill who leads once both have run for a while; seconds until the other does. A third takes its place."""
        pid, epoch = self._until_after(-1)
        time.sleep(5 + 10 * self._random.random())
        process = self._running.pop(pid)
        process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        process.wait()
        self._until_after(epoch)
        took = time.monotonic() - began
        self._start()
        return took

    def _until_after(self, epoch: int) -> tuple[int, int]:
        """Who leads in a later epoch, and which."""
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline:
            with self._database.read() as connection:
                row = connection.execute(select(lease).where(lease.c.name == LEASE)).one_or_none()
            if row is not None and row.epoch > epoch and row.expires_at > time.time():
                return int(row.holder.partition("-")[0]), row.epoch
            time.sleep(0.02)
        raise Unequal(f"an engine leads\n{(self._folder / 'log').read_text()}")

    def end(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        self._database.dispose()


if __name__ == "__main__":
    raise SystemExit(main())
