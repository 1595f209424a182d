"""Generations and the spans of drawn traces: written by the OTLP receiver, read by pages and people.

A generation counts once, by (trace id, span id): `fresh` says which of a batch were not counted yet, in the transaction
that counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, tuple_

from core.measures import Group, group_from_key, group_key
from storage.database import Database
from storage.tables import generation, span

SpanId = tuple[str, str]
"""(trace id, span id), in lower-case hexadecimal."""

_CHUNK = 400
"""Ids asked for in one statement: SQLite takes 32,766 variables, PostgreSQL plans long lists slowly."""


@dataclass(frozen=True)
class Generation:
    """One model call. Times are Unix seconds, durations seconds; what the span did not tell is None.

    `outcome` is good, bad or excluded; `goodput` is good (both latency promises met), bad, or excluded with no verdict.
    `probability`: with which a generation of its stratum is drawn. `dialect`: the way in which the span told it.
    Cached and cache-write tokens are part of the input, reasoning tokens of the output. `tool_calls`: how many tools
    the answer calls, `tool_names`: each once. `retrieval`: [{id, score, changed_at}].
    """

    trace_id: str
    span_id: str
    at: float
    received_at: float
    group: Group
    operation: str
    outcome: str
    goodput: str
    duration: float
    stratum: str
    probability: float
    sampled: bool
    provider: str | None = None
    error_type: str | None = None
    finish_reason: str | None = None
    streamed: bool | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    ttft: float | None = None
    itl: float | None = None
    cost_micros: int | None = None
    dialect: str | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    tool_calls: int | None = None
    tool_names: Sequence[str] | None = None
    retrieval: Sequence[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Span:
    """One step of a drawn trace, without content. `events`: [{name, at, attributes}]; `error`: why it failed."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: int
    started_at: float
    ended_at: float
    error: str | None
    attributes: dict[str, Any]
    events: Sequence[dict[str, Any]]


def fresh(connection: Connection, ids: Iterable[SpanId]) -> set[SpanId]:
    """Those of the ids that no stored generation has."""
    wanted = sorted(set(ids))
    key = tuple_(generation.c.trace_id, generation.c.span_id)
    known: set[SpanId] = set()
    for at in range(0, len(wanted), _CHUNK):
        query = select(generation.c.trace_id, generation.c.span_id).where(key.in_(wanted[at : at + _CHUNK]))
        known |= {(row.trace_id, row.span_id) for row in connection.execute(query)}
    return set(wanted) - known


def add(connection: Connection, found: Sequence[Generation]) -> None:
    """Store generations that are `fresh`."""
    if found:
        connection.execute(insert(generation), [_row(one) for one in found])


def add_spans(connection: Connection, found: Sequence[Span]) -> None:
    """Store spans; one that is there already is left as it is."""
    wanted = {(one.trace_id, one.span_id): one for one in found}
    ids = sorted(wanted)
    key = tuple_(span.c.trace_id, span.c.span_id)
    for at in range(0, len(ids), _CHUNK):
        query = select(span.c.trace_id, span.c.span_id).where(key.in_(ids[at : at + _CHUNK]))
        for row in connection.execute(query).all():
            wanted.pop((row.trace_id, row.span_id), None)
    if wanted:
        connection.execute(insert(span), [asdict(one) for one in wanted.values()])


def recent(
    db: Database,
    since: float,
    group: Group = (),
    *,
    sampled_only: bool = False,
    failed_only: bool = False,
    limit: int = 200,
) -> list[Generation]:
    """The newest generations since a time whose group agrees with `group` in every dimension that it names."""
    query = select(generation).where(generation.c.at >= since).order_by(generation.c.at.desc())
    if sampled_only:
        query = query.where(generation.c.sampled.is_(True))
    if failed_only:
        query = query.where(generation.c.outcome == "bad")
    for name, value in group:
        part = group_key({name: value})[1:-1]
        query = query.where(func.replace(generation.c.group_key, part, "") != generation.c.group_key)  # LIKE folds case
    with db.read() as connection:
        return [_generation(row) for row in connection.execute(query.limit(limit))]


def trace(db: Database, trace_id: str) -> tuple[list[Span], list[Generation]]:
    """The spans of a drawn trace by their start, and the generations among them."""
    spans = select(span).where(span.c.trace_id == trace_id).order_by(span.c.started_at, span.c.span_id)
    calls = select(generation).where(generation.c.trace_id == trace_id).order_by(generation.c.at)
    with db.read() as connection:
        return (
            [Span(**row._asdict()) for row in connection.execute(spans)],
            [_generation(row) for row in connection.execute(calls)],
        )


def forget(connection: Connection, unsampled_before: float, sampled_before: float) -> int:
    """Delete what ended before: generations that were not drawn, and drawn ones with their spans; returns how many."""
    old = or_(
        and_(generation.c.sampled.is_(False), generation.c.at < unsampled_before), generation.c.at < sampled_before
    )
    gone = connection.execute(delete(generation).where(old)).rowcount
    return gone + connection.execute(delete(span).where(span.c.ended_at < sampled_before)).rowcount


def _row(found: Generation) -> dict[str, Any]:
    values = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "group"}
    return {**values, "group_key": group_key(found.group)}


def _generation(row: Row[Any]) -> Generation:
    values = row._asdict()
    return Generation(group=group_from_key(values.pop("group_key")), **values)
