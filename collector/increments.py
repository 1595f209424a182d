"""Counter rules: from the raw values of two scrapes of one target to whole increments, or to the reason why not.

The rules, in the order in which they are asked:

1. First sight of a target is a baseline, unless its page proves that its process began after the job was first watched
   and at most BIRTH_WINDOW before the target was discovered; then everything counts from zero, since the process began.
2. A later process start (or a later `_created` of the series) is a restart: the new value counts from zero. A start
   that is earlier, or later but well before the last scrape, is another worker's behind the same address: a baseline,
   and a fall.
3. A page that is not newer than the last one and says less was overtaken on its way: it is left out. Any other fall is
   a reset and counts the new value; but a fall under 1 % with an unchanged process start and no other counter falling
   is `not monotonic`, a baseline.
4. A series that is new on a known target counts from zero only if the last page was complete and was read under the
   same revision (relabelling, limits, profile); otherwise it is a baseline. A series that was away and returns goes on
   from its last value: what it counted meanwhile is counted, what it had counted before is not counted again.
5. Over SAWTOOTH_FALLS falls in SAWTOOTH_WINDOW that no restart explains: `sawtooth`, several workers behind one
   address. A series that was away and returns lower is reset by itself and is no such fall. The target is excluded,
   and says so, until a window has passed without a fall.

A histogram is one counter with a vector of cumulative values; it counts what the last of them gains. One whose bounds
change in one process goes on from what it showed (collector/rebounded.py). Values are scaled
and floored before they are differenced, so that increments are whole and add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from operator import lt, sub
from types import MappingProxyType
from typing import NamedTuple

from collector.counters import Columns, Reading, Table, Values
from collector.rebounded import carried, rebounded
from collector.renames import renamed
from storage.series.arrays import Ints

BIRTH_WINDOW = 300.0
"""A process that began longer than this before its discovery may have been counted under another address."""
PROCESS_START_TOLERANCE = 1.0
"""Some runtimes derive the start from uptime, which wanders by a clock tick; a restart takes longer than a second."""
CLOCK_SKEW = 60.0
"""A target's clock may be this much behind ours: a process that began longer than this before the last scrape of
another one ran beside it."""
OVERTAKEN_WINDOW = 120.0
"""No page is on its way for longer; a page that is older by more than this comes after a step of our own clock."""
SMALL_FALL = 0.01
SAWTOOTH_FALLS = 3
SAWTOOTH_WINDOW = 600.0
VANISHED_MEMORY = 3600.0
"""A series that was away for longer is forgotten, so that churning labels do not grow the checkpoint without end."""


class Verdict(Enum):
    """Why a counter's increment is what it is."""

    COUNTED = "counted"
    BORN = "born"
    BASELINE = "baseline"
    RESET = "reset"
    RESTARTED = "restarted"
    NOT_MONOTONIC = "not monotonic"
    SAWTOOTH = "sawtooth"


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


class TargetState(NamedTuple):
    """What is remembered of a target between scrapes; a checkpoint holds exactly this."""

    time: float
    process_start: float | None
    complete: bool
    revision: str
    counters: Mapping[str, Reading]
    """As the last page shows them."""
    falls: tuple[float, ...] = ()
    away: Mapping[str, Last] = MappingProxyType({})
    """Those that the last page lacks."""

    def last(self, key: str) -> Last | None:
        """A counter as it was last seen, None if it never was."""
        reading = self.counters.get(key)
        return self.away.get(key) if reading is None else Last(*reading, self.time)

    def every(self) -> dict[str, Last]:
        """All counters as they were last seen."""
        return {**self.away, **{key: Last(*reading, self.time) for key, reading in self.counters.items()}}


class Increment(NamedTuple):
    """What a counter gained over (begin, end], cumulative values differenced cell by cell."""

    key: str
    verdict: Verdict
    values: Values
    begin: float
    end: float


class Rise(NamedTuple):
    """What all counters of a page gained over (begin, end] where no rule had anything to say: as many increments that
    were counted."""

    columns: Columns
    gained: Ints
    begin: float
    end: float

    def increments(self) -> Iterator[Increment]:
        """One by one."""
        firsts = self.columns.firsts.tolist()
        for slot, (first, end) in zip(self.columns.slots, pairwise(firsts), strict=True):
            values = tuple(self.gained[first:end].tolist())
            if any(values):
                yield Increment(slot.key, Verdict.COUNTED, values, self.begin, self.end)


