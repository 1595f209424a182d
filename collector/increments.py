"""Counter rules: from the raw values of two scrapes of one target to whole increments, or to the reason why not.

The rules, in the order in which they are asked:

1. First sight of a target is a baseline, unless its page proves that its process began after the job was first watched
   and at most BIRTH_WINDOW before this scrape; then everything counts from zero, since the process began.
2. A changed process start (or a changed `_created` of the series) is a restart: the new value counts from zero.
3. A fall is a reset and counts the new value; but a fall under 1 % with an unchanged process start and no other counter
   falling is `not monotonic`, a baseline.
4. A series that is new on a known target counts from zero only if the last page was complete and was read under the same
   revision (relabelling, limits, profile); otherwise it is a baseline. A series that was away and returns goes on from
   its last value: what it counted meanwhile is counted, what it had counted before is not counted again.
5. Over SAWTOOTH_FALLS falls in SAWTOOTH_WINDOW without a changed process start: `sawtooth`, several workers behind one
   address. The target is excluded, and says so, until a window has passed without a fall.

A histogram is one counter with a vector of cumulative values. Values are scaled and floored before they are
differenced, so that increments are whole and add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from math import floor, isfinite
from typing import NamedTuple

BIRTH_WINDOW = 300.0
"""A process that began longer than this before its discovery may have been counted under another address."""
PROCESS_START_TOLERANCE = 1.0
"""Some runtimes derive the start from uptime, which wanders by a clock tick; a restart takes longer than a second."""
SMALL_FALL = 0.01
SAWTOOTH_FALLS = 3
SAWTOOTH_WINDOW = 600.0
VANISHED_MEMORY = 3600.0
"""A series that was away for longer is forgotten, so that churning labels do not grow the checkpoint without end."""

Values = tuple[int, ...]


class Verdict(Enum):
    """Why a counter's increment is what it is."""

    COUNTED = "counted"
    BORN = "born"
    BASELINE = "baseline"
    RESET = "reset"
    RESTARTED = "restarted"
    NOT_MONOTONIC = "not monotonic"
    SAWTOOTH = "sawtooth"


class Reading(NamedTuple):
    """One counter on one page: its cumulative values (one, or a histogram's), and its `_created` time if it has one."""

    values: Values
    created: float | None = None


class Page(NamedTuple):
    """What one good scrape says. `time` in Unix seconds; `complete`: nothing was cut by a limit."""

    time: float
    counters: Mapping[str, Reading]
    process_start: float | None
    complete: bool
    revision: str


class Last(NamedTuple):
    """A counter as it was last seen."""

    values: Values
    created: float | None
    seen: float


@dataclass(frozen=True)
class TargetState:
    """What is remembered of a target between scrapes; a checkpoint holds exactly this."""

    time: float
    process_start: float | None
    complete: bool
    revision: str
    counters: Mapping[str, Last]
    falls: tuple[float, ...] = ()


class Increment(NamedTuple):
    """What a counter gained over (begin, end], cumulative values differenced cell by cell."""

    key: str
    verdict: Verdict
    values: Values
    begin: float
    end: float


class Advance(NamedTuple):
    """The outcome of a page: increments, the next state, and whether one process spans the interval."""

    increments: list[Increment]
    state: TargetState
    survived: bool
    covered_from: float
    sawtooth: bool
    not_monotonic: tuple[str, ...]


def whole(value: float, scale: float = 1.0) -> int | None:
    """A raw counter value as a whole number of units; None when it is no number that a counter can have."""
    if not isfinite(value) or value < 0:
        return None
    return floor(value * scale + 1e-9) if scale != 1.0 else floor(value)


@dataclass
class _Walk:
    """One page against the state before it."""

    page: Page
    before: TargetState
    restarted: bool
    fallen: frozenset[str]
    lone_small_fall: str | None
    increments: list[Increment] = field(default_factory=list)

    def verdict(self, key: str, reading: Reading, last: Last | None) -> Verdict:
        if last is None:
            return self._verdict_on_new()
        if self.restarted or _recreated(last, reading) or len(last.values) != len(reading.values):
            return Verdict.RESTARTED if self.restarted or _recreated(last, reading) else Verdict.BASELINE
        if key == self.lone_small_fall:
            return Verdict.NOT_MONOTONIC
        return Verdict.RESET if key in self.fallen else Verdict.COUNTED

    def _verdict_on_new(self) -> Verdict:
        if self.restarted:
            return Verdict.RESTARTED
        known = self.before.complete and self.before.revision == self.page.revision
        return Verdict.BORN if known else Verdict.BASELINE


