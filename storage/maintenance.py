"""Maintenance windows: time that SLOs which say so do not count. Every change is audited.

A window may begin up to 48 hours back, for as long as minutes are kept: what is older stays as it was counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select, update

from core.buckets import MINUTES
from core.durations import DAY, MINUTE
from core.errors import ConfigError, ParseError
from core.matchers import Matcher
from core.recurrence import Recurrence, check_rule, check_zone, unix_of
from storage.database import Database
from storage.tables import audit, maintenance

_LONGEST = 31 * DAY
_FARTHEST = 366 * DAY


@dataclass(frozen=True)
class Maintenance:
    """Groups of SLOs that fit every matcher (on `slo`, `service`, their labels) do not count what happens in `when`.

    `ended_at` (Unix seconds) cuts the occurrence that it falls into, and those after it.
    """

    id: str
    matchers: tuple[Matcher, ...]
    when: Recurrence
    reason: str
    created_by: str
    created_at: float
    ended_at: float | None = None

    def between(self, low: float, high: float) -> list[tuple[float, float]]:
        """Its occurrences that touch [low, high), as [begin, end) in Unix seconds."""
        last = float("inf") if self.ended_at is None else self.ended_at
        cut = ((begin, min(end, last)) for begin, end in self.when.between(low, high))
        return [(begin, end) for begin, end in cut if begin < end and end > low]


def add(
    db: Database,
    matchers: Sequence[Matcher],
    when: Recurrence,
    reason: str,
    created_by: str,
    now: float,
    *,
    actor: str | None = None,
) -> str:
    """Store a window and return its id; ConfigError for one that cannot be meant. `actor`: who the audit names."""
    _check(matchers, when, reason, created_by, now)
    key = str(uuid.uuid4())
    stored = [{"name": m.name, "op": m.op, "value": m.value} for m in matchers]
    values: dict[str, object] = {"id": key, "matchers": stored, "begins": when.start.isoformat(), "zone": when.zone}
    values |= {"duration": when.duration, "rule": when.rule, "reason": reason.strip()}
    values |= {"created_by": created_by, "created_at": now}
    with db.write() as connection:
        connection.execute(maintenance.insert().values(values))
        _audit(connection, now, actor or created_by, ("maintenance.add", key), values)
    return key


def list_maintenance(db: Database, now: float, *, include_over: bool = False) -> list[Maintenance]:
    """Windows that hold or will come again, by their beginning; with those that are over on request."""
    found = since(db, 0.0)
    if include_over:
        return found
    return [one for one in found if one.between(now, now + _FARTHEST)]


def since(db: Database, ended: float) -> list[Maintenance]:
    """Every window that was not ended before a time, by its beginning."""
    query = select(maintenance).order_by(maintenance.c.begins, maintenance.c.id)
    with db.read() as connection:
        rows = connection.execute(query.where((maintenance.c.ended_at.is_(None)) | (maintenance.c.ended_at >= ended)))
        return [_from_row(row) for row in rows]


def end(db: Database, key: str, by: str, now: float, *, actor: str | None = None) -> None:
    """End a window now, with all that would come again; ConfigError if there is none or it is over."""
    with db.write() as connection:
        row = connection.execute(select(maintenance).where(maintenance.c.id == key)).first()
        if row is None:
            raise ConfigError(f"there is no maintenance {key!r}: list them to see their ids")
        if not _from_row(row).between(now, now + _FARTHEST):
            raise ConfigError(f"maintenance {key!r} is over already")
        connection.execute(update(maintenance).where(maintenance.c.id == key).values(ended_at=now))
        _audit(connection, now, actor or by, ("maintenance.end", key), {"by": by})


def _check(matchers: Sequence[Matcher], when: Recurrence, reason: str, created_by: str, now: float) -> None:
    if not matchers:
        raise ConfigError('maintenance needs matchers: write whose, as slo="chat-success", or slo=~".+" for all')
    if not reason.strip() or not created_by.strip():
        raise ConfigError("maintenance needs a reason and who says so: what it excludes is told with both")
    if not MINUTE <= when.duration <= _LONGEST:
        raise ConfigError("maintenance lasts from a minute to 31 days at a time: write another duration")
    try:
        check_zone(when.zone)
        if when.rule is not None:
            check_rule(when.rule, when.start)
    except ParseError as error:
        raise ConfigError(str(error)) from None
    _check_begin(when, now)


def _check_begin(when: Recurrence, now: float) -> None:
    begin = unix_of(when.start, when.zone)
    if begin < now - MINUTES.retention:
        raise ConfigError("maintenance may begin 48 hours back: what is older stays as it was counted")
    if begin > now + _FARTHEST:
        raise ConfigError("maintenance begins within a year: write an earlier beginning")


def _audit(connection: Connection, now: float, actor: str, what: tuple[str, str], detail: Mapping[str, object]) -> None:
    action, subject = what
    values = {"at": now, "actor": actor, "action": action, "subject": subject, "detail": dict(detail)}
    connection.execute(audit.insert().values(**values))


def _from_row(row: Row[tuple[object, ...]]) -> Maintenance:
    values = row._asdict()
    when = Recurrence(
        datetime.fromisoformat(values.pop("begins")), values.pop("zone"), values.pop("duration"), values.pop("rule")
    )
    matchers = tuple(Matcher(m["name"], m["op"], m["value"]) for m in values.pop("matchers"))
    return Maintenance(matchers=matchers, when=when, **values)
