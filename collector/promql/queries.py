"""The plan's PromQL queries at one server: asked for each minute, counted, and committed with how far they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from collector.promql import minutes
from collector.promql.api import TOO_MUCH, PrometheusApi
from collector.promql.minutes import MINUTE, Counted, Course, Progress
from collector.settings import PrometheusServer
from core.clock import Clock
from core.errors import ScrapeError
from storage.database import Database
from storage.ledger import rows
from storage.ledger.dictionary import Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, SourceFlush
from storage.plan import QueryMeasure

log = logging.getLogger(__name__)

LONGEST = 11_000
"""Points of a series in an answer that Prometheus allows."""
_HANGS = ("connect", "timeout")
"""Reasons to ask no other query in this round, for which the watermark waits; who hung is asked last in the next."""


class Queries:
    """All ratios of queries that one server is asked for. `alone`: no other server is configured."""

    def __init__(
        self,
        database: Database,
        dictionary: Dictionary,
        api: PrometheusApi,
        server: PrometheusServer,
        clock: Clock,
        *,
        alone: bool,
    ) -> None:
        self._db, self._dictionary, self._api, self._server, self._clock = database, dictionary, api, server, clock
        self._names = {server.name, ""} if alone else {server.name}
        self._readers: dict[QueryMeasure, RatioReader] = {}
        self._failing: dict[QueryMeasure, str] = {}
        self._hung_at: dict[QueryMeasure, float] = {}

    async def read(self, wanted: Iterable[QueryMeasure], goal: int) -> None:
        """Count every minute that ends by `goal` (Unix seconds). What is not answered is expected, and said once.

        StorageError where the database does not take it.
        """
        known = self._readers
        self._readers = {one: known.get(one) or self._reader(one) for one in wanted if one.server in self._names}
        self._failing = {one: said for one, said in self._failing.items() if one in self._readers}
        unreachable: ScrapeError | None = None
        for ratio in sorted(self._readers, key=lambda one: self._hung_at.get(one, 0.0)):
            error = await self._readers[ratio].catch_up(goal // MINUTE * MINUTE, unreachable)
            self._say(ratio, "" if error is None else f"{error.reason}: {error}")
            if error is None:
                self._hung_at.pop(ratio, None)
            elif unreachable is None and error.reason in _HANGS:
                unreachable, self._hung_at[ratio] = error, self._clock.monotonic()

    def _reader(self, ratio: QueryMeasure) -> RatioReader:
        return RatioReader(self._db, self._dictionary, self._api, self._server, ratio, self._clock)

    def _say(self, ratio: QueryMeasure, failing: str) -> None:
        before = self._failing.get(ratio, "")
        self._failing[ratio] = failing
        if failing and failing != before:
            log.warning("prometheus %s: %s not answered: %s", self._server.name, ratio.name, failing)
        if before and not failing:
            log.info("prometheus %s: %s answered again", self._server.name, ratio.name)


class RatioReader:
    """One ratio at one server: its checkpoint, and how long a span the server answers."""

    def __init__(
        self,
        database: Database,
        dictionary: Dictionary,
        api: PrometheusApi,
        server: PrometheusServer,
        ratio: QueryMeasure,
        clock: Clock,
    ) -> None:
        self._db, self._dictionary, self._api, self._ratio, self._clock = database, dictionary, api, ratio, clock
        self._key = f"promql:{server.name}:{ratio.name}"
        self._backfill = int(server.backfill) // MINUTE * MINUTE
        self._piece = LONGEST
        self._at: tuple[Checkpoint, Progress] | None = None

    async def catch_up(self, goal: int, unreachable: ScrapeError | None) -> ScrapeError | None:
        """Count up to a minute's end; the error where it was not answered. `unreachable`: do not ask in vain."""
        if self._at is None:
            self._at = await asyncio.to_thread(self._open, goal)
        mark, progress = self._at
        while progress.through < goal:
            span = min(self._piece, (goal - progress.through) // MINUTE)
            end = progress.through + span * MINUTE
            try:
                part, total = await self._ask(progress, end, unreachable)
            except ScrapeError as error:
                if error.reason in (TOO_MUCH, "timeout") and span > 1:
                    self._piece = span // 2
                    continue
                counted = await asyncio.to_thread(minutes.unanswered, self._ratio, progress, goal, self._clock.now())
                await asyncio.to_thread(self._put, mark, counted)
                return error
            self._piece = min(LONGEST, 2 * self._piece)
            counted = await asyncio.to_thread(
                minutes.answered, self._ratio, progress, part, total, end, self._clock.now()
            )
            mark, progress = await asyncio.to_thread(self._put, mark, counted)
        return None

    async def _ask(self, progress: Progress, end: int, unreachable: ScrapeError | None) -> tuple[Course, Course]:
        """The part's and the total's minutes up to `end`."""
        if unreachable is not None:
            raise unreachable
        begin, by = progress.through + MINUTE, self._ratio.by
        part = await self._api.course(self._ratio.part, begin, end, MINUTE)
        total = await self._api.course(self._ratio.total, begin, end, MINUTE)
        return await asyncio.to_thread(minutes.course, part, by), await asyncio.to_thread(minutes.course, total, by)

    def _open(self, goal: int) -> tuple[Checkpoint, Progress]:
        """Go on where an earlier process ended, else from `backfill` ago."""
        mark = rows.open_source(self._db, "promql", self._key, self._clock.now())
        fresh = Progress(goal - self._backfill, goal)
        return mark, fresh if mark.state is None else Progress.restore(mark.state)

    def _put(self, mark: Checkpoint, counted: Counted) -> tuple[Checkpoint, Progress]:
        """Commit; where another process has counted first, go on from its checkpoint."""
        before = rows.load_rows(self._db, self._dictionary, mark.source_id, counted.rows) if mark.version else {}
        content = {key: _plus(before.get(key, {}), part) for key, part in counted.rows.items()}
        flush = SourceFlush(mark, counted.progress.dump(), content)
        won, _ = rows.commit(self._db, self._dictionary, [flush], self._clock.now())
        if mark.source_id not in won:
            log.warning("%s: another collector has counted these minutes; going on from its checkpoint", self._key)
            now_at = self._open(counted.progress.through)
        else:
            now_at = won[mark.source_id], counted.progress
        self._at = now_at
        return now_at


def _plus(left: AtomCells, right: AtomCells) -> AtomCells:
    return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}