def advance(before: TargetState | None, page: Page, watched_since: float) -> Advance:
    """Apply the rules to one page. `watched_since`: when the job that holds the target was first watched."""
    if before is None:
        return _first_sight(page, watched_since)
    restarted = _restarted(before.process_start, page.process_start)
    fallen = _fallen(before, page) if not restarted else frozenset()
    lone = _lone_small_fall(before, page, fallen)
    falls = _falls(before, page, fallen if lone is None else frozenset())
    walk = _Walk(page, before, restarted, fallen, lone)
    if restarted:
        falls = ()
    sawtooth = len(falls) > SAWTOOTH_FALLS
    if not sawtooth:
        _count(walk)
    survived = not restarted and not (fallen and lone is None) and not sawtooth
    begin = before.time if survived else _restart_time(walk)
    return Advance(
        walk.increments, _next_state(before, page, falls), survived, begin, sawtooth, (lone,) if lone is not None else ()
    )


def _first_sight(page: Page, watched_since: float) -> Advance:
    start = page.process_start
    state = _next_state(None, page, ())
    born = start is not None and watched_since <= start <= page.time and page.time - start <= BIRTH_WINDOW
    if not born or start is None:
        return Advance([], state, False, page.time, False, ())
    increments = [
        Increment(key, Verdict.BORN, reading.values, start, page.time)
        for key, reading in page.counters.items()
        if any(reading.values)
    ]
    return Advance(increments, state, False, start, False, ())


def _restarted(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and abs(now - before) > PROCESS_START_TOLERANCE


def _recreated(last: Last, reading: Reading) -> bool:
    return _restarted(last.created, reading.created)


def _fallen(before: TargetState, page: Page) -> frozenset[str]:
    return frozenset(
        key
        for key, reading in page.counters.items()
        if (last := before.counters.get(key)) is not None
        and not _recreated(last, reading)
        and any(new < old for new, old in zip(reading.values, last.values, strict=False))
    )


def _lone_small_fall(before: TargetState, page: Page, fallen: frozenset[str]) -> str | None:
    if len(fallen) != 1:
        return None
    (key,) = fallen
    known = before.process_start is not None and page.process_start is not None
    old, new = before.counters[key].values, page.counters[key].values
    small = all(n >= o or o - n < SMALL_FALL * o for n, o in zip(new, old, strict=False))
    return key if known and small else None


def _falls(before: TargetState, page: Page, fallen: frozenset[str]) -> tuple[float, ...]:
    recent = tuple(t for t in before.falls if page.time - t < SAWTOOTH_WINDOW)
    return (*recent, page.time) if fallen else recent


def _count(walk: _Walk) -> None:
    for key, reading in walk.page.counters.items():
        last = walk.before.counters.get(key)
        verdict = walk.verdict(key, reading, last)
        values = _gained(verdict, reading.values, last)
        if any(values):
            begin = _begin(walk, verdict, reading, last)
            walk.increments.append(Increment(key, verdict, values, begin, walk.page.time))


def _gained(verdict: Verdict, values: Values, last: Last | None) -> Values:
    if verdict in (Verdict.BASELINE, Verdict.NOT_MONOTONIC):
        return ()
    if verdict is Verdict.COUNTED and last is not None:
        return tuple(new - old for new, old in zip(values, last.values, strict=True))
    return values


def _begin(walk: _Walk, verdict: Verdict, reading: Reading, last: Last | None) -> float:
    if verdict is Verdict.COUNTED and last is not None:
        return min(last.seen, walk.page.time)
    began = reading.created if verdict is not Verdict.RESTARTED or not walk.restarted else walk.page.process_start
    return min(max(walk.before.time, began or walk.before.time), walk.page.time)


def _restart_time(walk: _Walk) -> float:
    """From when on the new process is known to have been watched: its start, else only from this scrape."""
    start = walk.page.process_start if walk.restarted else None
    return min(max(walk.before.time, start), walk.page.time) if start is not None else walk.page.time


def _next_state(before: TargetState | None, page: Page, falls: Sequence[float]) -> TargetState:
    counters = {
        key: Last(reading.values, reading.created, page.time) for key, reading in page.counters.items()
    }
    same_process = before is not None and not _restarted(before.process_start, page.process_start)
    if before is not None and same_process:
        for key, last in before.counters.items():
            if key not in counters and page.time - last.seen < VANISHED_MEMORY:
                counters[key] = last
    start = page.process_start
    if start is None and before is not None:
        start = before.process_start
    return TargetState(page.time, start, page.complete, page.revision, counters, tuple(falls))


def at_baseline(state: TargetState) -> TargetState:
    """The same state, for a target whose next page must be a baseline (its page was read under other rules)."""
    return replace(state, counters={}, complete=False)


def cells_of(cumulative: Values) -> list[int]:
    """Disjoint cells of increments of cumulative values; a page that was written unevenly never counts below zero."""
    cells = []
    highest = 0
    for value in cumulative:
        cells.append(max(0, value - highest))
        highest = max(highest, value)
    return cells
