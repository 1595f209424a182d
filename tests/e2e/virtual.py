"""The demo's engines and the product's collector and engine, all on one manual clock: an hour passes in seconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from burnline.demo.engine import Engine as Simulated
from burnline.demo.load import Arrival, LoadSettings, schedule
from burnline.demo.page import Meters, Page, ProcessFigures
from burnline.demo.replica import COMPLETIONS, Call, draw_job
from burnline.demo.scenarios import Effects
from collector.exposition import PageReader
from collector.replay import Replayer, TimedPage
from collector.target import Counting
from core.clock import ManualClock
from core.labels import make
from slo_engine.catalogue import SloFiles
from slo_engine.compile import selectors_of
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.tick import LEASE, Engine
from storage import leases, migrate
from storage import slo as store
from storage.database import Database, sqlite_url
from storage.plan import MeasurePlan
from storage.slo import AlertEvent

START = 1_790_000_400.0
"""A whole minute."""
EVERY = 15.0


def times(seconds: float, start: float = START) -> Iterator[float]:
    """When everybody is scraped, for so long."""
    return itertools.takewhile(lambda time: time <= start + seconds, itertools.count(start + EVERY, EVERY))


class Replica:
    """A simulated engine with its page, fed from a schedule."""

    def __init__(self, seed: int, rate: float, start: float = START) -> None:
        load = LoadSettings([["", "v1", "", ""]], "", rate, 0.0, 0.0, 1.0, seed)
        self._arrivals = schedule(load)
        self._next: Arrival = next(self._arrivals)
        self._engine = Simulated()
        self._meters = Meters()
        self._page = Page("demo-llm-8b", start)
        self._calls: dict[int, Call] = {}
        self._zero = start

    def body(self, now: float, *, share: float = 1.0) -> bytes:
        """The page at `now` (Unix seconds), after every request that arrived until then; `share` of them are sent."""
        while self._zero + self._next.time <= now:
            self._submit(self._next, share)
            self._next = next(self._arrivals)
        self._count(now - self._zero)
        engine = self._engine
        self._meters.set_state(engine.running, engine.waiting, engine.kv_usage, engine.preemptions)
        self._meters.set_steps(engine.steps, engine.iteration_tokens, engine.iteration_cells)
        figures = ProcessFigures(self._zero - 5, now - self._zero, 1 << 30, 1 << 29, 50, 1024, ((0, 0, 0),) * 3)
        self._meters.set_process(figures)
        return self._page.render(self._meters)

    def hang(self, now: float) -> None:
        """From now on it answers, and makes no step."""
        self._engine.adjust(now - self._zero, frozen=True)

    def _submit(self, arrival: Arrival, share: float) -> None:
        if arrival.choice >= share:
            return
        job_id = len(self._calls)
        call = self._calls[job_id] = Call(arrival.prompt_tokens, arrival.max_tokens, arrival.seed)
        self._count(arrival.time)
        self._engine.submit(arrival.time, draw_job(job_id, call, Random(arrival.seed), Effects()))

    def _count(self, now: float) -> None:
        for finished in self._engine.advance(now):
            self._meters.count_request(finished, self._calls[finished.id].max_tokens)
            self._meters.count_http(COMPLETIONS, "POST", 200, finished.e2e, 0)


class Watched:
    """The collector's own path and the SLO engine over given pages."""

    def __init__(self, folder: Path, start: float = START) -> None:
        settings = EngineSettings(packs=("llm-serving",))
        slos = SloFiles(settings, EngineMetrics()).slos
        self.database = Database(sqlite_url(folder / "watched.db"))
        migrate.upgrade(self.database)
        selectors = tuple({found for slo in slos if not slo.unsupported for found in selectors_of(slo)})
        counting = Counting(("model", "version", "region", "tenant"), MeasurePlan(selectors=selectors))
        self._replayer = Replayer(self.database, counting)
        self._clock = ManualClock(start)
        self._engine = Engine(self.database, settings, "", slos, self._clock, EngineMetrics())
        epoch = leases.acquire(self.database, LEASE, "test", 0.0, float("inf"))
        assert epoch is not None
        self._engine.lead(epoch)
        self._readers: dict[str, PageReader] = {}

    def step(self, now: float, bodies: Mapping[str, bytes | None], labels: Mapping[str, Mapping[str, str]]) -> None:
        """One round of scrapes (None: nobody answers), a flush and a tick."""
        for url, body in bodies.items():
            values = None if body is None else self._readers.setdefault(url, PageReader()).read(body, None)
            own = make({"job": "vllm", "instance": url, **labels.get(url, {})})
            self._replayer.feed(TimedPage(url, "vllm", own, now, values), EVERY, now)
        self._clock.set(now)
        self._replayer.flush(now, now)
        self._engine.tick()

    def pages(self) -> list[AlertEvent]:
        """Every page that fired."""
        return [e for e in store.events(self.database) if e.severity == "page" and e.transition == "firing"]
