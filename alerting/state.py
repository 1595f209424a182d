"""Groups and the notification log in the database, read and written inside the dispatcher's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select

from alerting.grouping import Entry, Reason
from alerting.notification import AlertView
from storage.outbox import FAILED
from storage.tables import notification_group, notification_log, outbox

Identity = tuple[str, str]
"""Group key and receiver."""


@dataclass(frozen=True)
class Member(AlertView):
    """An alert in a group: the incident it belongs to, and whether a silence held it back at the last look."""

    incident_id: int
    muted: bool = False

    def view(self) -> AlertView:
        """What receivers see of it."""
        return AlertView(self.fingerprint, self.labels, self.annotations, self.evidence, self.starts_at, self.ends_at)


@dataclass
class Group:
    """Alerts that share a notification, by fingerprint. `flush_at` is the next look (Unix seconds).

    Entries of the notification log up to `log_floor` were for an earlier group of the same key.
    """

    key: str
    receiver: str
    labels: dict[str, str]
    members: dict[str, Member]
    flush_at: float
    log_floor: int
    detached: bool = False

    @property
    def identity(self) -> Identity:
        """What it is stored under."""
        return self.key, self.receiver

    def resolve(self, fingerprint: str, at: float) -> None:
        """An alert has ended; what has ended already stays as it is."""
        member = self.members.get(fingerprint)
        if member is not None and member.ends_at is None:
            self.members[fingerprint] = replace(member, ends_at=at)


def load(connection: Connection, identity: Identity) -> Group | None:
    """The group of this key and receiver."""
    key, receiver = identity
    query = select(notification_group).where(notification_group.c.key == key, notification_group.c.receiver == receiver)
    row = connection.execute(query).first()
    return None if row is None else _group(row)


def every(connection: Connection) -> list[Group]:
    """All groups."""
    return [_group(row) for row in connection.execute(select(notification_group))]


def due(connection: Connection, now: float) -> list[Group]:
    """Groups whose time has come, and those with silenced alerts: a silence can end at any moment."""
    table = notification_group
    query = select(table).where(or_(table.c.flush_at <= now, table.c.muted.is_(True)))
    return [_group(row) for row in connection.execute(query.order_by(table.c.flush_at, table.c.key))]


def next_flush(connection: Connection) -> float | None:
    """When the next group is due."""
    return connection.execute(select(func.min(notification_group.c.flush_at))).scalar()


def save(connection: Connection, groups: Iterable[Group]) -> None:
    """Write groups as they stand; an empty one is deleted."""
    for group in groups:
        table = notification_group
        connection.execute(delete(table).where(table.c.key == group.key, table.c.receiver == group.receiver))
        if group.members:
            connection.execute(table.insert().values(_values(group)))


def _values(group: Group) -> dict[str, Any]:
    return {
        "key": group.key,
        "receiver": group.receiver,
        "labels": group.labels,
        "alerts": [asdict(member) for member in group.members.values()],
        "flush_at": group.flush_at,
        "muted": any(member.muted for member in group.members.values()),
        "detached": group.detached,
        "log_floor": group.log_floor,
    }


def _group(row: Row[Any]) -> Group:
    members = {alert["fingerprint"]: Member(**alert) for alert in row.alerts}
    return Group(row.key, row.receiver, row.labels, members, row.flush_at, row.log_floor, row.detached)


def log_end(connection: Connection) -> int:
    """The id of the newest entry of the notification log."""
    return connection.execute(select(func.max(notification_log.c.id))).scalar() or 0


def last_entry(connection: Connection, group: Group) -> Entry | None:
    """What the receiver was told last about the group, leaving out what it never got."""
    log = notification_log
    query = (
        select(log.c.at, log.c.firing)
        .join(outbox, outbox.c.id == log.c.outbox_id, isouter=True)
        .where(log.c.group_key == group.key, log.c.receiver == group.receiver, log.c.id > group.log_floor)
        .where(or_(outbox.c.state.is_(None), outbox.c.state != FAILED))
        .order_by(log.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else Entry(row.at, frozenset(row.firing))


def record(
    connection: Connection,
    identity: Identity,
    entry: Entry,
    resolved: Collection[str],
    *,
    reason: Reason,
    outbox_id: int | None,
) -> None:
    """Write into the notification log what a receiver is told."""
    values = {"group_key": identity[0], "receiver": identity[1], "at": entry.at, "reason": reason.value}
    values |= {"firing": sorted(entry.firing), "resolved": sorted(resolved), "outbox_id": outbox_id}
    connection.execute(notification_log.insert().values(values))


def prune(connection: Connection, before: float) -> None:
    """Forget log entries older than this, but never the last one of a group that still exists."""
    log, group = notification_log, notification_group
    living = select(group.c.key).where(group.c.key == log.c.group_key, group.c.receiver == log.c.receiver).exists()
    connection.execute(delete(log).where(log.c.at < before, ~living))
