"""Generations and the spans of drawn traces: written by the OTLP receiver, read by pages and people.

A generation counts once, by (trace id, span id): `fresh` says which of a batch were not counted yet, in the transaction
that counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, delete, func, select

from core.measures import Group, group_from_key, group_key
from storage.bulk import insert_rows, known_keys
from storage.database import Database
from storage.tables import generation, span

SpanId = tuple[str, str]
"""(trace id, span id), in lower-case hexadecimal."""

_GROUP_PLACE = [one.name for one in generation.columns].index("group_key")
_generation_values = attrgetter(*("group" if one.name == "group_key" else one.name for one in generation.columns))
_span_values = attrgetter(*(one.name for one in span.columns))


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
    wanted = set(ids)
    return wanted - known_keys(connection, generation, sorted(wanted))


def add(connection: Connection, found: Sequence[Generation]) -> None:
    """Store generations that are `fresh`."""
    insert_rows(connection, generation, [_row(one) for one in found])


def add_spans(connection: Connection, found: Sequence[Span]) -> None:
    """Store spans; one that is there already is left as it is."""
    insert_rows(connection, span, [_span_values(one) for one in found], ignore=True)


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


def forget(connection: Connection, unsampled_before: float, sampled_before: float, most: int = 5000) -> int:
    """Delete what ended before: generations that were not drawn, and drawn ones with their spans. About `most` of each
    at a time, the oldest first, so that no writer waits for long; returns how many, 0 when nothing is left."""
    unsampled = and_(generation.c.sampled.is_(False), generation.c.at < unsampled_before)
    gone = _delete_oldest(connection, generation.c.at, unsampled, most)
    gone += _delete_oldest(connection, generation.c.at, generation.c.at < sampled_before, most)
    return gone + _delete_oldest(connection, span.c.ended_at, span.c.ended_at < sampled_before, most)


def _delete_oldest(connection: Connection, time: Column[Any], old: ColumnElement[bool], most: int) -> int:
    edge = connection.execute(select(time).where(old).order_by(time).offset(most - 1).limit(1)).scalar()
    chosen = old if edge is None else and_(old, time <= edge)
    return connection.execute(delete(time.table).where(chosen)).rowcount


def _row(found: Generation) -> tuple[Any, ...]:
    values = _generation_values(found)
    return (*values[:_GROUP_PLACE], _key_of(found.group), *values[_GROUP_PLACE + 1 :])


@lru_cache(maxsize=4096)
def _key_of(group: Group) -> str:
    return group_key(group)


def _generation(row: Row[Any]) -> Generation:
    values = row._asdict()
    return Generation(group=group_from_key(values.pop("group_key")), **values)
