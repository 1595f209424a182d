"""Silences: who does not want to be told of which alerts, until when. Every change is audited."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select, update

from core.errors import ConfigError
from core.matchers import Matcher, matches_all
from storage.database import Database
from storage.tables import audit, silence

_PROBES = ("", "0", "x", "no-such-value-is-in-use", "Ω")
"""Values that have nothing in common: a matcher that takes all but the empty one tells no alerts apart."""


_LONGEST = 366 * 86_400.0
"""Seconds: what shall be quiet for longer is no alert, and no calendar says the end of a million years."""


@dataclass(frozen=True)
class Silence:
    """Alerts that fit every matcher do not notify from `starts_at` to `ends_at` (Unix seconds, end exclusive)."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    created_at: float

    def is_active(self, now: float) -> bool:
        """Whether it holds at this moment."""
        return self.starts_at <= now < self.ends_at

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is meant."""
        return matches_all(self.matchers, labels)


def add(
    db: Database,
    matchers: Sequence[Matcher],
    starts_at: float,
    ends_at: float | None,
    created_by: str,
    comment: str,
    now: float,
    *,
    actor: str | None = None,
) -> str:
    """Store a silence and return its id; ConfigError if it has no end, is over, or would hide every alert.

    `actor`: who the audit names, where that is not `created_by`.
    """
    end = _checked_end(starts_at, ends_at, now)
    _check_matchers(matchers)
    if not created_by.strip():
        raise ConfigError("a silence needs its author: write created_by")
    silence_id = str(uuid.uuid4())
    stored = [{"name": m.name, "op": m.op, "value": m.value} for m in matchers]
    values = {"id": silence_id, "matchers": stored, "starts_at": starts_at, "ends_at": end}
    values |= {"created_by": created_by, "comment": comment, "created_at": now}
    with db.write() as connection:
        connection.execute(silence.insert().values(values))
        _audit(connection, now, actor or created_by, ("silence.add", silence_id), values)
    return silence_id


def list_silences(db: Database, now: float, include_expired: bool = False) -> list[Silence]:
    """Silences that hold or will, soonest end first; with those that are over on request."""
    query = select(silence).order_by(silence.c.ends_at, silence.c.id)
    if not include_expired:
        query = query.where(silence.c.ends_at > now)
    with db.read() as connection:
        return [_from_row(row) for row in connection.execute(query)]


def active(connection: Connection, now: float) -> list[Silence]:
    """The silences that hold now, read in the caller's transaction."""
    query = select(silence).where(silence.c.starts_at <= now, silence.c.ends_at > now)
    return [_from_row(row) for row in connection.execute(query)]


def expire(db: Database, silence_id: str, by: str, now: float, *, actor: str | None = None) -> None:
    """End a silence now; ConfigError if there is none of this id or it is over already. `actor`: as for `add`."""
    with db.write() as connection:
        row = connection.execute(select(silence).where(silence.c.id == silence_id)).first()
        if row is None:
            raise ConfigError(f"there is no silence {silence_id!r}: list them to see their ids")
        if row.ends_at <= now:
            raise ConfigError(f"silence {silence_id!r} is over already")
        # One that has not begun must not begin after its end.
        values = {"ends_at": now, "starts_at": min(row.starts_at, now)}
        connection.execute(update(silence).where(silence.c.id == silence_id).values(values))
        detail = {"planned_end": row.ends_at, "by": by}
        _audit(connection, now, actor or by, ("silence.expire", silence_id), detail)


def _checked_end(starts_at: float, ends_at: float | None, now: float) -> float:
    if ends_at is None:
        raise ConfigError("a silence needs an end: write how long it lasts, as 2h")
    if not starts_at < ends_at < float("inf"):
        raise ConfigError("a silence must end after it starts: write a later end")
    if ends_at - now > _LONGEST:
        raise ConfigError("a silence lasts a year at most: write an earlier end")
    if ends_at <= now:
        raise ConfigError("this silence would be over already: write an end in the future")
    return ends_at


def _check_matchers(matchers: Sequence[Matcher]) -> None:
    if not matchers:
        raise ConfigError('a silence needs matchers: write which alerts it means, as slo="chat-ttft"')
    catches_absent = all(m.accepts("") for m in matchers)
    catches_present = all(m.accepts(value) for m in matchers for value in _PROBES[1:])
    if catches_absent or catches_present:
        raise ConfigError(
            f"matchers {', '.join(map(str, matchers))} would hide nearly every alert: "
            'name at least one value that must be there, as slo="chat-ttft"'
        )


def _audit(connection: Connection, now: float, actor: str, what: tuple[str, str], detail: Mapping[str, object]) -> None:
    action, subject = what
    values = {"at": now, "actor": actor, "action": action, "subject": subject, "detail": dict(detail)}
    connection.execute(audit.insert().values(values))


def _from_row(row: Row[tuple[object, ...]]) -> Silence:
    values = row._asdict()
    matchers = tuple(Matcher(m["name"], m["op"], m["value"]) for m in values.pop("matchers"))
    return Silence(matchers=matchers, **values)
