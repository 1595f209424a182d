"""What the SLO page reads of one objective: revisions with their formulas, events, deployments, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import streamlit as st
from sqlalchemy import select

from core.buckets import MINUTES, start_of
from core.matchers import matches_all, parse_matchers
from core.measures import Group
from dashboard import snapshot
from dashboard.debug.buckets import Buckets, Piece
from dashboard.debug.reading import SHARED_FOR, buckets
from dashboard.debug.span import Span
from dashboard.objective import budget
from dashboard.objective.budget import Bucket, InForce, Spending
from dashboard.objective.sli import (
    TOTAL,
    Counted,
    Description,
    Formula,
    Limit,
    Unreadable,
    count,
    pieces,
    pieces_through,
    read_description,
    read_policy,
)
from storage import deployments, slo_sets
from storage import slo as store
from storage.alerts import AlertEvent
from storage.database import Database
from storage.deployments import Deployment
from storage.slo_sets import StoredReset
from storage.tables import slo_revision


class Revision(NamedTuple):
    """An objective that began at `since` (Unix seconds); `allowed` is the share of events that may be bad."""

    since: float
    allowed: Fraction
    window: int
    sli: Description | Unreadable
    policy: Sequence[Limit] = ()


class Course(NamedTuple):
    """The whole window as running sums, and the buckets of the span that is shown."""

    window: Sequence[Spending]
    buckets: Sequence[Bucket]


def revisions(db: Database, slo: str, group: Mapping[str, str]) -> list[Revision]:
    """Every revision of one objective, oldest first, with what it allowed one group."""
    query = select(slo_revision).where(slo_revision.c.slo == slo).order_by(slo_revision.c.since, slo_revision.c.id)
    with db.read() as connection:
        return [_revision(row._asdict(), group) for row in connection.execute(query)]


def events(db: Database, slo: str, key: str, span: Span, now: float) -> list[AlertEvent]:
    """What the alerts of one group did in the span, and since then where the span is the present."""
    found = store.events(db, span.start, slo)
    end = now if span.live else span.end
    return [one for one in found if one.group_key == key and one.at <= end]


def resets(db: Database, slo: str, key: str) -> list[StoredReset]:
    """When the budget of a group was let count anew, oldest first."""
    return [one for one in slo_sets.resets(db, slo) if one.group_key in (None, key)]


def since_reset(window: int, end: int, found: Sequence[StoredReset]) -> int:
    """The part of a window (seconds) that still counts: from the newest reset before its end on."""
    anew = [start_of(one.at, MINUTES.width) for one in found if one.at <= end]
    return end - max([end - window, *anew])


def deployed(db: Database, group: Mapping[str, str], span: Span, now: float) -> list[Deployment]:
    """Deployments in the span that concern the group: of its model and region, whatever the version."""
    end = now if span.live else span.end
    return [one for one in deployments.since(db, span.start) if one.at <= end and _concerns(one, group)]


@st.cache_resource(show_spinner=False, ttl=SHARED_FOR, max_entries=64)
def course(database_url: str, slo: str, group: Group, window: int, end: int, span: Span) -> Course | Unreadable:
    """Counts of one group; `end` is the minute that the engine judged last. Unreadable where no formula is known."""
    known = revisions(snapshot.source(database_url).database, slo, dict(group))
    if not known:
        return Unreadable("the engine has stored no revision of it")
    sli = known[-1].sli
    if isinstance(sli, Unreadable):
        return sli
    if sli.sampled:
        return Unreadable("its events are a sample: strata are weighed, and bare counts by time would not be")
    reader = buckets(database_url)
    return read_course(reader, Formula(sli, reader.layers()), known, group, window, end, span)


def read_course(
    reader: Buckets, formula: Formula, known: Sequence[Revision], group: Group, window: int, end: int, span: Span
) -> Course:
    """Counts of one group over the window that ends at `end`, and over the span."""
    sli = formula.sli
    allowed = [InForce(one.since, one.allowed) for one in known]
    whole = pieces_through(end - window, end, span)
    counted = _count(reader, formula, whole, group)
    drawn = _count(reader, formula, [Piece(span.width, span.start, span.end)], group)
    ends = _ends(counted, whole)
    tails = _tails(reader, formula, group, dict(zip(counted.starts.tolist(), ends, strict=True)), allowed, end)
    return Course(budget.burn_down(sli, counted, ends, allowed, tails), budget.buckets(sli, drawn, allowed))


def minute_of(watermark: float) -> int:
    """The minute's edge that the engine's status speaks of."""
    return start_of(watermark, MINUTES.width)


def _count(reader: Buckets, formula: Formula, wanted: Sequence[Piece], group: Group) -> Counted:
    cells = reader.rollups(wanted)
    return count(formula, cells, reader.atoms(cells), group)


def _tails(
    reader: Buckets, formula: Formula, group: Group, held: Mapping[int, int], revisions: Sequence[InForce], now: int
) -> dict[int, int]:
    """For each revision that began inside a bucket (`held`: start to end) the events from then to the bucket's end."""
    found = {}
    for start, end in held.items():
        for minute in budget.changes_within(start, end, revisions):
            found[minute] = int(_count(reader, formula, pieces(minute, end, now), group).total()[TOTAL])
    return found


def _ends(counted: Counted, wanted: Sequence[Piece]) -> list[int]:
    """When each counted bucket ends: its width is that of the piece it lies in."""
    return [next(start + p.width for p in wanted if p.start <= start < p.end) for start in counted.starts.tolist()]


def _revision(row: Mapping[str, Any], group: Mapping[str, str]) -> Revision:
    others = row["spec"].get("overrides", ())
    own = (one["objective"] for one in others if matches_all(parse_matchers(one["where"]), group))
    allowed = 1 - Fraction(next(own, row["objective"]))
    return Revision(
        row["since"], allowed, row["window_seconds"], read_description(row["spec"]), read_policy(row["spec"])
    )


def _concerns(one: Deployment, group: Mapping[str, str]) -> bool:
    return all(
        value is None or group.get(name, value) == value
        for name, value in (("model", one.model), ("region", one.region))
    )
