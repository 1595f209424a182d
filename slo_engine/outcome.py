"""What one round of the engine knows of the fleet, and what it has to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from slo_engine.conditions import Alert, Decision, State, began
from storage.alerts import AlertEvent
from storage.canaries import Canary
from storage.fleet import TargetHealth
from storage.slo import AlertRow
from storage.status_blocks import StatusBlock

Key = tuple[str, str, str]
"""An alert's identity: (slo, group, severity)."""


class Fleet(NamedTuple):
    """What an evaluation knows of the fleet. `pulse`: as in `storage.fleet`."""

    watermark: float | None
    pulse: float | None
    targets: Sequence[TargetHealth]
    left: Sequence[TargetHealth]
    capped: Sequence[str]
    signals: frozenset[str]


class Outcome:
    """Collects a round's decisions over the alerts as they are stored. `status` is None when no minute was judged.

    `blocks` has the status of groups at rest.
    """

    def __init__(self, stored: Mapping[Key, AlertRow]) -> None:
        self._stored = stored
        self.alerts: dict[Key, AlertRow] = {}
        self.judged: set[Key] = set()
        self.events: list[AlertEvent] = []
        self.status: list[tuple[str, str, Mapping[str, Any]]] | None = None
        self.blocks: list[StatusBlock] = []
        self.minute: int | None = None
        self.canaries: list[Canary] = []

    def before(self, key: Key) -> Alert:
        """Where an alert stood before this round."""
        stored = self._stored.get(key)
        if stored is None:
            return Alert()
        return Alert(State(stored.state), stored.since, stored.starts_at, stored.calm_ticks)

    def awake(self) -> list[Key]:
        """Alerts that were pending or firing before this round."""
        return [key for key, stored in self._stored.items() if stored.state != State.OK.value]

    def move(self, key: Key, decision: Decision) -> float | None:
        """Note the next state; when an event has to be told, returns since when the alert's condition has held."""
        before, after = self.before(key), decision.alert
        self.judged.add(key)
        if after != before:
            self.alerts[key] = AlertRow(*key, after.state.value, after.since, after.starts_at, after.calm_ticks)
        return began(before, decision) if decision.transition else None
