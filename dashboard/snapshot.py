"""Everything the on-call page shows, read once for all viewers of a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from sqlalchemy import Connection, func, select

from core.clock import SystemClock
from core.durations import DAY, HOUR, MINUTE
from dashboard.freshness import Freshness, judge
from dashboard.history import HistoryReader
from dashboard.ledger import Traffic, TrafficReader, Window, window
from storage import canaries, deployments, fleet, generations, incidents, outbox, scores, silences
from storage import slo as store
from storage.alerts import AlertEvent
from storage.canaries import Canary
from storage.database import Database
from storage.deployments import Deployment
from storage.fleet import TargetHealth
from storage.generations import Generation
from storage.incidents import Incident
from storage.outbox import Health
from storage.scores import FLAGGED, Score
from storage.silences import Silence
from storage.slo import StoredRevision
from storage.tables import evaluation

SHARED_FOR = 2.0
"""Seconds for which one reading serves all viewers: below the least sensible refresh, above a page's own run."""
EVENTS_BACK = DAY
RECENT = HOUR
"""How far back failed calls and flagged answers are listed."""
_OPEN_INCIDENTS = 100
_PAST_INCIDENTS = 1000
_PAST_ROWS = 2000
"""Rows looked through for those before a moment in the past; the newest come first."""
_CANARIES_BACK = 7 * DAY


@dataclass(frozen=True)
class Snapshot:
    """One reading. `now` is when it was taken; `status` are rows of the `slo status --json` contract.

    `until` is the end of the time that is shown, `past` whether that is not now: then `incidents` are those that were
    open at the time, and `failures`, `flagged`, `events` and `deployments` end there. `traced` and `judged`: whether
    any model call, and any verdict on one, is known of the hour.
    """

    now: float
    until: float
    past: bool
    freshness: Freshness
    status: Sequence[dict[str, Any]]
    incidents: Sequence[Incident]
    silences: Sequence[Silence]
    targets: Sequence[TargetHealth]
    deliveries: Sequence[Health]
    events: Sequence[AlertEvent]
    traffic: Traffic
    failures: Sequence[Generation]
    flagged: Sequence[Score]
    traced: bool
    judged: bool
    canaries: Sequence[Canary]
    deployments: Sequence[Deployment]
    revisions: Sequence[StoredRevision]


@dataclass(frozen=True)
class Source:
    """Where snapshots come from."""

    database: Database
    traffic: TrafficReader
    history: HistoryReader

    def take(self, now: float, at: float | None = None) -> Snapshot:
        """Read everything as of now, or of a moment in the past; StorageError when the database does not answer."""
        db = self.database
        with db.read() as connection:
            watermark, pulse = fleet.watermark(connection), fleet.pulse(connection)
            evaluated = _evaluated(connection)
        shown = None if watermark is None else window(watermark, at)
        past = shown is not None and not shown.live
        until = float(shown.end) if shown is not None and past else now
        return Snapshot(
            now=now,
            until=until,
            past=past,
            freshness=judge(pulse, evaluated, now),
            status=store.status(db),
            incidents=_incidents(db, shown if past else None),
            silences=silences.list_silences(db, now),
            targets=fleet.targets(db),
            deliveries=outbox.health(db),
            events=[one for one in store.events(db, until - EVENTS_BACK) if one.at <= until],
            traffic=self.traffic.read(watermark, at),
            failures=_failures(db, until, past),
            flagged=_flagged(db, until, past),
            traced=any(one.at <= until for one in generations.recent(db, until - RECENT, limit=_limit(past, 1))),
            judged=any(one.at <= until for one in scores.recent(db, until - RECENT, limit=_limit(past, 1))),
            canaries=canaries.since(db, until - _CANARIES_BACK),
            deployments=[one for one in deployments.since(db, until - DAY) if one.at <= until],
            revisions=[one for one in store.revisions(db) if until - DAY <= one.since <= until],
        )


def _evaluated(connection: Connection) -> float | None:
    value = connection.execute(select(func.max(evaluation.c.at))).scalar()
    return None if value is None else float(value)


def _incidents(db: Database, shown: Window | None) -> list[Incident]:
    """Open ones, or those that were open at some time in a window of the past."""
    if shown is None:
        return incidents.list_incidents(db, open_only=True, limit=_OPEN_INCIDENTS)
    found = incidents.list_incidents(db, limit=_PAST_INCIDENTS)
    return [one for one in found if one.opened_at < shown.end and (one.resolved_at or shown.end) >= shown.start]


def _failures(db: Database, until: float, past: bool) -> list[Generation]:
    found = generations.recent(db, until - RECENT, failed_only=True, limit=_limit(past, 200))
    return [one for one in found if one.at <= until]


def _flagged(db: Database, until: float, past: bool) -> list[Score]:
    return [one for one in scores.recent(db, until - RECENT, FLAGGED, _limit(past, 200)) if one.at <= until]


def _limit(past: bool, now: int) -> int:
    return _PAST_ROWS if past else now


@st.cache_resource(show_spinner=False)
def source(database_url: str) -> Source:
    """The process's one connection pool and its readers for a database."""
    database = Database(database_url)
    return Source(database, TrafficReader(database), HistoryReader(database))


@st.cache_resource(show_spinner=False, ttl=SHARED_FOR, max_entries=8)
def current(database_url: str, at: float | None = None) -> Snapshot:
    """The newest snapshot, at most SHARED_FOR seconds old; of the minute of `at` if that is given."""
    moment = None if at is None else at // MINUTE * MINUTE
    return source(database_url).take(SystemClock().now(), moment)