class Advance(NamedTuple):
    """The outcome of a page: increments, one by one or as a rise, the next state, and whether one process spans the
    interval."""

    increments: list[Increment]
    state: TargetState
    survived: bool
    covered_from: float
    sawtooth: bool
    not_monotonic: tuple[str, ...]
    rise: Rise | None = None
    relabelled: int = 0
    """Counters that go on under another name."""
    overtook: bool = False
    """A restart showed no smaller value than before: only its start time tells of it."""


class _Process(Enum):
    """What two start times say of a process or a series."""

    SAME = "same"
    LATER = "later"
    OTHER = "other"


class _Move(NamedTuple):
    """A counter to look at: on the page, and as it was last seen."""

    key: str
    reading: Reading
    last: Last | None


@dataclass
class _Walk:
    """One page against the state before it."""

    page: Page
    before: TargetState
    process: _Process
    moves: Sequence[_Move]
    fallen: frozenset[str]
    lone_small_fall: str | None
    split: frozenset[str] = frozenset()
    increments: list[Increment] = field(default_factory=list)

    def verdict(self, move: _Move) -> Verdict:
        key, reading, last = move
        own = _Process.SAME if last is None else _of_series(last, reading)
        if _Process.OTHER in (self.process, own):
            return Verdict.BASELINE
        if _Process.LATER in (self.process, own):
            return Verdict.RESTARTED
        if last is None:
            known = self.before.complete and self.before.revision == self.page.revision and key not in self.split
            return Verdict.BORN if known else Verdict.BASELINE
        if key == self.lone_small_fall:
            return Verdict.NOT_MONOTONIC
        return Verdict.RESET if key in self.fallen else Verdict.COUNTED


def advance(before: TargetState | None, page: Page, watched_since: float, discovered: float | None = None) -> Advance:
    """Apply the rules to one page.

    `watched_since`: when the target's job was first watched; `discovered`: when the target was (None: at this page).
    """
    if before is None:
        return _first_sight(page, watched_since, page.time if discovered is None else discovered)
    process = _process(before.process_start, page.process_start, before.time)
    rise = _rise(before, page, process)
    if rise is not None:
        return Advance([], _next_state(before, page, process, ()), True, before.time, False, (), rise)
    found = _renamed(before, page, process, _moves(before, page, process))
    moves = found.moves
    fallen = _fallen(moves) if process is _Process.SAME else frozenset()
    if _overtaken(before, page, process, fallen):
        return Advance([], before, False, page.time, len(before.falls) > SAWTOOTH_FALLS, ())
    lone = _lone_small_fall(before, page, fallen)
    unexplained = process is _Process.OTHER or (lone is None and _fell_back(before, fallen))
    falls = _falls(before, page.time, unexplained)
    walk = _Walk(page, before, process, moves, fallen, lone, found.split)
    sawtooth = len(falls) > SAWTOOTH_FALLS
    if not sawtooth:
        _count(walk)
    survived = process is _Process.SAME and not unexplained and not sawtooth and not _recreated(walk)
    return Advance(
        walk.increments,
        _next_state(before, page, process, falls, found.old),
        survived,
        before.time if survived else _restart_time(walk),
        sawtooth,
        (lone,) if lone is not None else (),
        None,
        found.relabelled,
        _overtook(walk),
    )


def added(before: TargetState | None, page: Page, since: float) -> Advance:
    """A page whose counters tell what was added since a time (Unix seconds): no rule has anything to say, and nothing
    of them is remembered."""
    begin = min(max(since, since if before is None else before.time), page.time)
    increments = [
        Increment(key, Verdict.COUNTED, reading.values, begin, page.time)
        for key, reading in page.counters.items()
        if any(reading.values)
    ]
    state = TargetState(page.time, page.process_start, page.complete, page.revision, {})
    return Advance(increments, state, True, begin, False, ())


