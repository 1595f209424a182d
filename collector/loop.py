"""One target's life: scrape at its phase, count, remember how it went."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import aiohttp
import numpy as np

from collector.conditions import Conditions, Seen
from collector.counting import Outcome
from collector.discovery import Target
from collector.exposition import PageReader, Reading, Series
from collector.health import succeeded
from collector.metrics import CollectorMetrics
from collector.peers import Peers
from collector.scrape import Body, fetch
from collector.settings import ScrapeJob
from collector.synthetic import Scrape, labels_of
from collector.target import Counting, TargetReader
from core.clock import Clock
from core.errors import PageRejected, ScrapeError
from core.labels import Labels, make, with_target
from storage.fleet import TargetHealth
from storage.series import SeriesWriter
from storage.series.arrays import Refs

log = logging.getLogger(__name__)


class Tools(NamedTuple):
    """What all loops of a shard share."""

    session: aiohttp.ClientSession
    series: SeriesWriter
    clock: Clock
    metrics: CollectorMetrics
    peers: Peers
    go: asyncio.Event
    """Cleared while a new plan is adopted: pages that arrive meanwhile are counted right after, under the new plan."""


def _no_refs() -> Refs:
    return np.zeros(0, np.uint32)


@dataclass
class TargetLoop:
    """Scrapes one target until it is cancelled."""

    target: Target
    job: ScrapeJob
    reader: TargetReader
    health: TargetHealth
    tools: Tools
    tls: ssl.SSLContext | bool
    attempted_through: float
    refused: ScrapeError | None = None
    """Why the target is not even asked, although it is in discovery."""
    _conditions: Conditions = field(default_factory=Conditions)
    _pages: PageReader = field(default_factory=PageReader)
    _page_series: Sequence[Series] = field(default_factory=list)
    _page_refs: Refs = field(default_factory=_no_refs)
    _own_refs: tuple[int, ...] = ()
    _own_labels: tuple[Labels, ...] = ()

    def change(self, target: Target, counting: Counting) -> None:
        """The same URL has other labels, another interval or timeout: its raw series end, its counts go on."""
        self.job = timed(self.job, target)
        self.reader.counter.interval = self.health.interval = target.interval
        if self.target.labels != target.labels:
            self._end_all(self.tools.clock.now())
            self.health.labels = dict(target.labels)
            self.reader.recount(target.labels, counting)
        self.target = target

    async def run(self) -> None:
        """Scrape for ever, at the target's own phase within the interval."""
        while True:
            await self._until_due()
            await self.scrape()

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        interval = self.job.interval
        due = loop.time() + interval - (loop.time() - self._phase()) % interval
        await asyncio.sleep(due - loop.time())
        self.tools.metrics.lateness.observe(max(0.0, loop.time() - due))

    def _phase(self) -> float:
        """Targets are spread over the interval by a hash of their URL, so that they are not all scraped at once."""
        digest = hashlib.sha256(self.target.url.encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 * self.job.interval

    async def scrape(self) -> None:
        """One attempt: whatever the target does costs only itself."""
        time = self.tools.clock.now()
        began = self.tools.clock.monotonic()
        try:
            self._may_scrape()
            body = await fetch(self.tools.session, self.target.url, self.job, self.tls)
            await self.tools.go.wait()
            self._succeeded(body, time, self.tools.clock.monotonic() - began)
        except ScrapeError as error:
            self._failed(error, time, self.tools.clock.monotonic() - began)
        self.attempted_through = time

    def _may_scrape(self) -> None:
        if self.refused is not None:
            raise self.refused

    def _succeeded(self, body: Body, time: float, seconds: float) -> None:
        try:
            reading = self._pages.read(body.content, body.content_type)
        except PageRejected as error:
            raise ScrapeError("parse", str(error)) from None
        scraped = len(reading.series) + reading.duplicates
        reading = self.reader.names.page(reading)
        kept = len(reading.series) + reading.duplicates
        if kept > self.job.sample_limit:
            raise ScrapeError("sample_limit", f"{kept} samples are over the limit of {self.job.sample_limit}")
        outcome = self.reader.page(reading, time, self.tools.clock.now())
        added = self._store_raw(reading, time)
        self._store_own(Scrape(True, seconds, scraped, kept, added), time)
        self._healthy(reading, outcome, time, seconds)

    def _failed(self, error: ScrapeError, time: float, seconds: float) -> None:
        self.reader.counter.miss(time, self.tools.clock.now())
        self._all_stale(time)
        self._store_own(Scrape(False, seconds, 0, 0, 0), time)
        if self.health.error_reason != error.reason:
            log.warning("%s: scrape failed: %s: %s", self.target.url, error.reason, error)
        self.tools.metrics.scrapes.labels(self.job.name, error.reason).inc()
        health = self.health
        health.up, health.last_scrape_at, health.scrape_seconds = False, time, seconds
        health.error_reason, health.error = error.reason, str(error)

    def _healthy(self, reading: Reading, outcome: Outcome, time: float, seconds: float) -> None:
        if self.health.up is False:
            log.info("%s: scraped again", self.target.url)
        self.tools.metrics.scrapes.labels(self.job.name, "ok").inc()
        self.tools.metrics.samples.labels(self.job.name).inc(len(reading.series))
        self.tools.metrics.scrape_seconds.labels(self.job.name).observe(seconds)
        self.health.scrape_seconds, self.health.samples = seconds, len(reading.series)
        succeeded(self.health, self.reader, outcome, time, self._odd(reading, outcome, time))

    def _odd(self, reading: Reading, outcome: Outcome, time: float) -> list[str]:
        """What is odd about the page."""
        layout = self.reader.layout
        if layout is None:
            return []
        silence = self._silence(outcome, time)
        return self._conditions.look(
            Seen(layout, outcome, reading.types, reading.duplicates, self.reader.unread, silence), time
        )

    def _silence(self, outcome: Outcome, time: float) -> str | None:
        """Compare it with those that serve the same."""
        url, profile, peers = self.target.url, self.reader.profile, self.tools.peers
        if profile is None:
            return None
        peers.note(url, profile.layer, self.reader.groups(), time, outcome.finished)
        return peers.silence(url, time)

    # Raw samples, for the debug pages: given up first when the disk is full.

    def _store_raw(self, reading: Reading, time: float) -> int:
        added = 0
        if reading.series is not self._page_series:
            known = dict(zip(self._page_series, self._page_refs.tolist(), strict=True))
            gone = set(known).difference(reading.series)
            ended = {known.pop(one) for one in gone}
            # Under the target's labels two series may be one, or one of those that are told of the scrape itself.
            self._end(sorted(ended.difference(known.values(), self._own_refs)), time)
            fresh = [one for one in reading.series if one not in known]
            known.update({one: self._ref(one) for one in fresh})
            added = len(fresh)
            self._page_series = reading.series
            self._page_refs = np.array([known[one] for one in reading.series], np.uint32)
        try:
            self.tools.series.add(_ms(time), self._page_refs, reading.numbers)
        except ValueError:  # another target whose series have the same labels has ended them
            self._page_refs = np.array([self._ref(one) for one in reading.series], np.uint32)
            self.tools.series.add(_ms(time), self._page_refs, reading.numbers)
        return added

    def _ref(self, one: Series) -> int:
        return self.tools.series.ref(stored(one.name, one.labels, self.reader.names.fixed))

    def _store_own(self, scrape: Scrape, time: float) -> None:
        self._own_labels = self._own_labels or labels_of(self.reader.labels)
        # Asked for each time: another target with the same labels may have ended them.
        self._own_refs = tuple(map(self.tools.series.ref, self._own_labels))
        self.tools.series.add(_ms(time), self._own_refs, scrape.values())

    def _all_stale(self, time: float) -> None:
        self._end(sorted(set(self._page_refs.tolist()).difference(self._own_refs)), time)
        self._page_series, self._page_refs = [], _no_refs()

    def _end(self, refs: Sequence[int], time: float) -> None:
        """Series that are not there any more: marked stale, and forgotten by the writer."""
        if refs:
            with suppress(ValueError):  # another target with the same labels has ended them
                self.tools.series.add_stale(_ms(time), refs)
            self.tools.series.forget(refs)

    def _end_all(self, time: float) -> None:
        self._end(sorted({*self._page_refs.tolist(), *self._own_refs}), time)
        self._page_series, self._page_refs, self._own_refs, self._own_labels = [], _no_refs(), (), ()

    def left(self) -> None:
        """The target left discovery: its series end here."""
        time = self.tools.clock.now()
        self._end_all(time)
        self.tools.peers.left(self.target.url)
        self.reader.counter.left(time)
        self.health.left_at = time


def timed(job: ScrapeJob, target: Target) -> ScrapeJob:
    """The job as it is for one target: labels may set its interval and timeout."""
    if (job.interval, job.timeout) == (target.interval, target.timeout):
        return job
    return job.model_copy(update={"interval": target.interval, "timeout": target.timeout})


def stored(name: str, own: Labels, target: Labels) -> Labels:
    """A series' labels as they are kept: its own, its target's (which win) and its name."""
    named = ("__name__", name)
    if {label for label, _ in own}.isdisjoint(label for label, _ in target):
        return make((*own, *target, _one_name(named)))
    return make({**with_target(own, dict(target)), "__name__": name})


@lru_cache(1 << 16)
def _one_name(named: tuple[str, str]) -> tuple[str, str]:
    """Pairs are shared among series, not made for each."""
    return named


def _ms(time: float) -> int:
    return round(time * 1000)
