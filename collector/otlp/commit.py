"""One transaction for all that some requests bring: ledger rows with the checkpoint, generations, samples, spans.

The checkpoint is a compare-and-set: a writer that lost it rolls back, reads what the winner wrote, and tries again. So
a call that two processes were told is counted by the first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from collector.otlp import coverage
from collector.otlp.count import added, key_at, parts_of_calls, parts_of_time
from collector.otlp.coverage import Watch
from collector.otlp.prepare import Call, Prepared
from collector.settings import OtlpSettings
from core.buckets import MINUTES, start_of
from core.errors import StorageBusy, StorageError
from storage import generations, samples
from storage.database import Database
from storage.generations import SpanId
from storage.ledger import rows
from storage.ledger.dictionary import Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush
from storage.samples import Sample

SOURCE_KIND = "otlp"
_ATTEMPTS = 5
_KEEP_BUCKETS = 3
"""Rows of the last minutes stay in memory: the next calls add to them."""
_LONGEST_BEAT = 60.0
"""A process that settled nothing for so long was asleep, and watched nothing meanwhile."""
_MARGIN = 3600.0
"""A row outlives the horizon by this, so that a call which was in time when it came is never forgotten before its
commit."""

_BREATH = 0.05
"""Seconds between two deletions in which others write."""


class Receipt(NamedTuple):
    """What a commit wrote."""

    counted: Sequence[Call]
    duplicates: int
    conflicts: int


class _Lost(Exception):
    """Another writer has moved the checkpoint: rolls the transaction back, and never leaves this module."""


class OtlpLedger:
    """Writes for the source `otlp:<shard>`. Times are Unix seconds.

    `listening_since`: from when on this process takes spans; None while it does not.
    """

    def __init__(self, database: Database, shard: str, group_cap: int, settings: OtlpSettings) -> None:
        self.listening_since: float | None = None
        self.dictionary = Dictionary(group_cap)
        self._db = database
        self._one = threading.Lock()
        self._key = f"{SOURCE_KIND}:{shard}"
        self.settings = settings
        self._checkpoint: Checkpoint | None = None
        self._watch = Watch()
        self._rows: dict[RowKey, AtomCells] = {}
        self._forgotten = 0.0
        """Goes into every checkpoint from now on, also into one that must be written over a rival's."""

    def earliest(self, now: float) -> float:
        """Calls that ended before this cannot be told from those that are sent again."""
        return max(now - self.settings.retention.unsampled, self._watch.forgotten, self._forgotten)

    def open(self, now: float) -> None:
        """Read where the counting stands; StorageError."""
        self._checkpoint = rows.open_source(self._db, SOURCE_KIND, self._key, now)
        self._watch = Watch.restore(self._checkpoint.state)
        self._rows = {}

    def commit(self, batch: Iterable[Prepared], now: float) -> Receipt:
        """Write what requests brought, and target-time up to `now`. On a StorageError nothing is written, and the time
        until then counts as not covered."""
        with self._one:
            return self._commit(batch, now)

    def _commit(self, batch: Iterable[Prepared], now: float) -> Receipt:
        found = list(batch)
        calls = {(c.generation.trace_id, c.generation.span_id): c for one in reversed(found) for c in one.calls[::-1]}
        try:
            for conflicts in range(_ATTEMPTS):
                try:
                    counted = self._attempt(calls, [span for one in found for span in one.spans], now)
                except _Lost:
                    self.dictionary.forget()
                    self.open(now)
                else:
                    return Receipt(counted, sum(len(one.calls) for one in found) - len(counted), conflicts)
            raise StorageBusy(f"{self._key}: other writers moved the checkpoint {_ATTEMPTS} times")
        except StorageError:
            self.dictionary.forget()
            if self.listening_since is not None:
                self.listening_since = now
            raise

    def _attempt(self, calls: Mapping[SpanId, Call], spans: Sequence[generations.Span], now: float) -> list[Call]:
        if self._checkpoint is None:
            self.open(now)
        assert self._checkpoint is not None
        self._load(calls.values(), now)
        with self._db.write() as connection:
            rows.next_rev(connection)  # its lock: no other writer stores one of these calls between here and the end
            fresh = generations.fresh(connection, calls)
            counted = [call for ids, call in calls.items() if ids in fresh]
            flush, watch = self._flush(self._checkpoint, counted, now)
            won, lost, resolved = rows.commit_in(connection, self.dictionary, [flush], now)
            if lost:
                raise _Lost
            self._store(connection, counted, spans, now)
        self.dictionary.keep(resolved)
        self._checkpoint, self._watch = won[flush.checkpoint.source_id], watch
        self._remember(flush.rows, now)
        return counted

    def _load(self, calls: Iterable[Call], now: float) -> None:
        """Read the rows that may be touched and that are not known."""
        assert self._checkpoint is not None
        touched = {key_at(call.generation.at, now) for call in calls}
        touched |= {key for key, _, _ in parts_of_time(self._stretches(calls, now), now)}
        missing = touched - self._rows.keys()
        if missing and self._checkpoint.version:
            self._rows |= rows.load_rows(self._db, self.dictionary, self._checkpoint.source_id, missing)

    def _flush(self, checkpoint: Checkpoint, counted: Sequence[Call], now: float) -> tuple[SourceFlush, Watch]:
        parts = list(parts_of_calls(counted, now))
        parts += parts_of_time(self._stretches(counted, now), now)
        watch = coverage.settle(self._watch, {call.generation.group for call in counted}, now, self._forgotten)
        return SourceFlush(checkpoint, watch.dump(), added(self._rows, parts)), watch

    def _stretches(self, calls: Iterable[Call], now: float) -> list[coverage.Stretch]:
        since = self.listening_since
        if since is not None and self._watch.until is not None and now - self._watch.until > _LONGEST_BEAT:
            since = now if since < self._watch.until else since
        return coverage.stretches(self._watch, {call.generation.group for call in calls}, now, since)

    def _store(
        self, connection: Connection, counted: Sequence[Call], spans: Sequence[generations.Span], now: float
    ) -> None:
        generations.add(connection, [call.generation for call in counted])
        generations.add_spans(connection, spans)
        ttl = self.settings.text_ttl
        samples.put(connection, [_sample(call, now, now + ttl) for call in counted if call.generation.sampled])

    def _remember(self, written: Mapping[RowKey, AtomCells], now: float) -> None:
        horizon = start_of(now, MINUTES.width) - _KEEP_BUCKETS * MINUTES.width
        self._rows = {key: row for key, row in {**self._rows, **written}.items() if key.bucket >= horizon}

    def keep_house(self, now: float) -> int:
        """Wipe texts whose time is over, and forget old generations, spans and samples; returns how many texts.
        Commits go on meanwhile."""
        retention = self.settings.retention
        unsampled, sampled = now - retention.unsampled - _MARGIN, now - retention.sampled - _MARGIN
        with self._one:
            self._forgotten = max(self._forgotten, unsampled)
            self._commit((), now)  # first the mark, then the deletion: what is gone is never taken for new
        with self._db.write() as connection:
            wiped = samples.wipe_expired(connection, now)
            samples.forget(connection, sampled)
        while self._forget(unsampled, sampled):
            time.sleep(_BREATH)
        self._db.scrub()  # texts that evaluators have finished as well
        return wiped

    def _forget(self, unsampled: float, sampled: float) -> int:
        with self._db.write() as connection:
            return generations.forget(connection, unsampled, sampled)


def _sample(call: Call, now: float, expires_at: float) -> Sample:
    found = call.generation
    return Sample(
        found.trace_id,
        found.span_id,
        found.at,
        now,
        expires_at,
        found.group,
        found.stratum,
        found.probability,
        call.text,
    )
