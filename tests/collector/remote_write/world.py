"""Recent series in a folder, a receiver that answers as it is told, and the remotes between them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry

from collector.metrics import RemoteWriteMetrics
from collector.remote_write import RemoteWriters
from collector.settings import CollectorSettings, RemoteWrite
from core.clock import ManualClock
from core.labels import make
from storage.series import SeriesLimits, SeriesWriter
from tests.collector.remote_write.wire import Sample, decode

WINDOW = 1_700_006_400
TAKEN = 204


class Got(NamedTuple):
    """One request, and what was answered."""

    body: bytes
    headers: dict[str, str]
    at: float
    status: int


@dataclass
class Stub:
    """A receiver on loopback. `answers` are given in order, then 204; a status of 0 breaks the connection off."""

    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    requests: list[Got] = field(default_factory=list)
    delay: float = 0.0
    always: int = TAKEN
    url: str = ""
    open: int = 0
    most_open: int = 0

    def will_answer(self, *statuses: int, **headers: str) -> None:
        self.answers.extend((status, headers) for status in statuses)

    @property
    def taken(self) -> list[Sample]:
        return [sample for one in self.requests if one.status == TAKEN for sample in decode(one.body)]

    @property
    def values(self) -> list[float]:
        """The values that were taken, where they are whole numbers, in order."""
        return [float(int(sample.labels[-1][1])) for sample in self.taken]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self.delay)
        self.open -= 1
        status, headers = self.answers.popleft() if self.answers else (self.always, {})
        self.requests.append(Got(body, dict(request.headers), time.monotonic(), status))
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 500, headers=headers, text="" if status == TAKEN else "no, thank you")


@asynccontextmanager
async def receiver() -> AsyncIterator[Stub]:
    """A stub that listens."""
    stub = Stub()
    runner = web.ServerRunner(web.Server(stub.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/write"
    try:
        yield stub
    finally:
        await runner.cleanup()


class World:
    """A collector's folder. Each scrape has the next number as the value of every series and in its label."""

    def __init__(self, folder: Path, series: int = 1) -> None:
        self.directory = folder / "series"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.clock = ManualClock(WINDOW)
        self.registry = CollectorRegistry()
        self.metrics = RemoteWriteMetrics(self.registry)
        self.writer = SeriesWriter(self.directory, "0", self.clock, SeriesLimits())
        self.series = [make({"__name__": "m", "n": str(number)}) for number in range(series)]
        self.scrapes = 0

    def block(self, scrapes: int = 1) -> None:
        """One flush of so many scrapes, a second apart."""
        for _ in range(scrapes):
            refs = [self.writer.ref(one) for one in self.series]
            self.writer.add(int(self.clock.now() * 1000), refs, [float(self.scrapes)] * len(refs))
            self.scrapes += 1
            self.clock.set(self.clock.now() + 1)
        self.writer.flush()

    def writers(self, *remotes: dict[str, Any]) -> RemoteWriters:
        settings = CollectorSettings(remote_write=tuple(RemoteWrite(**{"name": "out", **one}) for one in remotes))
        return RemoteWriters(self.directory, settings, self.clock, self.metrics)

    def total(self, name: str, **labels: str) -> float:
        """A metric's value; 0 where it is not there yet."""
        return self.registry.get_sample_value(f"burnline_remote_write_{name}", {"remote": "out", **labels}) or 0.0


@asynccontextmanager
async def running(writers: RemoteWriters) -> AsyncIterator[asyncio.Event]:
    """The remotes at work until the end of the block; set the event to end them in order before."""
    stop = asyncio.Event()
    task = asyncio.create_task(writers.run(stop))
    try:
        yield stop
        stop.set()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def crash(writers: RemoteWriters, when: Callable[[], bool]) -> None:
    """Run until something is true and then end at once, without any last word."""
    task = asyncio.create_task(writers.run(asyncio.Event()))
    await until(when)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(look: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as it is true."""
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110 - what is looked at sets no event
            await asyncio.sleep(0.01)