def _rise(before: TargetState, page: Page, process: _Process) -> Rise | None:
    """The plain case, which the rules would count alike: the same counters of the same process, and none fell."""
    if process is not _Process.SAME or before.falls or page.time <= before.time:
        return None
    if not isinstance(page.counters, Table) or not isinstance(before.counters, Table):
        return None
    gained = page.counters.gained(before.counters)
    return None if gained is None else Rise(page.counters.columns, gained, before.time, page.time)


def _first_sight(page: Page, watched_since: float, discovered: float) -> Advance:
    start = page.process_start
    state = _next_state(None, page, _Process.SAME, ())
    born = start is not None and watched_since <= start <= page.time and discovered - start <= BIRTH_WINDOW
    if not born or start is None:
        return Advance([], state, False, page.time, False, ())
    increments = [
        Increment(key, Verdict.BORN, reading.values, start, page.time)
        for key, reading in page.counters.items()
        if any(reading.values)
    ]
    return Advance(increments, state, False, start, False, ())


def _process(before: float | None, now: float | None, last_seen: float) -> _Process:
    if before is None or now is None or not abs(now - before) > PROCESS_START_TOLERANCE:
        return _Process.SAME
    return _Process.LATER if now > before and now >= last_seen - CLOCK_SKEW else _Process.OTHER


def _of_series(last: Last, reading: Reading) -> _Process:
    if last.created == reading.created:
        return _Process.SAME
    return _process(last.created, reading.created, last.seen)


def _moves(before: TargetState, page: Page, process: _Process) -> list[_Move]:
    """What the rules have to look at: in one process, a counter that shows what it showed adds nothing."""
    same, shown = process is _Process.SAME, before.counters
    return [
        _Move(key, reading, before.last(key))
        for key, reading in page.counters.items()
        if not (same and reading == shown.get(key))
    ]


class _Found(NamedTuple):
    """The counters to look at, those among the last page's that go on as others, how many of them under another name,
    and what is split."""

    moves: list[_Move]
    old: frozenset[str] = frozenset()
    relabelled: int = 0
    split: frozenset[str] = frozenset()


def _renamed(before: TargetState, page: Page, process: _Process, moves: list[_Move]) -> _Found:
    """In another process nothing goes on."""
    fresh = [move.key for move in moves if move.last is None] if process is _Process.SAME else []
    gone = (before.counters.keys() | before.away.keys()) - page.counters.keys() if fresh else set()
    if not gone:
        return _Found(moves)
    bounds = rebounded(gone, fresh)
    names = renamed(gone, (key for key in fresh if key not in bounds))
    last = {key: _joined([one for k in old if (one := before.last(k))]) for key, old in names.origins.items()}
    last |= {key: _carried(before, old, key, page.counters[key].values) for key, old in bounds.items()}
    moved = [move._replace(last=last.get(move.key, move.last)) for move in moves]
    relabelled = frozenset(one for old in names.origins.values() for one in old)
    return _Found(moved, relabelled.union(*bounds.values()), len(relabelled), names.split)


def _carried(before: TargetState, old: Sequence[str], key: str, values: Values) -> Last:
    """A histogram that goes on with other bounds: what it would have shown, when it was last seen."""
    seen, origin = max((one.seen, k) for k in old if (one := before.last(k)))
    last = before.last(origin)
    assert last is not None
    return Last(carried(origin, last.values, key, values), last.created, seen)


def _joined(old: Sequence[Last]) -> Last:
    """Counters that one goes on from, as if they had been one."""
    created = old[0].created if len(old) == 1 else None
    values = tuple(map(sum, zip(*(one.values for one in old), strict=True)))
    return Last(values, created, min(one.seen for one in old))


def _overtook(walk: _Walk) -> bool:
    again = {gained.key for gained in walk.increments if gained.verdict is Verdict.RESTARTED}
    if not again:
        return False
    known = [(move.reading.values, move.last.values) for move in walk.moves if move.last and move.key in again]
    return any(any(old) for _, old in known) and not any(any(map(lt, new, old)) for new, old in known)


def _recreated(walk: _Walk) -> bool:
    """Whether a series began anew in a process of which nothing else is known."""
    return walk.page.process_start is None and any(
        last is not None and _of_series(last, reading) is not _Process.SAME for _, reading, last in walk.moves
    )


