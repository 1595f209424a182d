"""Everything the on-call page shows, read once for all viewers of a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from sqlalchemy import func, select

from core.clock import SystemClock
from core.durations import DAY
from dashboard.freshness import Freshness, judge
from dashboard.ledger import Traffic, TrafficReader
from storage import fleet, incidents, outbox, silences
from storage import slo as store
from storage.alerts import AlertEvent
from storage.database import Database
from storage.fleet import TargetHealth
from storage.incidents import Incident
from storage.outbox import Health
from storage.silences import Silence
from storage.tables import evaluation

SHARED_FOR = 2.0
"""Seconds for which one reading serves all viewers: below the least sensible refresh, above a page's own run."""
EVENTS_BACK = DAY
_OPEN_INCIDENTS = 100


@dataclass(frozen=True)
class Snapshot:
    """One reading. `now` is when it was taken; `status` are rows of the `slo status --json` contract."""

    now: float
    freshness: Freshness
    status: Sequence[dict[str, Any]]
    incidents: Sequence[Incident]
    silences: Sequence[Silence]
    targets: Sequence[TargetHealth]
    deliveries: Sequence[Health]
    events: Sequence[AlertEvent]
    traffic: Traffic


@dataclass(frozen=True)
class Source:
    """Where snapshots come from."""

    database: Database
    traffic: TrafficReader

    def take(self, now: float) -> Snapshot:
        """Read everything; StorageError when the database does not answer."""
        db = self.database
        with db.read() as connection:
            watermark = fleet.watermark(connection)
            evaluated = connection.execute(select(func.max(evaluation.c.at))).scalar()
        return Snapshot(
            now=now,
            freshness=judge(watermark, evaluated, now),
            status=store.status(db),
            incidents=incidents.list_incidents(db, open_only=True, limit=_OPEN_INCIDENTS),
            silences=silences.list_silences(db, now),
            targets=fleet.targets(db),
            deliveries=outbox.health(db),
            events=store.events(db, now - EVENTS_BACK),
            traffic=self.traffic.read(watermark),
        )


@st.cache_resource(show_spinner=False)
def source(database_url: str) -> Source:
    """The process's one connection pool and traffic reader for a database."""
    database = Database(database_url)
    return Source(database, TrafficReader(database))


@st.cache_resource(show_spinner=False, ttl=SHARED_FOR, max_entries=4)
def current(database_url: str) -> Snapshot:
    """The newest snapshot, at most SHARED_FOR seconds old."""
    return source(database_url).take(SystemClock().now())
