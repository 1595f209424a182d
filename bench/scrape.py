"""Scraping, keeping and counting a fleet, beside a Prometheus that scrapes the same targets in the same run."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from rich.console import Console
from rich.progress import track
from sqlalchemy import select

from bench.harness import Table, Unequal, figure, guarded, python, ratio, require_equal
from bench.processes import Usage, free_port, stop, usage_of
from core.matchers import parse_selector
from storage.database import Database, sqlite_url
from storage.ledger import cells
from storage.ledger.dictionary import Dictionary
from storage.series import SeriesReader, compact
from storage.tables import ledger_row

_OURS, _PEER = "burnline", "prometheus"

_Served = Sequence[Mapping[str, Any]]
"""What each target told of the pages it served (`bench.served`)."""


class _Size(NamedTuple):
    """`seconds` are measured, after `warm` others."""

    targets: int
    series: int
    interval: float
    warm: float
    seconds: float


@dataclass(frozen=True)
class _Scraper:
    """A process that scrapes, and how it stood at the two ends of the measured time."""

    name: str
    process: subprocess.Popen[bytes]
    folder: Path
    port: int


class _Result(NamedTuple):
    """What one scraper took. `late`: seconds that 99 % of the gaps between two scrapes of a target stay within of the
    interval; `missed`: the share of the scrapes due that were not made; `disk`: bytes a sample after compaction."""

    cpu: float
    resident: int
    disk: float
    late: float
    missed: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when what was kept or counted is not what was served."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scrape",
        description="CPU, memory and disk of `burnline collector` and of Prometheus while both scrape the same "
        "targets, everything kept. Then random series and all requests are read back: they must equal what was served.",
    )
    parser.add_argument("--targets", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--series", type=int, default=2000, help="series a page, at least 60 (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds (default: %(default)s)")
    parser.add_argument("--warm", type=float, default=30.0, help="seconds before measuring (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds measured (default: %(default)s)")
    given = parser.parse_args(argv)
    if shutil.which(_PEER) is None:
        parser.error("prometheus is not installed (Debian: apt install prometheus)")
    size = _Size(given.targets, given.series, given.interval, given.warm, given.seconds)
    return guarded(lambda: _report(size))


def _report(size: _Size) -> str:
    with tempfile.TemporaryDirectory(prefix="burnline-bench-") as folder, ExitStack() as stack:
        results = _run(size, Path(folder), stack)
    rows = [
        (name, figure(one.cpu), figure(one.resident / 2**20), figure(one.disk), figure(one.late), f"{one.missed:.2%}")
        for name, one in results.items()
    ]
    ours, peer = results[_OURS], results[_PEER]
    pairs = ((peer.cpu, ours.cpu), (peer.resident, ours.resident), (peer.disk, ours.disk))
    rows.append(("the peer takes", *(ratio(theirs, own) for theirs, own in pairs), "", ""))
    head = ("who", "CPU s a million samples", "resident MiB", "bytes a sample", "late by (99 %), s", "missed")
    title = (
        f"{size.targets:,} targets of {size.series:,} series every {size.interval:g} s for {size.seconds:g} s, "
        f"gzip, everything kept: {python()}"
    )
    return f"{title}\n\n{Table(head, rows)}"


def _run(size: _Size, folder: Path, stack: ExitStack) -> dict[str, _Result]:
    journal = folder / "journal.json"
    fleet, ports = stack.enter_context(_fleet(size, journal))
    scrapers = [
        stack.enter_context(_scraper(_OURS, folder, _burnline(size, folder, ports))),
        stack.enter_context(_scraper(_PEER, folder, _prometheus(size, folder, ports))),
    ]
    _wait("warming", size.warm)
    for one in scrapers:
        if one.process.poll() is not None:
            raise Unequal(f"{one.name} runs\n{(folder / one.name).with_suffix('.log').read_text()}")
    began, before = time.monotonic(), [usage_of(one.process.pid) for one in scrapers]
    _wait("measuring", size.seconds)
    ended, after = time.monotonic(), [usage_of(one.process.pid) for one in scrapers]
    stop(scrapers[0].process)
    stop(fleet)
    served = json.loads(journal.read_text())
    disks = (_our_disk(scrapers[0].folder), _peer_disk(scrapers[1]))
    _check_ours(scrapers[0].folder, served, ports)
    _check_peer(scrapers[1], served, ports)
    return {
        one.name: _result(one.name, served, size, (began, ended), (first, last), disk)
        for one, first, last, disk in zip(scrapers, before, after, disks, strict=True)
    }


def _result(
    name: str,
    served: _Served,
    size: _Size,
    measured: tuple[float, float],
    usage: tuple[Usage, Usage],
    disk: int,
) -> _Result:
    times = [[at for agent, at, _ in one["served"] if agent == name] for one in served]
    within = [[at for at in own if measured[0] <= at < measured[1]] for own in times]
    samples = sum(map(len, within)) * size.series
    due = size.targets * (measured[1] - measured[0]) / size.interval
    gaps = sorted(later - at for own in within for at, later in pairwise(own))
    return _Result(
        cpu=(usage[1].cpu - usage[0].cpu) / samples * 1e6,
        resident=usage[1].resident,
        disk=disk / (sum(map(len, times)) * size.series),
        late=max(0.0, gaps[int(0.99 * (len(gaps) - 1))] - size.interval),
        missed=max(0.0, 1 - sum(map(len, within)) / due),
    )


@contextmanager
def _fleet(size: _Size, journal: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    argv = [sys.executable, "-m", "bench.served", "--targets", str(size.targets), "--series", str(size.series)]
    argv += ["--interval", str(size.interval), "--journal", str(journal)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def _scraper(name: str, folder: Path, start: tuple[Sequence[str], int]) -> Iterator[_Scraper]:
    argv, port = start
    with (folder / f"{name}.log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            yield _Scraper(name, process, folder / name, port)
        finally:
            process.kill()


def _burnline(size: _Size, folder: Path, ports: Sequence[int]) -> tuple[list[str], int]:
    port = free_port()
    config = folder / "burnline.yaml"
    job = {"name": "bench", "interval": f"{size.interval:g}s", "static": [{"targets": _places(ports)}]}
    (folder / _OURS).mkdir()
    config.write_text(
        yaml.safe_dump(
            {
                "storage": {"directory": str(folder / _OURS)},
                "collector": {"scrape": [job], "otlp": {"port": free_port()}},
                "metrics_ports": {"collector": port, "engine": 0, "evaluator": 0, "alerter": 0},
            }
        )
    )
    command = [sys.executable, "-m", "burnline"]
    subprocess.run([*command, "db", "upgrade", "--config", str(config)], check=True, stdout=subprocess.DEVNULL)
    return [*command, "collector", "--config", str(config)], port


def _prometheus(size: _Size, folder: Path, ports: Sequence[int]) -> tuple[list[str], int]:
    port = free_port()
    config = folder / "prometheus.yml"
    jobs = [{"job_name": "bench", "static_configs": [{"targets": _places(ports)}]}]
    every = {"scrape_interval": f"{size.interval:g}s", "scrape_timeout": f"{size.interval:g}s"}
    config.write_text(yaml.safe_dump({"global": every, "scrape_configs": jobs}))
    flags = {
        "config.file": config,
        "storage.tsdb.path": folder / _PEER,
        "web.listen-address": f"127.0.0.1:{port}",
        "web.enable-admin-api": "true",
    }
    return [_PEER, *(f"--{name}={value}" if value != "true" else f"--{name}" for name, value in flags.items())], port


def _places(ports: Sequence[int]) -> list[str]:
    return [f"127.0.0.1:{port}" for port in ports]


def _wait(what: str, seconds: float) -> None:
    for _ in track(range(round(seconds)), what, console=Console(stderr=True)):
        time.sleep(1)


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _our_disk(folder: Path) -> int:
    """Raw series as they are kept once their window is over, and the ledger."""
    compact(folder / "series", "0", time.time() + 6 * 3600)
    return _size_of(folder)


def _peer_disk(peer: _Scraper) -> int:
    """A block of everything that is in its head, as compaction would write it."""
    answer = httpx.post(f"http://127.0.0.1:{peer.port}/api/v1/admin/tsdb/snapshot", timeout=120).json()
    return _size_of(peer.folder / "snapshots" / answer["data"]["name"])


_Read = Callable[[str], Mapping[tuple[str, str], Sequence[int]]]
"""What a scraper kept of the series of a selector: by instance and worker, the whole values in order."""
_COMPARED_TARGETS = 200
"""Of so many every watched series is compared; the ledger's requests are those of all."""


