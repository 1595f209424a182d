"""Receiving spans over OTLP/HTTP on one core: what is taken, what it costs, and whether all of it is stored."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from sqlalchemy import func, select

from bench.harness import Table, Unequal, figure, guarded, python, require_equal
from bench.processes import free_port, stop, usage_of
from bench.sender import READY
from bench.spans import SPANS_OF_TRACE, TRACES
from storage import samples
from storage.database import Database, sqlite_url
from storage.ledger import cells
from storage.ledger.dictionary import Dictionary
from storage.tables import generation, ledger_row

_BATCH = TRACES * SPANS_OF_TRACE
_TICK = 1.0
_EVERYTHING = 0.0
"""The rate that asks for as much as is taken."""


class _Size(NamedTuple):
    """`seconds` are measured, after `warm` others. `rates`: spans a second; 0 asks for all that is taken."""

    rates: Sequence[float]
    warm: float
    seconds: float
    senders: int
    connections: int


class _Sample(NamedTuple):
    """The collector at a moment (Unix seconds): CPU seconds so far, resident bytes."""

    at: float
    cpu: float
    resident: int


class _Result(NamedTuple):
    """One run. `spans`: acknowledged in the measured time, a second; `cpu`: CPU seconds a second; `late`: the longest
    that a batch waited for its turn; `given_up`: batches that were refused for too long."""

    rate: float
    spans: float
    cpu: float
    resident: tuple[int, int, int]
    answers: Counter[str]
    commits: int
    given_up: int
    late: float
    bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when what was counted is not what was acknowledged."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.otlp",
        description="CPU and memory of `burnline collector`, held on one core, while other processes send it traces of "
        "GenAI applications by OTLP/HTTP. Then the ledger and the stored generations are read: they must equal "
        "what was acknowledged.",
    )
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[20_000, _EVERYTHING],
        help="spans a second, a run each; 0: as many as are taken, from more connections than the receiver's queue "
        "holds (default: 20000 0)",
    )  # fmt: skip
    parser.add_argument("--warm", type=float, default=5.0, help="seconds before measuring (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds measured (default: %(default)s)")
    parser.add_argument("--senders", type=int, default=1, help="processes that send (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=96, help="of each sender (default: %(default)s)")
    given = parser.parse_args(argv)
    size = _Size(given.rates, given.warm, given.seconds, given.senders, given.connections)
    return guarded(lambda: _report(size))


def _report(size: _Size) -> str:
    results = [_in_folder(size, rate) for rate in size.rates]
    rows = [
        (
            f"{one.rate:,.0f} spans/s" if one.rate else "all that is taken",
            figure(one.spans),
            f"{one.cpu:.2f}",
            figure(one.cpu / one.spans * 1e6),
            " / ".join(figure(resident / 2**20) for resident in one.resident),
            f"{one.answers['200']:,} / {one.answers['429']:,} / {one.answers['503']:,}",
            f"{one.given_up:,}",
            f"{one.commits:,}",
            f"{one.late:.2f}" if one.rate else "-",
        )
        for one in results
    ]
    head = (
        "sent",
        "taken, spans/s",
        "cores",
        "CPU µs a span",
        "resident MiB, start / middle / end",
        "answers 200 / 429 / 503",
        "given up",
        "commits",
        "late, s",
    )
    traces = f"Traces of {SPANS_OF_TRACE} spans with 1 model call and its texts, {TRACES} a request"
    kilobytes = results[0].bytes / 1000
    title = f"{traces} ({kilobytes:.0f} kB of gzip), for {size.seconds:g} s, the collector on one core: {python()}"
    return f"{title}\n\n{Table(head, rows)}"


def _in_folder(size: _Size, rate: float) -> _Result:
    with tempfile.TemporaryDirectory(prefix="burnline-bench-") as folder:
        return _run(size, rate, Path(folder))


def _run(size: _Size, rate: float, folder: Path) -> _Result:
    with _collector(folder) as (process, ports):
        senders = [_sender(size, rate, ports[0], seed) for seed in range(1, size.senders + 1)]
        for sender in senders:
            assert sender.stdout is not None
            require_equal("a sender is ready", sender.stdout.readline().decode().strip(), READY)
        time.sleep(size.warm)
        watched = _watch(process.pid, size.seconds)
        told = [json.loads(sender.communicate(timeout=120)[0]) for sender in senders]
        commits = _metric(ports[1], "burnline_otlp_commit_seconds_count")
        failures = _metric(ports[1], "burnline_otlp_commit_failures_total")
        stop(process)
    require_equal(f"{failures} commits failed", failures, 0)
    _check(folder, told)
    return _result(rate, watched, told, commits)


def _result(rate: float, watched: Sequence[_Sample], told: Sequence[dict[str, Any]], commits: int) -> _Result:
    first, last = watched[0], watched[-1]
    seconds = last.at - first.at
    taken = sum(n for one in told for at, n in one["acknowledged"] if first.at <= at < last.at)
    require_equal("spans were taken while it was measured", taken > 0, True)
    answers: Counter[str] = Counter()
    for one in told:
        answers.update(one["answers"])
    return _Result(
        rate,
        taken / seconds,
        (last.cpu - first.cpu) / seconds,
        (first.resident, watched[len(watched) // 2].resident, last.resident),
        answers,
        commits,
        sum(one["given_up"] for one in told),
        max(one["late"] for one in told),
        sum(one["bytes"] for one in told) // sum(one["batches"] for one in told),
    )


def _check(folder: Path, told: Sequence[dict[str, Any]]) -> None:
    """What was acknowledged is counted and stored once; what was not, was refused as OTLP says."""
    db = Database(sqlite_url(folder / "burnline.db"))
    calls, tokens = (sum(one[name] for one in told) for name in ("calls", "tokens"))
    with db.read() as connection:
        stored = tuple(connection.execute(select(func.count(), func.sum(generation.c.output_tokens))).one())
        drawn = connection.execute(select(func.count()).where(generation.c.sampled.is_(True))).scalar_one()
        blobs = connection.execute(select(ledger_row.c.cells)).scalars().all()
    counted = _counted(db, blobs)
    require_equal(f"{calls:,} calls were acknowledged and {stored[0]:,} are stored", stored, (calls, tokens))
    require_equal(f"{counted['generations']:,} of {calls:,} calls in the ledger", counted["generations"], calls)
    require_equal("drawn in the ledger, stored and waiting", {counted["drawn"], samples.waiting(db)}, {drawn})
    bare = sum(one["bare"] for one in told)
    require_equal(f"{bare} requests were refused otherwise than with 429 or 503 and Retry-After", bare, 0)


def _counted(db: Database, blobs: Sequence[bytes]) -> Counter[str]:
    dictionary, found = Dictionary(), Counter[str]()
    for (series, _), n in cells.total(map(cells.decode, blobs)).items():
        found[dictionary.atom(db, series).measure.name] += n
    return found


def _watch(pid: int, seconds: float) -> list[_Sample]:
    """The collector, once a second."""
    found, began = [], time.monotonic()
    while True:
        now = usage_of(pid)
        found.append(_Sample(time.time(), now.cpu, now.resident))
        if time.monotonic() - began >= seconds:
            return found
        time.sleep(_TICK)


def _metric(port: int, name: str) -> int:
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    return round(sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)))


@contextmanager
def _collector(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], tuple[int, int]]]:
    ports = free_port(), free_port()
    config = folder / "burnline.yaml"
    settings = {
        "storage": {"directory": str(folder)},
        "collector": {"otlp": {"port": ports[0]}},
        "metrics_ports": {"collector": ports[1], "engine": 0, "evaluator": 0, "alerter": 0},
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "burnline"]
    subprocess.run([*command, "db", "upgrade", "--config", str(config)], check=True, stdout=subprocess.DEVNULL)
    cores = sorted(os.sched_getaffinity(0))
    log = folder / "collector.log"
    with (
        log.open("wb") as to,
        subprocess.Popen([*command, "collector", "--config", str(config)], stdout=to, stderr=to) as process,
    ):
        os.sched_setaffinity(process.pid, cores[:1])  # before it starts a thread: threads inherit it
        try:
            _wait_for(process, ports[1], log)
            yield process, ports
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            if _metric(port, "burnline_otlp_listening") == 1:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise Unequal(f"the collector receives\n{log.read_text()}")


def _sender(size: _Size, rate: float, port: int, seed: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "bench.sender", "--url", f"http://127.0.0.1:{port}/v1/traces"]
    argv += ["--rate", str(rate / _BATCH / size.senders), "--seconds", str(size.warm + size.seconds + 1)]
    argv += ["--connections", str(size.connections), "--seed", str(seed)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, cores[1:] or cores)
    return process


if __name__ == "__main__":
    sys.exit(main())
