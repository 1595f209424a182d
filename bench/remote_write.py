"""What sending everything by remote write costs, beside a Prometheus that scrapes and sends the same."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import cramjam
import httpx
import numpy as np
import yaml

from bench import scrape
from bench.harness import Table, Unequal, cpu, figure, guarded, python, ratio, require_equal, take_turns
from bench.receiving import Received
from bench.remote_proto import WriteRequest
from collector.remote_write.encode import Request, SeriesTable
from core.labels import make
from core.matchers import parse_selector
from storage.series import SeriesReader, dictionary
from storage.series.block import Definitions

_OURS, _PEER = "burnline", "prometheus"
_SENDING = "-sending"
_LATE = "burnline_collector_scrape_lateness_seconds"
_REQUEST = 2000
_MARGIN = 12
"""Seconds at both ends of the measured time that are not compared: what is under way may be with one side only."""


class _Cost(NamedTuple):
    """CPU seconds a million samples due, resident bytes at the end, and by how many seconds a scrape is late on average
    (None of Prometheus, which does not tell)."""

    cpu: float
    resident: int
    late: float | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when what was received is not what was kept."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.remote_write",
        description="Measures the CPU and memory that remote write adds to `burnline collector`, against what it adds "
        "to Prometheus: four processes scrape the same targets, two of them send all to a receiver. And the "
        "time of encoding one request, against Google's protobuf classes.",
    )
    parser.add_argument("--targets", type=int, default=60, help="(default: %(default)s)")
    parser.add_argument("--series", type=int, default=2000, help="series a page, at least 60 (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds (default: %(default)s)")
    parser.add_argument("--warm", type=float, default=30.0, help="seconds before measuring (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds measured (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="of encoding (default: %(default)s)")
    given = parser.parse_args(argv)
    if shutil.which(_PEER) is None:
        parser.error("prometheus is not installed (Debian: apt install prometheus)")
    size = scrape._Size(given.targets, given.series, given.interval, given.warm, given.seconds)
    return guarded(lambda: f"{_encoding(given.rounds)}\n\n{_sending(size)}")


# Encoding one request.


def _encoding(rounds: int) -> str:
    series = [
        make(
            {
                "__name__": "bench_work_total",
                "instance": "127.0.0.1:1",
                "job": "bench",
                "queue": f"q{n % 40}",
                "worker": f"w{n}",
            }
        )
        for n in range(_REQUEST)
    ]
    table = SeriesTable({})
    table.define(Definitions(np.arange(_REQUEST, dtype=np.uint32), dictionary.build(series)))
    values = np.random.default_rng(1).random(_REQUEST)
    request = Request(np.arange(_REQUEST), np.full(_REQUEST, 1_700_000_000_000), values.view(np.uint64))

    def peer() -> bytes:
        message = WriteRequest()
        for labels, value in zip(series, values.tolist(), strict=True):
            one = message.timeseries.add()
            for name, text in labels:
                one.labels.add(name=name, value=text)
            one.samples.add(value=value, timestamp=1_700_000_000_000)
        return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))

    def ours() -> bytes:
        return table.encode(request)

    same = [WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body))) for body in (ours(), peer())]
    require_equal("one request as both encode it", same[0], same[1])
    costs = take_turns({"by hand": lambda: cpu(ours), "Google's classes": lambda: cpu(peer)}, rounds)
    rows = [(name, figure(cost / _REQUEST * 1e6), ratio(cost, costs["by hand"])) for name, cost in costs.items()]
    title = f"One request of {_REQUEST:,} samples of {len(series[0])} labels, snappy in it: {python()}, CPU time"
    return f"{title}\n\n{Table(('encoding', 'µs a sample', 'takes'), rows)}"


# Sending all that is scraped.


def _sending(size: scrape._Size) -> str:
    with tempfile.TemporaryDirectory(prefix="burnline-bench-") as folder, ExitStack() as stack:
        costs, sizes = _run(size, Path(folder), stack)
    rows = []
    for name in (_OURS, _PEER):
        alone, sending = costs[name], costs[name + _SENDING]
        rows.append((name, *_figures(alone), "", ""))
        rows.append((f"{name}, sending", *_figures(sending), figure(sizes[name]), figure(sending.cpu - alone.cpu)))
    ours, peer = costs[_OURS + _SENDING], costs[_PEER + _SENDING]
    pairs = ((peer.cpu, ours.cpu), (peer.resident, ours.resident), (sizes[_PEER], sizes[_OURS]))
    of_cpu, of_memory, of_wire = (ratio(theirs, own) for theirs, own in pairs)
    rows.append(("the peer takes, sending", of_cpu, of_memory, "", of_wire, ""))
    head = ("who", "CPU s a million samples", "resident MiB", "late by, ms", "bytes a sample sent", "CPU s for sending")
    title = (
        f"{size.targets:,} targets of {size.series:,} series every {size.interval:g} s for {size.seconds:g} s, "
        f"each scraped by four processes: {python()}"
    )
    return f"{title}\n\n{Table(head, rows)}"


def _figures(cost: _Cost) -> tuple[str, str, str]:
    return figure(cost.cpu), figure(cost.resident / 2**20), "" if cost.late is None else figure(cost.late * 1000)


def _run(size: scrape._Size, folder: Path, stack: ExitStack) -> tuple[dict[str, _Cost], dict[str, float]]:
    """The cost of each process, and bytes a sample of those that send."""
    journal, got = folder / "journal.json", folder / "received"
    got.mkdir()
    fleet, ports = stack.enter_context(scrape._fleet(size, journal))
    scrapers = list(_scrapers(size, folder, ports, f"http://127.0.0.1:{_receiver(got, stack)}", stack))
    scrape._wait("warming", size.warm)
    late = [_late(one) for one in scrapers]
    began, before = time.time(), [scrape._usage(one.process.pid) for one in scrapers]
    scrape._wait("measuring", size.seconds)
    ended, after = time.time(), [scrape._usage(one.process.pid) for one in scrapers]
    due = size.targets * size.series * (ended - began) / size.interval
    costs = {
        one.folder.parent.name: _Cost((last.cpu - first.cpu) / due * 1e6, last.resident, _mean(_late(one), was))
        for one, first, last, was in zip(scrapers, before, after, late, strict=True)
    }
    time.sleep(_MARGIN)
    scrape._stop(fleet)
    watched = _watched(json.loads(journal.read_text()), ports)
    span = round(began) + _MARGIN, round(ended) - _MARGIN
    senders = [one for one in scrapers if one.folder.parent.name.endswith(_SENDING)]
    return costs, {one.name: _checked(one, Received(got / one.name, watched), size, span) for one in senders}


def _scrapers(
    size: scrape._Size, folder: Path, ports: Sequence[int], url: str, stack: ExitStack
) -> Iterator[scrape._Scraper]:
    """Each of both twice, once sending."""
    for name, start, also in ((_OURS, scrape._burnline, _our_remote), (_PEER, scrape._prometheus, _peer_remote)):
        for suffix in ("", _SENDING):
            own = folder / (name + suffix)
            own.mkdir()
            command = start(size, own, ports)
            if suffix:
                also(own, f"{url}/{name}")
            yield stack.enter_context(scrape._scraper(name, own, command))


def _late(one: scrape._Scraper) -> tuple[float, float]:
    """Seconds by which its scrapes were late since its start, and their number; none of Prometheus."""
    try:
        text = httpx.get(f"http://127.0.0.1:{one.port}/metrics", timeout=60).text
    except httpx.TransportError:
        raise Unequal(f"{one.folder.parent.name} runs: it has ended, or needs more seconds of --warm") from None
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(_LATE))
    return float(found.get(f"{_LATE}_sum", 0)), float(found.get(f"{_LATE}_count", 0))


def _mean(now: tuple[float, float], before: tuple[float, float]) -> float | None:
    count = now[1] - before[1]
    return (now[0] - before[0]) / count if count else None


def _receiver(folder: Path, stack: ExitStack) -> int:
    argv = [sys.executable, "-m", "bench.receiving", "--folder", str(folder)]
    process = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
    stack.callback(process.send_signal, signal.SIGTERM)
    assert process.stdout is not None
    return int(process.stdout.readline())


def _our_remote(folder: Path, url: str) -> None:
    config = folder / "burnline.yaml"
    content = yaml.safe_load(config.read_text())
    content["collector"]["remote_write"] = [{"name": "bench", "url": url}]
    config.write_text(yaml.safe_dump(content))


def _peer_remote(folder: Path, url: str) -> None:
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "remote_write": [{"url": url}]}))


def _watched(served: Sequence[Mapping[str, object]], ports: Sequence[int]) -> set[tuple[str, str]]:
    return {
        (f"127.0.0.1:{port}", f"w{index}")
        for one, port in zip(served, ports, strict=True)
        for index in one["indices"]  # type: ignore[attr-defined]
    }


def _checked(one: scrape._Scraper, received: Received, size: scrape._Size, span: tuple[int, int]) -> float:
    """Bytes a sample, if what was received of the watched series is what the sender keeps, and no less than was due."""
    kept = _keeper(one)
    for (instance, worker), samples in received.watched.items():
        selector = f'bench_work_total{{instance="{instance}",worker="{worker}"}}'
        require_equal(
            f"{selector} as {one.name} keeps and sent it", _within(samples, span), _within(kept(selector), span)
        )
    inside = sum(count for second, count in received.times.items() if span[0] <= second < span[1])
    due = size.targets * size.series * (span[1] - span[0]) / size.interval
    if inside < 0.97 * due:
        raise Unequal(f"{inside:,} samples of {one.name} were received and {due:,.0f} were due")
    return received.bytes / received.samples


def _within(samples: Mapping[int, float], span: tuple[int, int]) -> dict[int, float]:
    return {at: value for at, value in samples.items() if span[0] <= at / 1000 < span[1]}


def _keeper(one: scrape._Scraper) -> Callable[[str], dict[int, float]]:
    def ours(selector: str) -> dict[int, float]:
        (found,) = SeriesReader(one.folder / "series").select(parse_selector(selector), 0, 2**62)
        return dict(zip(found.times.tolist(), found.values.tolist(), strict=True))

    def peer(selector: str) -> dict[int, float]:
        answer = httpx.get(f"http://127.0.0.1:{one.port}/api/v1/query", params={"query": f"{selector}[1h]"}, timeout=60)
        (found,) = answer.json()["data"]["result"]
        return {round(at * 1000): float(value) for at, value in found["values"]}

    return ours if one.name == _OURS else peer


if __name__ == "__main__":
    sys.exit(main())
