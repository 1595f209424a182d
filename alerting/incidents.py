"""An incident's life: opened by the first alert of a group, joined by others, closed when the group has resolved.

It is kept by the group of the first route that an alert matches; groups of further receivers refer to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from alerting.evidence import title
from alerting.notification import AlertView
from storage import incidents as stored
from storage.alerts import AlertEvent
from storage.incidents import RESOLVED, UNNOTIFIED, Incident


class Incidents:
    """The incidents that one transaction touches."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loaded: dict[int, Incident] = {}
        self._stored: dict[int, Incident] = {}

    def join(self, group_key: str, event: AlertEvent, alert: AlertView, is_new: bool) -> int:
        """Put a firing alert into the group's open incident, or open one. A new alert lifts the acknowledgement."""
        found = self._open(group_key)
        if found is None:
            found = self._create(group_key, event, alert)
        elif is_new and found.acknowledged_at is not None:
            found = self._lift(found)
        self._put(found, _entry(alert))
        return found.id

    def end(self, incident_id: int, fingerprint: str, at: float) -> None:
        """One of its alerts has resolved."""
        found = self._get(incident_id)
        for entry in found.alerts if found is not None else ():
            if found is not None and entry["fingerprint"] == fingerprint and entry["ends_at"] is None:
                self._put(found, entry | {"ends_at": at})

    def is_acknowledged(self, incident_ids: Iterable[int]) -> bool:
        """Whether somebody has taken all of them."""
        found = [self._get(one) for one in incident_ids]
        return all(one is not None and one.acknowledged_at is not None for one in found)

    def notified(self, incident_ids: Iterable[int], alerts: list[AlertView], facts: dict[str, Any], now: float) -> None:
        """Somebody is told: keep the evidence and the title that they see."""
        for incident_id in incident_ids:
            if (found := self._get(incident_id)) is not None:
                notified_at = found.notified_at if found.notified_at is not None else now
                self._set(replace(found, notified_at=notified_at, evidence=facts, title=title(alerts)))

    def close_if_resolved(self, incident_id: int, group_key: str) -> None:
        """Close it if it is this group's and none of its alerts fires."""
        found = self._get(incident_id)
        if found is None or found.group_key != group_key or not found.open:
            return
        ends = [one["ends_at"] for one in found.alerts]
        if None in ends:
            return
        outcome = UNNOTIFIED if found.notified_at is None else RESOLVED
        self._set(replace(found, open=False, resolved_at=max(ends), outcome=outcome, ack_pending=False))

    def move(self, incident_id: int, group_key: str) -> None:
        """Its alerts are routed to another group."""
        found = self._get(incident_id)
        if found is not None and found.group_key != group_key:
            self._set(replace(found, group_key=group_key))

    def acknowledged_unsent(self) -> list[Incident]:
        """Those whose acknowledgement is still to be passed on."""
        waiting = stored.with_unsent_acknowledgement(self._connection)
        return [self._remember(one) for one in waiting]

    def acknowledgement_sent(self, incident_id: int) -> None:
        """Every receiver that wants to know has a row in the outbox."""
        if (found := self._get(incident_id)) is not None:
            self._set(replace(found, ack_pending=False))

    def save(self) -> None:
        """Write what has changed, column by column: an acknowledgement that comes in meanwhile stays."""
        for incident_id, now_is in self._loaded.items():
            before = vars(self._stored[incident_id])
            changed = {name: value for name, value in vars(now_is).items() if value != before[name]}
            if changed:
                stored.change(self._connection, incident_id, **changed)
            self._stored[incident_id] = now_is

    def _open(self, group_key: str) -> Incident | None:
        mine = (one for one in self._loaded.values() if one.open and one.group_key == group_key)
        if (known := next(mine, None)) is not None:
            return known
        found = stored.open_one(self._connection, group_key)
        # One that this transaction has moved or closed is not this group's any more.
        return None if found is None or found.id in self._loaded else self._remember(found)

    def _remember(self, found: Incident) -> Incident:
        self._stored.setdefault(found.id, found)
        return self._loaded.setdefault(found.id, found)

    def _create(self, group_key: str, event: AlertEvent, alert: AlertView) -> Incident:
        new = stored.insert(
            self._connection,
            group_key=group_key,
            slo=event.slo,
            title=title([alert]),
            severity=alert.labels.get("severity", event.severity),
            labels=dict(event.labels),
            evidence={},
            alerts=[],
            opened_at=event.at,
        )
        return self._remember(new)

    def _lift(self, found: Incident) -> Incident:
        cleared = replace(found, acknowledged_at=None, acknowledged_by=None, comment=None, ack_pending=False)
        self._set(cleared)
        return cleared

    def _put(self, found: Incident, entry: dict[str, Any]) -> None:
        others = [one for one in found.alerts if one["fingerprint"] != entry["fingerprint"]]
        self._set(replace(found, alerts=[*others, entry]))

    def _get(self, incident_id: int) -> Incident | None:
        if incident_id not in self._loaded and (found := stored.load(self._connection, incident_id)) is not None:
            self._remember(found)
        return self._loaded.get(incident_id)

    def _set(self, changed: Incident) -> None:
        self._loaded[changed.id] = changed


def _entry(alert: AlertView) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "evidence": alert.evidence,
    }