def _fallen(moves: Sequence[_Move]) -> frozenset[str]:
    """Counters that show less than before, or are another worker's, without a restart that explains it."""
    return frozenset(
        key
        for key, reading, last in moves
        if last is not None
        and (own := _of_series(last, reading)) is not _Process.LATER
        and (own is _Process.OTHER or any(map(lt, reading.values, last.values)))
    )


def _fell_back(before: TargetState, fallen: frozenset[str]) -> bool:
    """Whether a counter of the last page fell; one that was away may have been reset in an earlier restart."""
    return any((last := before.last(key)) is not None and last.seen == before.time for key in fallen)


def _overtaken(before: TargetState, page: Page, process: _Process, fallen: frozenset[str]) -> bool:
    late = 0 <= before.time - page.time <= OVERTAKEN_WINDOW
    return late and (process is _Process.OTHER or bool(fallen))


def _lone_small_fall(before: TargetState, page: Page, fallen: frozenset[str]) -> str | None:
    if len(fallen) != 1:
        return None
    (key,) = fallen
    known = before.process_start is not None and page.process_start is not None
    last, reading = before.last(key), page.counters[key]
    if not known or last is None or _of_series(last, reading) is not _Process.SAME:
        return None
    pairs = zip(reading.values, last.values, strict=False)
    return key if all(n >= o or o - n < SMALL_FALL * o for n, o in pairs) else None


def _falls(before: TargetState, now: float, fell: bool) -> tuple[float, ...]:
    recent = tuple(t for t in before.falls if abs(now - t) < SAWTOOTH_WINDOW)
    return (*recent, now) if fell else recent


def _count(walk: _Walk) -> None:
    for move in walk.moves:
        verdict = walk.verdict(move)
        values = _gained(verdict, move.reading.values, move.last)
        if any(values):
            begin = _begin(walk, verdict, move.reading, move.last)
            walk.increments.append(Increment(move.key, verdict, values, begin, walk.page.time))


def _gained(verdict: Verdict, values: Values, last: Last | None) -> Values:
    if verdict in (Verdict.BASELINE, Verdict.NOT_MONOTONIC):
        return ()
    if verdict is Verdict.COUNTED and last is not None:
        return tuple(map(sub, values, last.values))  # of one key, and so of one length
    return values


def _begin(walk: _Walk, verdict: Verdict, reading: Reading, last: Last | None) -> float:
    if verdict is Verdict.COUNTED and last is not None:
        return min(last.seen, walk.page.time)
    of_process = verdict is Verdict.RESTARTED and walk.process is _Process.LATER
    began = walk.page.process_start if of_process else reading.created
    return min(max(walk.before.time, began or walk.before.time), walk.page.time)


def _restart_time(walk: _Walk) -> float:
    """From when on the new process is known to have been watched: its start, else only from this scrape."""
    start = walk.page.process_start if walk.process is _Process.LATER else None
    return min(max(walk.before.time, start), walk.page.time) if start is not None else walk.page.time


def _next_state(
    before: TargetState | None, page: Page, process: _Process, falls: Sequence[float], old: frozenset[str] = frozenset()
) -> TargetState:
    away = _away(before, page, old) if before is not None and process is _Process.SAME else {}
    start = page.process_start
    if start is None and before is not None:
        start = before.process_start
    return TargetState(page.time, start, page.complete, page.revision, page.counters, tuple(falls), away)


def _away(before: TargetState, page: Page, old: frozenset[str]) -> dict[str, Last]:
    """What the page lacks, without what it shows under another name."""
    lost = () if _same_shape(before, page) else before.counters.keys() - page.counters.keys() - old
    if not lost and not before.away:
        return {}
    gone = {key: Last(*before.counters[key], before.time) for key in lost}
    return {
        key: last
        for key, last in (*before.away.items(), *gone.items())
        if key not in page.counters and key not in old and page.time - last.seen < VANISHED_MEMORY
    }


def _same_shape(before: TargetState, page: Page) -> bool:
    old, new = before.counters, page.counters
    return isinstance(old, Table) and isinstance(new, Table) and old.columns is new.columns
