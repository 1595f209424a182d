"""What the executive page shows, read once a while for all viewers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import streamlit as st
from sqlalchemy import func, select

from core.clock import SystemClock
from core.statistics.quality import Estimate, estimate
from dashboard import snapshot
from dashboard.freshness import Freshness, judge
from dashboard.history import WEEK, History
from storage import canaries, fleet, incidents, quality, scores
from storage import slo as store
from storage.canaries import Canary
from storage.database import Database
from storage.incidents import Incident
from storage.quality import QualityCounts
from storage.tables import evaluation

SHARED_FOR = 30.0
"""Seconds for which one reading serves all viewers: its newest number is an hour's."""
SUPPORT = "groundedness"
"""The detector that says whether an answer is supported by what it was given."""


class Judged(NamedTuple):
    """What one revision of a detector says of a week; `revision` None: none judged anything."""

    revision: str | None
    rate: Estimate


@dataclass(frozen=True)
class Overview:
    """One reading at `now`; `support` and `support_before` are of the last week and of the one before it."""

    now: float
    freshness: Freshness
    history: History
    status: Sequence[dict[str, Any]]
    incidents: Sequence[Incident]
    canaries: Sequence[Canary]
    support: Judged
    support_before: Judged


def read(source: snapshot.Source, now: float) -> Overview:
    """Read everything; StorageError when the database does not answer."""
    db = source.database
    with db.read() as connection:
        watermark, pulse = fleet.watermark(connection), fleet.pulse(connection)
        evaluated = connection.execute(select(func.max(evaluation.c.at))).scalar()
    history = source.history.read(watermark)
    end = float(history.end)
    newest = _newest_revision(db, end - WEEK)
    # What was judged is too little to leave the running hour out.
    support = judged(_counts(db, end - WEEK, watermark or end), newest)
    return Overview(
        now=now,
        freshness=judge(pulse, evaluated, now),
        history=history,
        status=store.status(db),
        incidents=incidents.list_incidents(db, open_only=True),
        canaries=canaries.since(db, now - WEEK, active_only=True),
        support=support,
        support_before=judged(_counts(db, end - 2 * WEEK, end - WEEK), support.revision),
    )


def _counts(db: Database, since: float, until: float) -> list[QualityCounts]:
    """None before there is a history."""
    return quality.counts(db, since, until, by=()) if since > 0 else []


def _newest_revision(db: Database, since: float) -> str | None:
    return next((one.revision for one in scores.recent(db, since) if one.detector == SUPPORT), None)


def judged(counts: Sequence[QualityCounts], revision: str | None) -> Judged:
    """The estimate over all strata by this revision, or by the one that judged most if it judged nothing."""
    mine = [one for one in counts if one.detector == SUPPORT]
    sizes: dict[str, int] = {}
    for one in mine:
        sizes[one.revision] = sizes.get(one.revision, 0) + one.judged
    chosen = revision if revision in sizes else max(sizes, key=lambda name: sizes[name], default=None)
    strata = [one.sample() for one in mine if one.revision == chosen]
    if not strata:
        # Rows without a judge tell how many were drawn for one.
        strata = [one.sample() for one in counts if not one.detector]
    return Judged(chosen, estimate(strata))


@st.cache_resource(show_spinner=False, ttl=SHARED_FOR, max_entries=2)
def current(database_url: str) -> Overview:
    """The newest overview, at most SHARED_FOR seconds old."""
    return read(snapshot.source(database_url), SystemClock().now())
