"""A fleet of metrics pages behind real sockets, for `bench.scrape`: it keeps account of what it served to whom.

    python -m bench.served --targets 200 --series 2000 --interval 5 --journal FILE

prints its ports as JSON, serves until SIGTERM, and then writes FILE. Pages move on with the clock, at most once in half
an interval, so that two scrapers of one interval cause one page to be made.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from bench.pages import CONTENT_TYPE, SimulatedTarget

SMALLEST = 60
"""Series below which a page cannot have what is compared."""
_ENGINE = 480
"""Series of a simulated vLLM page; what is asked for beyond them are the number of the page and counters that no
profile knows. A smaller page leaves whole families out."""
_COMPARED = ("vllm:request_success", "vllm:admission_rejections", "process_start_time")
WATCHED = 5
"""Counters of each target of which every served value is told."""
_CHANGING = 0.3


class ServedTarget:
    """One target's page as it is now, and what was told of it."""

    def __init__(self, number: int, series: int, hold: float) -> None:
        self._rng = Random(number)
        self._engine = SimulatedTarget(number, _CHANGING)
        engine = min(_ENGINE, series - WATCHED - 1)
        self._families = families_within(self._engine.scrape(), engine) if engine < _ENGINE else None
        if self._families is not None:
            engine = sum(self._families.values())
        self._numbers = [self._rng.randint(0, 10**6) for _ in range(series - engine - 1)]
        heads = (f'bench_work_total{{queue="q{i % 40}",worker="w{i}"}} ' for i in range(len(self._numbers)))
        self._form = "# TYPE bench_step gauge\nbench_step %d\n# TYPE bench_work counter\n"
        self._form += "".join(f"{head}%d\n" for head in heads)
        self._hold = hold
        self._made = -1.0
        self._body = b""
        self.step = -1
        self.watched = sorted(self._rng.sample(range(len(self._numbers)), WATCHED)) if self._numbers else []
        self.steps: list[dict[str, Any]] = []
        self.served: list[tuple[str, float, int]] = []

    def answer(self, agent: str) -> bytes:
        """The page, compressed."""
        now = time.monotonic()
        if now - self._made >= self._hold:
            self._move(now)
        self.served.append((agent, now, self.step))
        return self._body

    def _move(self, now: float) -> None:
        self._made = now
        self.step += 1
        for index in self._rng.sample(range(len(self._numbers)), round(_CHANGING * len(self._numbers))):
            self._numbers[index] += self._rng.randint(1, 900)
        page = _only(self._engine.scrape(), self._families) + (self._form % (self.step, *self._numbers)).encode()
        self._body = gzip.compress(page, 1)
        self.steps.append({"requests": self._engine.requests(), "watched": [self._numbers[i] for i in self.watched]})


def families_within(page: bytes, most: int) -> dict[bytes, int]:
    """Families of a page, with their numbers of series, that have at most so many together: first those compared."""
    sizes: dict[bytes, int] = {}
    for line in page.splitlines():
        if not line.startswith(b"#"):
            sizes[_family(line)] = sizes.get(_family(line), 0) + 1
    chosen: dict[bytes, int] = {}
    for name, size in sorted(sizes.items(), key=lambda each: not each[0].decode().startswith(_COMPARED)):
        if sum(chosen.values()) + size <= most:
            chosen[name] = size
    return chosen


def _only(page: bytes, families: Mapping[bytes, int] | None) -> bytes:
    if families is None:
        return page
    lines = [line for line in page.splitlines() if not line.startswith(b"#") and _family(line) in families]
    return b"\n".join(lines) + b"\n"


def _family(line: bytes) -> bytes:
    name = line.partition(b" ")[0].partition(b"{")[0]
    for suffix in (b"_bucket", b"_count", b"_sum"):
        name = name.removesuffix(suffix)
    return name


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m bench.served", description=__doc__)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between the scrapes that are expected")
    parser.add_argument("--journal", type=Path, required=True)
    given = parser.parse_args(argv)
    if given.series < SMALLEST:
        parser.error(f"--series is at least {SMALLEST}")
    asyncio.run(_serve(given))
    return 0


async def _serve(given: argparse.Namespace) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fleet = [ServedTarget(number, given.series, given.interval / 2) for number in range(given.targets)]
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    runners = [await _listen(target) for target in fleet]
    print(json.dumps([runner.addresses[0][1] for runner in runners]), flush=True)
    await ended.wait()
    for runner in runners:
        await runner.cleanup()
    told = [{"served": one.served, "steps": one.steps, "indices": one.watched} for one in fleet]
    given.journal.write_text(json.dumps(told))


async def _listen(target: ServedTarget) -> web.ServerRunner:
    async def page(request: web.BaseRequest) -> web.Response:
        agent = "prometheus" if "Prometheus" in request.headers.get("User-Agent", "") else "burnline"
        headers = {"Content-Type": CONTENT_TYPE, "Content-Encoding": "gzip"}
        return web.Response(body=target.answer(agent), headers=headers)

    runner = web.ServerRunner(web.Server(page, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=1).start()
    return runner


if __name__ == "__main__":
    sys.exit(main())
