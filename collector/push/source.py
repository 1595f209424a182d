"""The pushed targets in the ledger: keeps requests, puts pages together, counts them, and forgets the requests.

A request is durable before it is answered. The pages that it is a part of are counted later, in the transaction that
deletes it; after a crash it is read again, and pages that are not newer than their target's checkpoint are dropped.
Not for two threads at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection

from collector.committing import begin, commit, give_back, settle
from collector.metrics import PushMetrics
from collector.promql.members import LATE, Members
from collector.promql.pages import Address
from collector.push import raw
from collector.push.assembly import COUNTED, Assembly, OpenTarget, Part, Settled, Verdict
from collector.push.claims import refused
from collector.push.pages import SINCE, PageMaker
from collector.push.past import count_added
from collector.push.way import BodyReader, Pushed, Way
from collector.settings import CollectorSettings
from collector.target import Counting
from core.clock import Clock
from core.errors import ParseError, StorageError
from storage import fleet, plan, pushed
from storage.database import Database
from storage.ledger.dictionary import Dictionary
from storage.plan import MeasurePlan
from storage.series import SeriesReader, SeriesWriter

log = logging.getLogger(__name__)

ON_ITS_WAY = 5.0
"""Seconds for which Prometheus gathers samples before it sends them."""
BEHIND = 300.0
"""Nobody waits for a target whose samples are older than this when they come."""
_SILENT = 3600.0
"""Seconds after which nothing is remembered of a target that is not counted."""
_MEMORY = 24 * 3600.0
"""How long a target that left stays on the pages."""
_TOO_LATE = "deltas that are not newer than what is counted add nothing: they were sent twice, or come too late"
_LOOK_AGAIN = 15.0
"""How often is asked which targets are counted elsewhere, in seconds."""


class RawSeries(NamedTuple):
    """Where raw samples go, and where they are read."""

    writer: SeriesWriter
    reader: SeriesReader


class PushSource:
    """Counts what is pushed."""

    def __init__(
        self,
        database: Database,
        settings: CollectorSettings,
        way: Way,
        reader: BodyReader,
        clock: Clock,
        metrics: PushMetrics,
        raw_series: RawSeries,
    ) -> None:
        self._db, self._way, self._reader, self._clock, self._metrics = database, way, reader, clock, metrics
        self._settings, self._raw = settings, raw_series
        self.assembly = Assembly(way.settle, way.at_once)
        self._pages = PageMaker()
        self._dictionary = Dictionary(settings.group_cap)
        counting = Counting(settings.dimensions, MeasurePlan())
        self._members = Members(database, way.shard, way.prefix, counting, settings.gpu_price_per_hour * 1e6)
        self._allowance = way.settle + ON_ITS_WAY
        self._started_at = clock.now()
        self._told_through = 0.0
        self._refused: dict[Address, str] = {}
        self._looked_at = 0.0
        self._ready: list[Settled] = []

    def open(self) -> None:
        """Go on where an earlier process ended: with its targets, and with the requests that it had answered."""
        now = self._clock.now()
        self._members.counting = self._members.counting._replace(plan=plan.current(self._db))
        self._members.restore(now)
        with self._db.read() as connection:
            told = fleet.shard_state(connection, self._way.shard)
        self._told_through = 0.0 if told is None else told[0]
        for address in self._members.alive:
            self._target(address, now)
        for one in pushed.waiting(self._db, self._way.shard):
            try:
                self._add(one.id, self.read(one.body).parts, one.received_at)
            except ParseError as error:  # of a version that read other bodies
                log.warning("a kept request cannot be read, and is forgotten: %s", error)
                self.assembly.give_back([one.id])

    # Requests.

    def read(self, body: bytes) -> Pushed:
        """What a body holds; ParseError where it cannot be read, TooLarge where it is too much."""
        found = self._reader.read(body)
        lost = any(part.series.name == SINCE and not self._is_open(part) for part in found.parts)
        return found._replace(problem=found.problem or _TOO_LATE) if lost else found

    def _is_open(self, part: Part) -> bool:
        last = self._members.last_told(part.series.address) * 1000
        return self.assembly.is_open(part) and part.time > round(last)

    def keep(self, requests: Sequence[Pushed]) -> None:
        """Make requests durable, then take in their samples; StorageError where that fails, and nothing is taken."""
        now = self._clock.now()
        for address in {part.series.address for one in requests for part in one.parts}:
            self._target(address, now)
        fresh = [one for one in requests if any(map(self.assembly.is_open, one.parts))]
        with self._db.write() as connection:
            ids = pushed.put(connection, self._way.shard, [one.body for one in fresh], now)
        for id_, one in zip(ids, fresh, strict=True):
            self._add(id_, one.parts, now)

    def _add(self, request: int, parts: Sequence[Part], now: float) -> None:
        for address in {part.series.address for part in parts}:
            self._target(address, now)
        old = self.assembly.add(request, parts, now)
        self._metrics.samples.inc(len(parts) - old)
        self._metrics.old_samples.inc(old)

    def _target(self, address: Address, now: float) -> OpenTarget:
        """What is known of a target; of one that was counted before, nothing older is a new page."""
        known = self.assembly.targets.get(address)
        if known is None:
            settled = round(self._members.last_told(address) * 1000)
            known = self.assembly.targets[address] = OpenTarget(settled, arrived=now)
        return known

    # Counting.

    def flush(self) -> None:
        """Count the pages that are settled by now, and commit them with everything that belongs to them; StorageError
        where the database cannot even be read: nothing is lost by it."""
        now = self._clock.now()
        self._adopt(plan.current(self._db), now)
        self._ready += self.assembly.ready(now)
        self._refuse(self._ready, now)
        self._count(self._ready, now)
        pages, self._ready = self._ready, []
        self._watch(now)
        self._commit(pages, now)
        self._metrics.raw_samples_dropped.inc(raw.flush(self._raw.writer))
        self._metrics.open_samples.set(self.assembly.samples)
        self._metrics.targets.set(len(self._members.alive))

    def forget(self) -> None:
        """Targets that left long ago are not shown any more."""
        with self._db.write() as connection:
            fleet.forget_targets(connection, self._way.shard, self._clock.now() - _MEMORY)

    def _count(self, pages: Sequence[Settled], now: float) -> None:
        taken = [page for page in pages if page.address not in self._refused]
        self._feed(taken, now)
        for page in taken:
            self._metrics.pages.labels(page.verdict.value).inc()
            raw.store(self._raw.writer, page)
        for address, last in {page.address: page for page in taken}.items():
            if last.verdict is Verdict.ENDED and not self.assembly.targets[address].pages:
                self._leave(address)

    def _feed(self, pages: Iterable[Settled], now: float) -> None:
        counted = [page for page in pages if page.verdict in COUNTED]
        intervals = {page.address: self.assembly.targets[page.address].interval for page in counted}
        self._members.feed(self._pages.spans(counted, intervals), now)

    def _watch(self, now: float) -> None:
        """Targets that say nothing are late, those that are far behind are not waited for, and some have left."""
        through = now - self._allowance
        for address, member in list(self._members.alive.items()):
            patience = LATE * member.counter.interval
            silent = now - self._target(address, now).arrived
            if silent > max(self._way.leaves_after if member.scraped else BEHIND, patience):
                self._leave(address)
            elif silent > patience + self._allowance or through - member.attempted > patience + BEHIND:
                member.miss(through, now, None)
        for address, target in list(self.assembly.targets.items()):
            if address not in self._members.alive and not target.pages and now - target.arrived > _SILENT:
                del self.assembly.targets[address]

    def _leave(self, address: Address) -> None:
        if address in self._members.alive:
            self._members.leave(self._members.alive[address])
        self._pages.forget(address)
        self._reader.forget(address)

    def _refuse(self, pages: Sequence[Settled], now: float) -> None:
        fresh = any(page.address not in self._members.alive and page.address not in self._refused for page in pages)
        if fresh or now - self._looked_at >= _LOOK_AGAIN:
            self._looked_at = now
            found = refused([*self.assembly.targets], fleet.targets(self._db))
            for address in found.keys() - self._refused.keys():
                log.warning("pushed, and not counted: %s", found[address])
                if address in self._members.alive:
                    self._members.alive[address].counter.state = None  # what it counts elsewhere is not counted later
                    self._leave(address)
            self._refused = found
            self._metrics.refused.set(len(found))

    def _commit(self, pages: Sequence[Settled], now: float) -> None:
        everyone = self._members.everyone()
        pending = begin({member.health.url: member.counter for member in everyone})
        health = [replace(member.health) for member in everyone]
        through = max(self._told_through, self._members.settled_through(now))
        done = self.assembly.take_done()

        def also(connection: Connection) -> None:
            fleet.put_targets(connection, health)
            fleet.put_shard(connection, self._way.shard, through, self._started_at, now, self._detail())
            pushed.forget(connection, done)

        try:
            settlement = commit(self._db, self._dictionary, pending, now, also)
        except StorageError as error:
            give_back(pending)
            self.assembly.give_back(done)
            self._metrics.flush_failures.labels(type(error).__name__).inc()
            log.error("pushed samples were not counted and go with the next flush: %s", error)
            return
        self._told_through = through
        self._conflicts(settle(pending, settlement), pages, now)
        self._members.departed({one.url for one in health})

    def _conflicts(self, lost: Sequence[str], pages: Iterable[Settled], now: float) -> None:
        """Another process has counted these targets: go on from there, with what it had not counted."""
        for url in lost:
            self._metrics.conflicts.inc()
            log.warning("%s: another collector has counted this target; going on from its checkpoint", url)
        again = [
            page for page in pages if self._members.key(page.address) in lost and page.address not in self._refused
        ]
        if again:
            self._feed(again, now)

    def _detail(self) -> dict[str, object]:
        return {
            "targets": len(self._members.alive),
            "capped": sorted(self._dictionary.capped),
            "plan": self._members.counting.plan.revision,
            "lag": self._allowance + LATE * self._members.longest_interval(),
            "refused": sorted(self._refused.values()),
        }

    def _adopt(self, new: MeasurePlan, now: float) -> None:
        """Count what the plan adds: its past from the recent series, then every page from now on."""
        old = self._members.counting.plan
        if new.revision == old.revision:
            return
        added = [item for item in new.selectors if item not in old.selectors]
        if added and self._members.alive:
            self._raw.writer.flush()
            count_added(self._db, self._raw.reader, self._members, added, new.revision, self._dictionary, now)
        self._members.counting = self._members.counting._replace(plan=new)
        for member in self._members.alive.values():
            member.reader.recount(member.reader.labels, self._members.counting)
