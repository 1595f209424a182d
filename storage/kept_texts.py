"""What stays of the texts of scored generations, by policy: written by the evaluator with its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select

from storage.database import Database, upsert
from storage.tables import kept_text


@dataclass(frozen=True)
class KeptText:
    """What stays of one generation's prompt and answer: a keyed `hash` of each, or each `redacted`.

    None where there was none, or where it was hidden. Times are Unix seconds.
    """

    trace_id: str
    span_id: str
    at: float
    kept_at: float
    policy: str
    prompt: str | None
    output: str | None


def put(connection: Connection, found: Sequence[KeptText]) -> None:
    """Store texts in the caller's transaction."""
    if found:
        upsert(connection, kept_text, [asdict(one) for one in found], ("trace_id", "span_id"))


def of_trace(db: Database, trace_id: str) -> list[KeptText]:
    """What stays of a trace's generations, by time."""
    query = select(kept_text).where(kept_text.c.trace_id == trace_id).order_by(kept_text.c.at, kept_text.c.span_id)
    with db.read() as connection:
        return [KeptText(**row._asdict()) for row in connection.execute(query)]


def forget(connection: Connection, before: float) -> int:
    """Delete what was kept before a time; returns how many."""
    return connection.execute(delete(kept_text).where(kept_text.c.kept_at < before)).rowcount
