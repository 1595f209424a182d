"""One server's targets in the ledger: asks for what is new, counts it, and commits it with how far it has read.

A piece is committed whole: rows and checkpoints of its targets, their health, and in the shard's row up to when the
server was read. While it catches up nothing is told of targets and watermark, so that nobody is paged about the past.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from collector.committing import begin, commit, give_back, settle
from collector.metrics import PrometheusMetrics
from collector.promql import wanted
from collector.promql.api import TOO_MUCH, PrometheusApi
from collector.promql.claims import MARK, Claims
from collector.promql.members import LATE, Members
from collector.promql.pages import Address, PageMaker, Span
from collector.promql.past import PastCount
from collector.promql.queries import Queries
from collector.promql.reading import Answer, SpanReader
from collector.settings import CollectorSettings, PrometheusServer
from collector.target import Counting
from core.clock import Clock
from core.errors import ScrapeError, StorageError
from storage import fleet, plan
from storage.database import Database
from storage.ledger.dictionary import Dictionary
from storage.plan import MeasurePlan

log = logging.getLogger(__name__)

_NEVER = (TOO_MUCH, "bad_query", "parse")
"""Reasons why a server will not tell of the past at a later time either."""


def shard_of(settings: CollectorSettings, server: PrometheusServer) -> str:
    """The name under which a server's targets and its watermark are kept."""
    return f"{settings.servers_name}{MARK}{server.name}"