def _check_ours(folder: Path, served: _Served, ports: Sequence[int]) -> None:
    reader = SeriesReader(folder / "series")

    def read(selector: str) -> dict[tuple[str, str], list[int]]:
        return {
            _place_of(dict(one.labels)): [int(value) for value in one.without_stale().values.tolist()]
            for one in reader.select(parse_selector(selector), 0, 2**62)
        }

    kept = _check_values(_OURS, read, served, ports)
    expected = sum(one["steps"][steps[-1]]["requests"] - one["steps"][steps[0]]["requests"] for one, steps in kept)
    found = _requests(Database(sqlite_url(folder / "burnline.db")))
    require_equal(f"{found:,} requests in the ledger and {expected:,} of the targets", found, expected)


def _check_peer(peer: _Scraper, served: _Served, ports: Sequence[int]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{peer.port}/api/v1/", timeout=60) as client:

        def read(selector: str) -> dict[tuple[str, str], list[int]]:
            found = client.get("query", params={"query": f"{selector}[1h]"}).json()["data"]["result"]
            return {_place_of(one["metric"]): [int(float(value)) for _, value in one["values"]] for one in found}

        _check_values(_PEER, read, served, ports)


def _check_values(
    agent: str, read: _Read, served: _Served, ports: Sequence[int]
) -> list[tuple[Mapping[str, Any], list[int]]]:
    """Compare the watched series; returns each target with the steps of its page that were kept.

    Which they are is told by the page itself: a scrape that was answered may have failed all the same.
    """
    steps = read('bench_step{job="bench"}')
    kept = []
    for place, (one, port) in enumerate(zip(served, ports, strict=True)):
        own = list(steps.get((f"127.0.0.1:{port}", ""), ()))
        answered = {step for who, _, step in one["served"] if who == agent}
        require_equal(f"pages of {port} that {agent} kept were answered", bool(own) and answered.issuperset(own), True)
        kept.append((one, own))
        if place % max(1, len(served) // _COMPARED_TARGETS) == 0:
            _check_watched(agent, read, f"127.0.0.1:{port}", one, own)
    return kept


def _check_watched(agent: str, read: _Read, instance: str, one: Mapping[str, Any], steps: Sequence[int]) -> None:
    workers = [f"w{index}" for index in one["indices"]]
    kept = read(f'bench_work_total{{instance="{instance}",job="bench",worker=~"{"|".join(workers)}"}}')
    for place, worker in enumerate(workers):
        values = [one["steps"][step]["watched"][place] for step in steps]
        found = kept.get((instance, worker), ())
        what = f"{worker} of {instance} as {agent} keeps it and as served: {_first_other(found, values)}"
        require_equal(what, list(found), values)


def _place_of(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels["instance"], labels.get("worker", "")


def _first_other(found: Sequence[int], served: Sequence[int]) -> str:
    """Where two lists of values part."""
    place = next((n for n, pair in enumerate(zip(found, served, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(found), len(served)) if place is None else place
    return f"{len(found)} kept, {len(served)} served, from {at} on {found[at : at + 3]} and {served[at : at + 3]}"


def _requests(db: Database) -> int:
    """Requests in the rows that targets wrote; those that clients gave up are left out, as the targets do."""
    with db.read() as connection:
        blobs = connection.execute(select(ledger_row.c.cells)).scalars().all()
    dictionary, found = Dictionary(), 0
    for (series, _), n in cells.total(map(cells.decode, blobs)).items():
        measure = dictionary.atom(db, series).measure
        if measure.name == "requests" and ("outcome", "excluded") not in measure.attrs:
            found += n
    return found


if __name__ == "__main__":
    sys.exit(main())
