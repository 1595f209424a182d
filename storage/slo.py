"""SLO revisions, status, alert states and alert events: written by the engine's leader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from storage import status_blocks
from storage.alerts import AlertEvent
from storage.database import Database, upsert
from storage.tables import alert_event, alert_state, evaluation, slo_revision, slo_status, slo_status_block


class StoredRevision(NamedTuple):
    """An objective, window and policy that were in force from `since` on; `objective` is an exact fraction as text."""

    slo: str
    since: float
    digest: str
    objective: str
    window_seconds: int


class AlertRow(NamedTuple):
    """One alert's state, keyed by (slo, group, severity)."""

    slo: str
    group_key: str
    severity: str
    state: str
    since: float
    starts_at: float | None
    calm_ticks: int


def revisions(database: Database) -> list[StoredRevision]:
    """Every revision, oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(slo_revision).order_by(slo_revision.c.since, slo_revision.c.id)).all()
    return [StoredRevision(r.slo, r.since, r.digest, r.objective, r.window_seconds) for r in rows]


def add_revision(connection: Connection, revision: StoredRevision, spec: Mapping[str, Any]) -> None:
    """A change of objective, window or policy begins."""
    connection.execute(insert(slo_revision).values(**revision._asdict(), spec=dict(spec)))


def alert_rows(database: Database) -> list[AlertRow]:
    """Every alert that is not at rest, and those that were."""
    with database.read() as connection:
        return [AlertRow(*row) for row in connection.execute(select(alert_state))]


def put_alerts(connection: Connection, rows: Iterable[AlertRow]) -> None:
    """Write alert states."""
    values = [row._asdict() for row in rows]
    if values:
        upsert(connection, alert_state, values, ("slo", "group_key", "severity"))


def events(database: Database, since: float = 0.0, slo: str | None = None) -> list[AlertEvent]:
    """Alert events in order."""
    statement = select(alert_event).where(alert_event.c.at >= since).order_by(alert_event.c.id)
    if slo is not None:
        statement = statement.where(alert_event.c.slo == slo)
    with database.read() as connection:
        return [AlertEvent(**row._asdict()) for row in connection.execute(statement)]


def put_status(
    connection: Connection,
    rows: Sequence[tuple[str, str, Mapping[str, Any]]],
    watermark: float,
    blocks: Iterable[tuple[str, bytes]] = (),
) -> None:
    """Replace the status of all SLOs: (slo, group key, status), and (slo, `status_blocks.encode`) of groups at rest."""
    connection.execute(delete(slo_status))
    connection.execute(delete(slo_status_block))
    values = [{"slo": s, "group_key": g, "watermark": watermark, "status": dict(status)} for s, g, status in rows]
    if values:
        connection.execute(insert(slo_status), values)
    contents = [{"slo": name, "watermark": watermark, "content": content} for name, content in blocks]
    if contents:
        connection.execute(insert(slo_status_block), contents)


def status(database: Database) -> list[dict[str, Any]]:
    """The status of every SLO and group as the engine last wrote it, by SLO and group."""
    with database.read() as connection:
        found = [((row.slo, row.group_key), row.status) for row in connection.execute(select(slo_status))]
        blobs = connection.execute(select(slo_status_block.c.slo, slo_status_block.c.content)).all()
    for blob in blobs:
        found += [((blob.slo, key), row) for key, row in status_blocks.rows(blob.content)]
    return [row for _, row in sorted(found, key=lambda one: one[0])]


def status_watermark(database: Database) -> float | None:
    """Up to when the status speaks; None before the first."""
    with database.read() as connection:
        found = [
            connection.execute(select(func.max(table.c.watermark))).scalar() for table in (slo_status, slo_status_block)
        ]
    known = [float(value) for value in found if value is not None]
    return max(known, default=None)


def add_evaluation(connection: Connection, minute: int, now: float) -> None:
    """Note that a minute was evaluated."""
    upsert(connection, evaluation, [{"minute": minute, "at": now}], ("minute",))


def evaluations(database: Database) -> list[int]:
    """Every evaluated minute, oldest first."""
    with database.read() as connection:
        return [
            int(row.minute) for row in connection.execute(select(evaluation.c.minute).order_by(evaluation.c.minute))
        ]


def forget_evaluations(connection: Connection, before: float) -> None:
    """Drop the oldest notes."""
    connection.execute(delete(evaluation).where(evaluation.c.minute < before))
