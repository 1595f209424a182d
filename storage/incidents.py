"""Incidents: what the alerter opens and resolves, and what people see and acknowledge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from core.errors import ConfigError
from storage.database import Database
from storage.tables import audit, incident

RESOLVED = "resolved"
UNNOTIFIED = "resolved before anybody was notified"


@dataclass(frozen=True)
class Incident:
    """One disturbance from its first firing alert to the resolution of its last. Times are Unix seconds.

    `alerts`: [{fingerprint, labels, annotations, starts_at, ends_at or null, evidence}]. `evidence`: what was gathered
    when somebody was last notified. `outcome` (of a closed one): RESOLVED or UNNOTIFIED.
    """

    id: int
    group_key: str
    slo: str
    title: str
    severity: str
    labels: dict[str, str]
    evidence: dict[str, Any]
    alerts: list[dict[str, Any]]
    opened_at: float
    notified_at: float | None
    resolved_at: float | None
    outcome: str | None
    acknowledged_at: float | None
    acknowledged_by: str | None
    comment: str | None
    ack_pending: bool
    open: bool


def list_incidents(db: Database, open_only: bool = False, limit: int = 1000) -> list[Incident]:
    """Incidents, newest first."""
    query = select(incident).order_by(incident.c.id.desc()).limit(limit)
    with db.read() as connection:
        return fetch(connection, query.where(incident.c.open.is_(True)) if open_only else query)


def get(db: Database, incident_id: int) -> Incident | None:
    """The incident of this id, if there is one."""
    with db.read() as connection:
        return load(connection, incident_id)


def acknowledge(
    db: Database, incident_id: int, by: str, comment: str, now: float, *, actor: str | None = None
) -> Incident:
    """Somebody takes it: no repeats until it is resolved or alerts join. ConfigError if there is no such open one.

    `actor`: who the audit names, where that is not `by`.
    """
    if not by.strip():
        raise ConfigError("an acknowledgement needs a name: write who takes the incident")
    with db.write() as connection:
        found = load(connection, incident_id)
        if found is None:
            raise ConfigError(f"there is no incident {incident_id}: list them to see their ids")
        if not found.open:
            raise ConfigError(f"incident {incident_id} is {found.outcome} already: nothing to acknowledge")
        values = {"acknowledged_at": now, "acknowledged_by": by, "comment": comment, "ack_pending": True}
        change(connection, incident_id, **values)
        entry = {"at": now, "actor": actor or by, "action": "incident.acknowledge", "subject": str(incident_id)}
        connection.execute(audit.insert().values(**entry, detail={"by": by, "comment": comment}))
        return _required(connection, incident_id)


def insert(connection: Connection, **values: Any) -> Incident:
    """Store a new incident and return it with its id."""
    key = connection.execute(incident.insert().values(ack_pending=False, open=True, **values)).inserted_primary_key
    return _required(connection, int(key[0]) if key is not None else 0)


def change(connection: Connection, incident_id: int, **values: Any) -> None:
    """Set columns of one incident, and only these: people and the alerter write different ones."""
    connection.execute(update(incident).where(incident.c.id == incident_id).values(**values))


def load(connection: Connection, incident_id: int) -> Incident | None:
    """The incident of this id, read in the caller's transaction."""
    found = fetch(connection, select(incident).where(incident.c.id == incident_id))
    return found[0] if found else None


def open_one(connection: Connection, group_key: str) -> Incident | None:
    """The open incident of a notification group, if it has one."""
    query = select(incident).where(incident.c.open.is_(True), incident.c.group_key == group_key)
    found = fetch(connection, query.order_by(incident.c.id).limit(1))
    return found[0] if found else None


def with_unsent_acknowledgement(connection: Connection) -> list[Incident]:
    """Acknowledged ones that receivers have not been told of."""
    return fetch(connection, select(incident).where(incident.c.open.is_(True), incident.c.ack_pending.is_(True)))


def recent(connection: Connection, slos: Sequence[str], since: float, limit: int) -> list[Incident]:
    """Closed incidents of these SLOs that were opened after `since`, newest first."""
    query = select(incident).where(incident.c.slo.in_(slos), incident.c.opened_at > since, incident.c.open.is_(False))
    return fetch(connection, query.order_by(incident.c.opened_at.desc()).limit(limit))


def fetch(connection: Connection, query: Select[Any]) -> list[Incident]:
    """The incidents that a query over the whole table finds."""
    return [_from_row(row) for row in connection.execute(query)]


def _required(connection: Connection, incident_id: int) -> Incident:
    return _from_row(connection.execute(select(incident).where(incident.c.id == incident_id)).one())


def _from_row(row: Row[Any]) -> Incident:
    return Incident(**row._asdict())
