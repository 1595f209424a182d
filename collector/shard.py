"""A collector shard: keeps one loop for each discovered target and commits what they counted.

Every flush writes, in one transaction: the rows and checkpoints of all targets that changed, their health, and the
shard's `flushed_through`: so the watermark never runs ahead of what is committed. When a commit fails nothing is lost:
its content goes with the next one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from collector.backfill import Past, count_past
from collector.committing import Pending, Settlement, begin, commit, give_back, settle
from collector.counting import SourceCounter
from collector.credentials import tls_context
from collector.discovery import Discovery, Known, Target
from collector.loop import TargetLoop, Tools, timed
from collector.metrics import CollectorMetrics
from collector.page_labels import limits_of
from collector.peers import Peers
from collector.pods import all_pods
from collector.relabel import compile_rules
from collector.remote_write import RemoteWriters
from collector.scrape import new_session
from collector.settings import CollectorSettings, ScrapeJob
from collector.target import Counting, TargetReader
from core.buckets import TIERS
from core.clock import Clock
from core.errors import ScrapeError, StorageError
from storage import fleet, plan
from storage.database import Database
from storage.fleet import TargetHealth
from storage.ledger import rows
from storage.ledger.dictionary import Dictionary
from storage.plan import MeasurePlan, SelectorMeasure
from storage.series import SeriesLimits, SeriesReader, SeriesWriter, compact, retain

log = logging.getLogger(__name__)

_HOUSEKEEPING = 300.0
_PLAN_POLL = 5.0
_LEFT_MEMORY = 24 * 3600.0
"""How long a target that left discovery stays on the pages."""


class _Batch(NamedTuple):
    """What one flush takes. `health`: by URL, as it was when the counts were taken. `unknown`: jobs whose sources have
    not all answered yet, None once the targets of an earlier process have been compared."""

    health: dict[str, TargetHealth]
    pending: list[Pending]
    flushed_through: float
    started: float
    unknown: frozenset[str] | None

    def told(self, health: TargetHealth) -> bool:
        """Whether it held this very departure of a target."""
        return health.url in self.health and self.health[health.url].left_at == health.left_at


class CollectorShard:
    """Runs until cancelled or stopped; `stop` flushes what was accepted."""

    def __init__(
        self, database: Database, directory: Path, settings: CollectorSettings, clock: Clock, metrics: CollectorMetrics
    ) -> None:
        self._db = database
        self._directory = directory / "series"
        self._settings = settings
        self._name = settings.shard_name
        self._clock = clock
        self._metrics = metrics
        self._dictionary = Dictionary(settings.group_cap)
        self._loops: dict[str, TargetLoop] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: list[TargetLoop] = []
        self._discoveries: dict[str, Discovery] = {}
        self._tls: dict[str, ssl.SSLContext] = {}
        self._started_at = clock.now()
        self._known = {one.url: one for one in fleet.targets(database, with_left=True)}
        self._counting = Counting(settings.dimensions, self._read_plan(), pods=all_pods(self._known.values()))
        self._series = SeriesWriter(self._directory, settings.shard_name, clock, SeriesLimits())
        self._remotes = RemoteWriters(self._directory, settings, clock, metrics.remote_write)
        self._watched: dict[str, float] = {}
        if settings.member is not None:
            with database.write() as connection:
                fleet.announce(connection, settings.member, self._started_at)
        with database.read() as connection:
            self._watermark = fleet.watermark(connection) or 0.0
        self._flush_lock = asyncio.Lock()
        # Jobs whose targets are not known yet; None once the targets of an earlier process have been compared.
        self._undiscovered: frozenset[str] | None = frozenset(job.name for job in settings.scrape)

    async def run(self, stop: asyncio.Event) -> None:
        """Scrape and flush until `stop` is set."""
        async with new_session() as session:
            self._tools = Tools(session, self._series, self._clock, self._metrics, Peers(), asyncio.Event())
            self._tools.go.set()
            work = [asyncio.create_task(self._watch(job)) for job in self._settings.scrape]
            work += [asyncio.create_task(self._flush_for_ever()), asyncio.create_task(self._keep_house())]
            written = asyncio.Event()
            sending = asyncio.create_task(self._remotes.run(written))
            stopped = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait([*work, sending, stopped], return_when=asyncio.FIRST_COMPLETED)
            async with self._flush_lock:  # a commit is never left alone: if it fails, the last flush takes its content
                for task in [*work, *self._tasks.values(), stopped]:
                    task.cancel()
                await asyncio.gather(*work, *self._tasks.values(), return_exceptions=True)
            await self.flush()
            self._series.close()
            written.set()
            await sending
            for task in done - {stopped}:
                task.result()

    # Discovery.

    async def _watch(self, job: ScrapeJob) -> None:
        self._watched[job.name] = await asyncio.to_thread(self._watched_since, job.name)
        discovery = self._discoveries[job.name] = Discovery(job, self._metrics)
        await discovery.watch(lambda known: self._apply(job, known))

    def _watched_since(self, job: str) -> float:
        known = fleet.job_watched_since(self._db, job)
        return self._clock.now() if known is None else known

    def _apply(self, job: ScrapeJob, known: Known) -> None:
        targets = {url: target for url, target in known.targets.items() if self._owns(job, url)}
        own = {url for url, loop in self._loops.items() if loop.job.name == job.name}
        for url in own - set(targets):
            self._leave(url)
        for url, target in targets.items():
            if url not in self._loops:
                self._join(job, target)
            elif self._loops[url].job.name == job.name:
                self._change(self._loops[url], target)
        self._limit(job, len(known.targets))
        self._metrics.targets.labels(job.name).set(len(targets))
        if self._undiscovered and known.complete:
            self._undiscovered -= {job.name}

    def _owns(self, job: ScrapeJob, url: str) -> bool:
        """Burnline's own parts are watched by the collector beside them."""
        member = self._settings.member
        return member is None or job.name == fleet.OWN_JOB or member.owns(url)

    def _limit(self, job: ScrapeJob, targets: int) -> None:
        """Over target_limit none of a job's targets is scraped, as in Prometheus: all of them are down."""
        over = None
        if job.target_limit and targets > job.target_limit:
            over = ScrapeError("target_limit", f"{targets} targets are over the limit of {job.target_limit}")
        for loop in self._loops.values():
            if loop.job.name == job.name:
                loop.refused = over

    def _join(self, job: ScrapeJob, target: Target) -> None:
        back = next((loop for loop in self._leaving if loop.target.url == target.url), None)
        if back is not None:
            self._leaving.remove(back)
            self._start(self._revive(back, job, target))
        else:
            self._start(self._open(job, target))

    def _start(self, loop: TargetLoop) -> None:
        self._loops[loop.target.url] = loop
        task = asyncio.create_task(loop.run())
        task.add_done_callback(lambda ended: _told(loop, ended))
        self._tasks[loop.target.url] = task

    def _revive(self, loop: TargetLoop, job: ScrapeJob, target: Target) -> TargetLoop:
        loop.job, loop.health.job, loop.health.left_at = job, job.name, None
        loop.attempted_through = self._clock.now()
        loop.reader.counter.discovered(loop.attempted_through)
        loop.change(target, self._counting)
        return loop

    def _open(self, job: ScrapeJob, target: Target) -> TargetLoop:
        now = self._clock.now()
        checkpoint = rows.open_source(self._db, "target", target.url, now)
        price = self._settings.gpu_price_per_hour * 1e6
        counter = SourceCounter(checkpoint, target.interval, self._watched[job.name], price)
        rules = compile_rules(job.metric_relabel)
        reader = TargetReader(counter, target.labels, self._counting, rules, limits_of(job))
        counter.discovered(now)
        health = self._health_of(job, target)
        health.groups = [dict(group) for group in reader.groups()]
        tls = self._tls_of(job) if target.url.startswith("https") else True
        return TargetLoop(target, timed(job, target), reader, health, self._tools, tls, self._attempted(counter, now))

    def _tls_of(self, job: ScrapeJob) -> ssl.SSLContext:
        if job.name not in self._tls:
            self._tls[job.name] = tls_context(job.tls)
        return self._tls[job.name]

    def _health_of(self, job: ScrapeJob, target: Target) -> TargetHealth:
        """How the target did when it was last known: what an earlier process saw holds until it is asked again."""
        own = TargetHealth(
            target.url, self._name, job.name, dict(target.labels), target.interval, self._watched[job.name]
        )
        known = self._known.pop(target.url, None)
        if known is None:
            return own
        kept = {name: getattr(own, name) for name in ("shard", "job", "labels", "interval", "watched_since", "left_at")}
        return replace(known, **kept)

    def _attempted(self, counter: SourceCounter, now: float) -> float:
        """Up to when the target was asked: with a checkpoint not now, since what it did meanwhile is not counted yet.

        The checkpoint of a target that was away for long must not draw the watermark back.
        """
        since = now if counter.expected_until is None else min(counter.expected_until, now)
        return max(since, min(self._watermark, now))

    def _change(self, loop: TargetLoop, target: Target) -> None:
        if loop.target != target:
            loop.change(target, self._counting)

    def _leave(self, url: str) -> None:
        loop = self._loops.pop(url)
        self._tasks.pop(url).cancel()
        loop.left()
        self._leaving.append(loop)

    # Committing.

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flush_interval)
            await self.flush()

    async def flush(self) -> None:
        """Commit what was counted since the last flush."""
        async with self._flush_lock:
            batch = self._begin()
            try:
                settlement = await asyncio.to_thread(self._commit, batch)
            except StorageError as error:
                self._give_back(batch, error)
            else:
                self._settle(batch, settlement)
            await asyncio.to_thread(self._flush_series)
            self._remotes.wake()

    def _begin(self) -> _Batch:
        loops = [*self._leaving, *self._loops.values()]
        now = self._clock.now()
        through = min((loop.attempted_through for loop in self._loops.values()), default=now)
        pending = begin({loop.target.url: loop.reader.counter for loop in loops})
        # The health of now: a target that leaves while this is committed has counts that only the next flush takes.
        health = {loop.target.url: replace(loop.health) for loop in loops}
        return _Batch(health, pending, through, now, self._undiscovered)

    def _commit(self, batch: _Batch) -> Settlement:
        began = self._clock.monotonic()

        def also(connection: Connection) -> None:
            fleet.put_targets(connection, batch.health.values())
            if batch.unknown is not None:
                fleet.leave_missing(connection, self._name, batch.health, batch.unknown, batch.started)
            fleet.put_shard(
                connection, self._name, batch.flushed_through, self._started_at, batch.started, self._detail()
            )

        settlement = commit(self._db, self._dictionary, batch.pending, batch.started, also)
        self._metrics.flush_seconds.observe(self._clock.monotonic() - began)
        self._metrics.flushed_through.set(batch.flushed_through)
        self._watermark = batch.flushed_through
        return settlement

    def _settle(self, batch: _Batch, settlement: Settlement) -> None:
        for url in settle(batch.pending, settlement):
            self._metrics.checkpoint_conflicts.inc()
            log.warning("%s: another collector has counted this target; going on from its checkpoint", url)
        self._leaving = [loop for loop in self._leaving if not batch.told(loop.health)]
        if batch.unknown == frozenset():
            self._undiscovered = None

    def _give_back(self, batch: _Batch, error: StorageError) -> None:
        give_back(batch.pending)
        self._metrics.flush_failures.labels(type(error).__name__).inc()
        log.error("counts were not committed and go with the next flush: %s", error)

    def _detail(self) -> dict[str, object]:
        errors = {name: told for name, one in self._discoveries.items() if (told := one.errors())}
        return {
            "targets": len(self._loops),
            "capped": sorted(self._dictionary.capped),
            "plan": self._counting.plan.revision,
            "discovery": errors,
            "remote_write": self._remotes.detail(),
        }

    def _flush_series(self) -> None:
        dropped = self._series.stats.samples_dropped
        try:
            self._series.flush()
        except StorageError as error:
            self._metrics.raw_samples_dropped.inc(self._series.stats.samples_dropped - dropped)
            log.warning("raw samples were given up: %s", error)

    # The plan and old files.

    def _read_plan(self) -> MeasurePlan:
        return plan.current(self._db)

    async def _keep_house(self) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(_PLAN_POLL)
            waited += _PLAN_POLL
            try:
                await self._adopt(await asyncio.to_thread(self._read_plan))
                await self._join_pods()
                if waited >= _HOUSEKEEPING:
                    waited = 0.0
                    await asyncio.to_thread(self._clean)
            except StorageError as error:
                log.warning("the plan is read, and old rows and files are cleaned, later: %s", error)

    async def _join_pods(self) -> None:
        """Count devices in the groups that the pods which hold them have now, whichever shard scrapes those."""
        joining = [
            loop for loop in self._loops.values() if loop.reader.profile is not None and loop.reader.profile.join
        ]
        if not joining:
            return
        targets = await asyncio.to_thread(fleet.targets, self._db)
        self._counting = self._counting._replace(pods=all_pods(targets))
        for loop in joining:
            loop.reader.recount(loop.target.labels, self._counting)

    async def _adopt(self, new: MeasurePlan) -> None:
        """Count what the plan adds: its past from the recent series, then every page from now on."""
        old = self._counting.plan
        if new.revision == old.revision:
            return
        added = [item for item in new.selectors if item not in old.selectors]
        loops = list(self._loops.values())
        self._tools.go.clear()
        try:
            pasts = await asyncio.to_thread(self._count_past, loops, added, new.revision) if added else []
        finally:
            self._tools.go.set()
        self._counting = self._counting._replace(plan=new)
        for loop in self._loops.values():
            loop.reader.recount(loop.target.labels, self._counting)
        for loop, past in pasts:
            loop.reader.counter.go_on_from(past.values)

    def _count_past(
        self, loops: list[TargetLoop], added: list[SelectorMeasure], revision: int
    ) -> list[tuple[TargetLoop, Past]]:
        self._series.flush()
        reader = SeriesReader(self._directory)
        now = self._clock.now()
        # Series of targets that rules gave one instance cannot be told apart: they have no past.
        sharing = Counter(map(_instance, loops))
        found = [
            (loop, past)
            for loop in loops
            if sharing[_instance(loop)] == 1
            and (past := count_past(self._db, reader, loop.reader, loop.target.url, added, revision, now)) is not None
        ]
        dictionary = Dictionary(self._settings.group_cap)
        pending = begin({past.key: past.counter for _, past in found})
        settle(pending, commit(self._db, dictionary, pending, now, lambda _: None))
        log.info("plan %d: counted the past of %d selectors at %d targets", revision, len(added), len(found))
        return found

    def _clean(self) -> None:
        now = self._clock.now()
        for tier in TIERS:
            rows.prune(self._db, tier.width, now - tier.retention - 3600)
        with self._db.write() as connection:
            fleet.forget_targets(connection, self._name, now - _LEFT_MEMORY)
        retain(self._directory, now, self._settings.series.retention, self._settings.series.max_bytes)
        compact(self._directory, self._name, now)


def _instance(loop: TargetLoop) -> tuple[str, str]:
    """By what the recent series tell targets apart."""
    labels = dict(loop.target.labels)
    return labels.get("job", ""), labels.get("instance", "")


def _told(loop: TargetLoop, ended: asyncio.Task[None]) -> None:
    """A loop ends by being cancelled; one that a fault of ours has ended says so, since nobody else would."""
    error = None if ended.cancelled() else ended.exception()
    if error is not None:
        log.error("%s: not scraped any more, by a fault of ours", loop.target.url, exc_info=error)
        loop.health.up, loop.health.error_reason = False, "internal"
        loop.health.error = f"not scraped any more: {type(error).__name__}: {error}"
