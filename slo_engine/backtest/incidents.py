"""Alerts that would have fired, from beginning to end, and how two ways of alerting differ in when they would tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from core.measures import Group
from slo_engine.backtest.replaying import Move
from slo_engine.windows import BurnRow

Key = tuple[str, Group, str]


@dataclass(frozen=True)
class Incident:
    """One alert that fired. Times are Unix seconds; `resolved_at` is None where it fired to the end.

    `row` decided that it fires. Budgets are shares that were left when it was first told of, fired and resolved.
    """

    slo: str
    group: Group
    severity: str
    starts_at: float
    firing_at: int
    resolved_at: int | None
    row: BurnRow | None
    budget_at_start: float | None
    budget_at_firing: float | None
    budget_at_resolved: float | None = None

    @property
    def key(self) -> Key:
        """What an alert is known by."""
        return self.slo, self.group, self.severity


Sooner = Literal["earlier", "same", "later", "only_here", "only_there"]


class Difference(NamedTuple):
    """One incident beside what another way of alerting makes of it. `change`: how the other would have told of it.

    `seconds`: how much later the other fires, below 0 when earlier; None where only one of them does.
    """

    change: Sooner
    here: Incident | None
    there: Incident | None
    seconds: int | None


def incidents(moves: Iterable[Move]) -> list[Incident]:
    """The alerts that fired, by when they did; those that only were pending are none."""
    first_told: dict[Key, float | None] = {}
    running: dict[Key, Incident] = {}
    found: list[Incident] = []
    for move in moves:
        change = move.change
        key = (change.slo, move.group, change.severity)
        if change.transition == "pending":
            first_told[key] = move.budget
        elif change.transition == "firing":
            begun = first_told.pop(key, move.budget)
            running[key] = Incident(*key, move.starts_at, change.minute, None, move.row, begun, move.budget)
        elif change.transition == "resolved" and key in running:
            ended = replace(running.pop(key), resolved_at=change.minute, budget_at_resolved=move.budget)
            found.append(ended)
        else:
            first_told.pop(key, None)
    return sorted([*found, *running.values()], key=lambda one: (one.firing_at, one.slo, one.group, one.severity))


def differences(here: Sequence[Incident], there: Sequence[Incident]) -> list[Difference]:
    """Each incident beside the other's of the same SLO, group and severity that overlaps it in time, in order."""
    left = list(there)
    found: list[Difference] = []
    for one in here:
        other = next((o for o in left if o.key == one.key and _overlap(one, o)), None)
        if other is None:
            found.append(Difference("only_here", one, None, None))
            continue
        left.remove(other)
        seconds = other.firing_at - one.firing_at
        change: Sooner = "same" if not seconds else "later" if seconds > 0 else "earlier"
        found.append(Difference(change, one, other, seconds))
    found += [Difference("only_there", None, other, None) for other in left]
    return sorted(found, key=_moment)


def _overlap(one: Incident, other: Incident) -> bool:
    ends = one.resolved_at, other.resolved_at
    return (ends[1] is None or one.starts_at <= ends[1]) and (ends[0] is None or other.starts_at <= ends[0])


def _moment(one: Difference) -> float:
    shown = one.here or one.there
    assert shown is not None
    return shown.firing_at
