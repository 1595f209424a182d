"""Verdicts of detectors on drawn generations: written by the evaluator with the ledger rows that count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from core.measures import Group, group_from_key, group_key
from storage.database import Database, upsert
from storage.tables import score

FLAGGED, CLEAR, FAILED, NOT_APPLICABLE = "flagged", "clear", "failed", "not_applicable"
"""A failed score (no model, no text, not a number) is never clear; not applicable: nothing that could be judged, as an
answer without retrieved context for groundedness."""


@dataclass(frozen=True)
class Score:
    """One detector's verdict on one generation. `spans`: [{start, end, type}] in characters, never the text itself."""

    trace_id: str
    span_id: str
    detector: str
    revision: str
    at: float
    judged_at: float
    group: Group
    stratum: str
    verdict: str
    score: float | None
    reason: str | None = None
    spans: Sequence[dict[str, Any]] = ()


def put(connection: Connection, found: Sequence[Score]) -> None:
    """Store verdicts in the caller's transaction."""
    if found:
        upsert(connection, score, [_row(one) for one in found], ("trace_id", "span_id", "detector"))


def of_trace(db: Database, trace_id: str) -> list[Score]:
    """Every verdict on a trace's generations."""
    query = select(score).where(score.c.trace_id == trace_id).order_by(score.c.span_id, score.c.detector)
    with db.read() as connection:
        return [_score(row) for row in connection.execute(query)]


def recent(db: Database, since: float, verdict: str | None = None, limit: int = 200) -> list[Score]:
    """The newest verdicts on generations since a time."""
    query = select(score).where(score.c.at >= since).order_by(score.c.at.desc()).limit(limit)
    with db.read() as connection:
        return [
            _score(r) for r in connection.execute(query if verdict is None else query.where(score.c.verdict == verdict))
        ]


def forget(connection: Connection, before: float) -> int:
    """Delete verdicts on generations of before; returns how many."""
    return connection.execute(delete(score).where(score.c.at < before)).rowcount


def _row(one: Score) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in Score.__dataclass_fields__ if name not in ("group", "spans")}
    return {**values, "group_key": group_key(one.group), "spans": list(one.spans)}


def _score(row: Any) -> Score:
    values = row._asdict()
    return Score(group=group_from_key(values.pop("group_key")), **values)
