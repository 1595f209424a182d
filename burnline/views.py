"""Rows of storage as JSON for the API and the command line: times in RFC 3339, matchers as text."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from core.durations import DAY, render
from core.measures import group_from_key
from storage.canaries import Canary
from storage.deployments import Deployment
from storage.fleet import TargetHealth
from storage.incidents import Incident
from storage.maintenance import Maintenance
from storage.silences import Silence
from storage.slo import AlertRow
from storage.tokens import Token


def time_text(time: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC, to the millisecond."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: time_text(value) if name.endswith(("_at", "since")) else value for name, value in row.items()}


def incident(found: Incident) -> dict[str, Any]:
    """One incident."""
    row = _with_times(asdict(found))
    row["alerts"] = [_with_times(dict(alert)) for alert in row["alerts"]]
    return row


def silence(found: Silence, now: float) -> dict[str, Any]:
    """One silence; `state` is active, pending or expired."""
    row = _with_times(asdict(found))
    row["matchers"] = [str(matcher) for matcher in found.matchers]
    row["state"] = "active" if found.is_active(now) else "pending" if now < found.starts_at else "expired"
    return row


def maintenance(found: Maintenance, now: float) -> dict[str, Any]:
    """One maintenance window; `state` is active, pending or over."""
    coming = next(iter(found.between(now, now + 366 * DAY)), None)
    begins, ends = coming or (None, None)
    return {
        "id": found.id,
        "matchers": [str(matcher) for matcher in found.matchers],
        "begins": found.when.start.isoformat(),
        "zone": found.when.zone,
        "duration": render(found.when.duration),
        "rule": found.when.rule,
        "reason": found.reason,
        "created_by": found.created_by,
        "created_at": time_text(found.created_at),
        "ended_at": time_text(found.ended_at),
        "next_begins_at": time_text(begins),
        "next_ends_at": time_text(ends),
        "state": "over" if begins is None else "active" if begins <= now else "pending",
    }


def canary(found: Canary) -> dict[str, Any]:
    """One canary; `verdict` is the row of its verdict, `judged_at` up to when it speaks."""
    row = _with_times(asdict(found))
    return row | {"judged_at": time_text(row.pop("watermark"))}


def target(found: TargetHealth) -> dict[str, Any]:
    """One target's health."""
    return _with_times(asdict(found))


def alert(found: AlertRow) -> dict[str, Any]:
    """One alert's state."""
    row = _with_times(found._asdict())
    return {"slo": row.pop("slo"), "group": dict(group_from_key(row.pop("group_key"))), **row}


def deployment(found: Deployment) -> dict[str, Any]:
    """One registered deployment."""
    return _with_times(asdict(found)) | {"at": time_text(found.at)}


def token(found: Token, now: float) -> dict[str, Any]:
    """One token without its secret; `holds`: neither revoked nor expired."""
    return {**_with_times(asdict(found)), "holds": found.holds(now)}