class PrometheusSource:
    """Reads one server, round by round."""

    def __init__(
        self,
        database: Database,
        settings: CollectorSettings,
        server: PrometheusServer,
        api: PrometheusApi,
        claims: Claims,
        clock: Clock,
        metrics: PrometheusMetrics,
    ) -> None:
        self._db, self._settings, self._server = database, settings, server
        self._claims, self._clock, self._metrics = claims, clock, metrics
        self._shard = shard_of(settings, server)
        self._dictionary = Dictionary(settings.group_cap)
        self._live = SpanReader(api, server.match, server.max_points)
        self._older = SpanReader(api, server.match, server.max_points)
        self._pages = PageMaker()
        self._queries = Queries(database, self._dictionary, api, server, clock, alone=len(settings.prometheus) == 1)
        counting = Counting(settings.dimensions, MeasurePlan())
        price = settings.gpu_price_per_hour * 1e6
        self._members = Members(database, self._shard, f"prometheus:{server.name}", counting, price)
        self._started_at = clock.now()
        self._opened = False
        self._read_through = self._answered_through = self._told_through = 0
        self._refused: dict[Address, str] = {}
        self._failing = ""

    async def round(self) -> None:
        """Read everything that is new, up to `delay` ago; StorageError where the database does not let it begin."""
        if not self._opened:
            await asyncio.to_thread(self._open)
        goal = int(self._clock.now() - self._server.delay)
        try:
            newest = await asyncio.to_thread(plan.current, self._db)
            await self._queries.read(newest.queries, goal)  # first: the watermark that follows passes their minutes
            await self._adopt(newest)
            while self._read_through < goal:
                selectors = wanted.expressions(self._server.match, self._members.counting.plan)
                answer = await self._live.next(selectors, self._read_through, goal)
                await asyncio.to_thread(self._take, answer, goal)
            self._say(
                "" if self._members.alive or self._refused else f"no target fits {' or '.join(self._server.match)}"
            )
        except ScrapeError as error:
            self._say(f"{error.reason}: {error}")
            await asyncio.to_thread(self._unanswered, error, goal)
        self._metrics.lag.labels(self._server.name).set(self._clock.now() - self._answered_through)

    def _open(self) -> None:
        """Go on where an earlier process ended, else from `backfill` ago."""
        now = self._clock.now()
        self._members.counting = Counting(self._settings.dimensions, plan.current(self._db))
        self._members.restore(now)
        with self._db.read() as connection:
            told = fleet.shard_state(connection, self._shard)
        first = int(now - self._server.delay - self._server.backfill)
        self._told_through = 0 if told is None else int(told[0])
        self._read_through = first if told is None else int(told[1].get("answered_through", first))
        self._answered_through = self._read_through
        self._opened = True

    # Counting.

    def _take(self, answer: Answer, goal: int) -> None:
        now = self._clock.now()
        spans = self._pages.read(answer.streams, self._members.labels())
        self._refuse(spans, answer.present)
        counted = [span for span in spans if span.address not in self._refused]
        samples = self._members.feed(counted, now)
        self._members.settle(answer.end, set(answer.present), now)
        self._metrics.samples.labels(self._server.name).inc(samples)
        self._metrics.strays.labels(self._server.name).inc(sum(span.strays for span in counted))
        self._read_through = self._answered_through = answer.end
        self._flush(answer.end, caught_up=answer.end >= goal)

    def _unanswered(self, error: ScrapeError, goal: int) -> None:
        """The time goes on without the server: it was expected, and is not covered until the server tells of it."""
        self._members.unanswered(goal, error, self._clock.now())
        self._flush(goal, caught_up=self._told_through > 0)

    def _refuse(self, spans: Iterable[Span], present: Iterable[Address]) -> None:
        seen = {span.address for span in spans} | set(self._members.alive)
        refused = self._claims.refused(self._shard, seen, present, fleet.targets(self._db))
        for address, why in refused.items():
            if address not in self._refused:
                log.warning("prometheus %s: not counted: %s", self._server.name, why)
            if address in self._members.alive:
                self._members.leave(self._members.alive[address])
        self._refused = refused
        self._metrics.refused.labels(self._server.name).set(len(refused))

    def _flush(self, through: int, *, caught_up: bool) -> None:
        """Commit what was counted. `caught_up`: there is no older time to read, so targets and watermark are told."""
        now = self._clock.now()
        everyone = self._members.everyone()
        pending = begin({member.health.url: member.counter for member in everyone})
        health = [replace(member.health) for member in everyone] if caught_up else []
        settled = max(self._told_through, int(self._members.settled_through(through))) if caught_up else 0

        def also(connection: Connection) -> None:
            fleet.put_targets(connection, health)
            if settled or self._told_through:
                watermark = settled or self._told_through
                fleet.put_shard(connection, self._shard, watermark, self._started_at, now, self._detail())

        try:
            settlement = commit(self._db, self._dictionary, pending, now, also)
        except StorageError as error:
            give_back(pending)
            self._metrics.flush_failures.labels(self._server.name, type(error).__name__).inc()
            log.error("prometheus %s: counts were not committed and go with the next: %s", self._server.name, error)
            return
        self._told_through = settled or self._told_through
        self._conflicts(settle(pending, settlement))
        gone = {one.url for one in health}
        self._claims.release(self._shard, [m.address for m in self._members.leaving if m.health.url in gone])
        self._members.departed(gone)
        self._metrics.targets.labels(self._server.name).set(len(self._members.alive))

    def _conflicts(self, lost: Iterable[str]) -> None:
        """Another process reads this server: go on from what it has counted, and read again what it had not."""
        for url in lost:
            self._metrics.conflicts.labels(self._server.name).inc()
            log.warning("%s: another collector has counted this target; going on from its checkpoint", url)
            last = next(one.last_page for one in self._members.everyone() if one.health.url == url)
            self._read_through = min(self._read_through, int(last) or self._read_through)

    def _detail(self) -> dict[str, object]:
        server = self._server
        return {
            "targets": len(self._members.alive),
            "capped": sorted(self._dictionary.capped),
            "plan": self._members.counting.plan.revision,
            "answered_through": self._answered_through,
            "lag": server.interval + server.delay + LATE * self._members.longest_interval(),
            "refused": sorted(self._refused.values()),
        }

    # The plan.

    async def _adopt(self, new: MeasurePlan) -> None:
        """Count what the plan adds: its past from what the server has, then every page from now on."""
        old = self._members.counting.plan
        if new.revision == old.revision:
            return
        added = [item for item in new.selectors if item not in old.selectors]
        if added and (self._told_through or self._members.everyone()):
            try:
                await self._count_past(PastCount(self._db, self._members, added, new.revision))
            except ScrapeError as error:
                if error.reason not in _NEVER:
                    raise
                log.warning("prometheus %s: new selectors count from now on: %s", self._server.name, error)
        self._members.counting = Counting(self._settings.dimensions, new)

    async def _count_past(self, past: PastCount) -> None:
        selectors = wanted.expressions(self._server.match, MeasurePlan(selectors=tuple(past.added)), signals=False)
        since, pages = int(self._read_through - self._server.backfill), PageMaker()
        while since < self._read_through:
            answer = await self._older.next(selectors, since, self._read_through)
            spans = pages.read(answer.streams, self._members.labels())
            now = self._clock.now()
            await asyncio.to_thread(past.feed, [s for s in spans if s.address not in self._refused], now)
            since = answer.end
        await asyncio.to_thread(past.commit, self._dictionary, self._clock.now())
        log.info("prometheus %s: counted the past of %d selectors", self._server.name, len(past.added))

    def _say(self, failing: str) -> None:
        """Say once what is wrong, and once that it is well again."""
        if failing and failing != self._failing:
            log.warning("prometheus %s: not read: %s", self._server.name, failing)
        if self._failing and not failing:
            log.info("prometheus %s: read again", self._server.name)
        self._failing = failing
