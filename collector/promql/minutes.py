"""From what two queries say of each minute to whole counts of a part and a total. Pure: no input or output of its own.

A group's minute is answered where the total is finite and not negative, and the part as well; a part that the server
has no series for is 0. Fractions are carried to the next minute, so that sums are right to one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import floor, nan
from typing import Literal, NamedTuple

import orjson

from collector.placing import Span
from collector.promql.api import Stream
from core.labels import make
from core.measures import TARGET_TIME, Group, Measure, project
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, RowKey
from storage.plan import QueryMeasure

MINUTE = 60
GONE = 300
"""Seconds without a value after which a group has left: Prometheus's own lookback."""

MOST = 2.0**53
"""Above it a float is no count any more, and the ledger's integers end at 2**63."""

Course = Mapping[Group, Mapping[int, float]]
"""The value at the end of each minute (Unix seconds)."""


class Held(NamedTuple):
    """What is remembered of a group. `part`, `total`: what is left over of either, not counted yet; ends of minutes
    (Unix seconds): `seen`, the last with a value; `expected`, up to which its time is."""

    part: float
    total: float
    seen: int
    expected: int


@dataclass(frozen=True)
class Progress:
    """A checkpoint. `through`: the end of the last minute that was answered; `since`: when it was first asked."""

    through: int
    since: int
    groups: Mapping[Group, Held] = field(default_factory=dict)

    def dump(self) -> bytes:
        """For the checkpoint."""
        groups = [[dict(group), *held] for group, held in self.groups.items()]
        return orjson.dumps({"through": self.through, "since": self.since, "groups": groups})

    @staticmethod
    def restore(state: bytes) -> Progress:
        """From the checkpoint."""
        found = orjson.loads(state)
        groups = {make(labels): Held(*held) for labels, *held in found["groups"]}
        return Progress(found["through"], found["since"], groups)


class Counted(NamedTuple):
    """What is to be committed: the state after it, and what it adds to rows."""

    progress: Progress
    rows: Mapping[RowKey, AtomCells]


def course(streams: Iterable[Stream], by: tuple[str, ...]) -> Course:
    """Series that one group holds are summed; one that is negative makes its minute unknown (NaN)."""
    found: dict[Group, dict[int, float]] = {}
    for stream in streams:
        into = found.setdefault(project(stream.labels, by), {})
        for time, value in zip(stream.times, stream.values, strict=True):
            into[time // 1000] = into.get(time // 1000, 0.0) + (value if value >= 0 else nan)
    return found


def answered(ratio: QueryMeasure, before: Progress, part: Course, total: Course, end: int, now: float) -> Counted:
    """Count the minutes after `before.through` up to `end`."""
    walk = _Walk(ratio, now, dict(before.groups))
    for minute in range(before.through + MINUTE, end + MINUTE, MINUTE):
        if not ratio.by and minute > before.since:
            walk.know((), minute)
        shown = {group for group, values in total.items() if minute in values}
        for group in shown:
            walk.know(group, minute)
        for group in list(walk.groups):
            value = part.get(group, {}).get(minute, 0.0), total.get(group, {}).get(minute, nan)
            walk.step(group, minute, value, shown=group in shown)
    return Counted(Progress(end, before.since, walk.groups), walk.rows)


def unanswered(ratio: QueryMeasure, before: Progress, goal: int, now: float) -> Counted:
    """Nothing is known up to `goal` yet: the time was expected."""
    walk = _Walk(ratio, now, dict(before.groups))
    if not ratio.by and goal > before.since:
        walk.know((), max(before.through, before.since) + MINUTE)
    for group, held in list(walk.groups.items()):
        for minute in range(held.expected + MINUTE, goal + MINUTE, MINUTE):
            walk.expect(group, minute)
    return Counted(Progress(before.through, before.since, walk.groups), walk.rows)


def whole(held: Held, part: float, total: float) -> tuple[int, int, Held]:
    """The whole events of a minute, and what is left over for the next. A part is at most its total."""
    all_of_it, some = held.total + total, held.part + min(part, total)
    n = floor(all_of_it)
    k = min(floor(some), n)
    return k, n, held._replace(part=some - k, total=all_of_it - n)


@dataclass
class _Walk:
    """Minute after minute."""

    ratio: QueryMeasure
    now: float
    groups: dict[Group, Held]
    rows: dict[RowKey, AtomCells] = field(default_factory=dict)

    def know(self, group: Group, minute: int) -> None:
        """The group is expected from this minute on, unless it is already."""
        self.groups.setdefault(group, Held(0.0, 0.0, minute - MINUTE, minute - MINUTE))

    def step(self, group: Group, minute: int, value: tuple[float, float], *, shown: bool) -> None:
        """One group in one minute; `shown`: the answer has a value of it."""
        if self.ratio.by and not shown and minute - self.groups[group].seen > GONE:
            del self.groups[group]
            return
        self.expect(group, minute)
        if shown:
            self.groups[group] = self.groups[group]._replace(seen=minute)
        if all(0 <= one < MOST for one in value):  # false for NaN
            self._count(group, minute, *value)

    def expect(self, group: Group, minute: int) -> None:
        """Its time is expected, once."""
        held = self.groups[group]
        if minute > held.expected:
            self.groups[group] = held._replace(expected=minute)
            self._time("expected", group, minute)

    def _count(self, group: Group, minute: int, part: float, total: float) -> None:
        k, n, self.groups[group] = whole(self.groups[group], part, total)
        self._add(self.ratio.measure("part"), group, minute, k)
        self._add(self.ratio.measure("total"), group, minute, n)
        self._time("covered", group, minute)

    def _time(self, state: Literal["expected", "covered"], group: Group, minute: int) -> None:
        attrs = (("of", self.ratio.name), ("state", state))
        self._add(Measure(TARGET_TIME, "", attrs), group, minute, MINUTE * 1000)

    def _add(self, measure: Measure, group: Group, minute: int, n: int) -> None:
        if not n:
            return
        atom = Atom(measure, group)
        for key, placed in Span(minute - MINUTE, minute, self.now).place(n):
            into = self.rows.setdefault(key, {})
            into[atom, 0] = into.get((atom, 0), 0) + placed
