"""The burn-rate decisions of a ledger as it is now, moment by moment, by the functions that the live engine decides
with.

A ledger does not tell which targets left discovery: no alert is retired here, as the engine would. Sampled SLOs are
left out: what a detector said late is in the ledger as if it had been known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple, cast

import numpy as np

from core.buckets import TIERS
from core.measures import Group, group_key
from slo_engine.backtest.composites import CompositeLane, lanes_of, sources_of
from slo_engine.backtest.few import is_near, sight
from slo_engine.backtest.lane import Course, Point
from slo_engine.backtest.quick import QuickAccount
from slo_engine.backtest.running import Ints
from slo_engine.backtest.screen import suspects
from slo_engine.backtest.zones import Zone, minute_zone, widened
from slo_engine.book import Account, Book
from slo_engine.burn import Revision, Spent
from slo_engine.compile import Formula, compile_slo, told_by
from slo_engine.conditions import Alert, Level, State, began, decide
from slo_engine.evaluate import Stand, policy_of, read_group, revisions_of, severities, stand
from slo_engine.exclusions.counts import ExcludedCounts
from slo_engine.groups import formula_of
from slo_engine.history import layers_of
from slo_engine.low_traffic import MIN_BAD_EVENTS, STEP, few, with_finding
from slo_engine.periods import period_of, period_seconds
from slo_engine.resets import Resets
from slo_engine.specs.model import Slo, TimeSlices
from slo_engine.status import Reading, Reset
from slo_engine.timeslices.past import with_verdicts
from slo_engine.windows import BurnPolicy, BurnRow
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import RowKey

Revisions = Mapping[str, Sequence[Revision]]
_NO_RESETS = Resets()
Told = Callable[[int, int], None]
"""Hears how many moments of how many are judged."""


class Change(NamedTuple):
    """An alert that would have moved at the end of a minute (Unix seconds)."""

    minute: int
    slo: str
    group_key: str
    severity: str
    transition: str


class Move(NamedTuple):
    """A change with what was known then.

    `starts_at`: since when its condition had held. `row`: the row of the burn table that decided; None where none was
    above. `budget`: the share of the period's budget that was left; None where nothing was counted.
    """

    change: Change
    group: Group
    starts_at: float
    row: BurnRow | None
    budget: float | None


def backtest(database: Database, slos: Iterable[Slo], minutes: Sequence[int], revisions: Revisions) -> list[Change]:
    """Every change of a burn-rate alert, had the engine evaluated exactly these minutes over this ledger."""
    replay = Replay(load_book(database, measurable(slos)), revisions)
    replay.run([minute_zone(minutes)])
    return [move.change for move in replay.moves]


def measurable(slos: Iterable[Slo]) -> list[Slo]:
    """Those that a ledger can be asked about."""
    return [slo for slo in slos if not slo.unsupported and not slo.sampled]


class Past(NamedTuple):
    """What a replay reads: the counts of some SLOs, and what the engine left out of them then; `composites` are made of
    them. `atoms`: what the ledger has counted."""

    book: Book
    left_out: ExcludedCounts
    composites: tuple[Formula, ...] = ()
    atoms: Mapping[int, Atom] = MappingProxyType({})


@dataclass
class Lane(Course):
    """One group of one SLO that counts. `own` is the formula with the target that the group has.

    `near`: evidence where events are few is so near its threshold that every moment counts.
    """

    place: int
    own: Formula
    account: Account
    revisions: Sequence[Revision]
    read: QuickAccount
    near: bool = False

    @property
    def awake(self) -> bool:
        """Whether an alert of it is pending or firing, or near it."""
        return self.near or any(alert.state is not State.OK for alert in self.alerts.values())

    @property
    def budgets(self) -> tuple[Fraction, Fraction]:
        """The smallest and the largest that were in force."""
        known = [revision.budget for revision in self.revisions]
        return min(known), max(known)


class Replay:
    """One pass over the past, which is used up by it: what is older than a moment's windows is forgotten on the way.

    `every`: moments between two points of a lane's course (0: none); `burns`: with the burn rates of its windows.
    """

    def __init__(
        self,
        past: Past,
        revisions: Revisions,
        policy: Callable[[Formula], BurnPolicy] = policy_of,
        resets: Resets = _NO_RESETS,
        every: int = 0,
        *,
        burns: bool = False,
    ) -> None:
        self._past, self._resets, self._every, self._burns = past, resets, every, burns
        self.lanes = [
            _lane(place, formula, group, account, policy, revisions)
            for place, (formula, accounts) in enumerate(zip(past.book.formulas, past.book.accounts, strict=True))
            for group, account in sorted(past.left_out.net(formula.slo, accounts).items())
        ]
        self.composites = composites_of(past, revisions, policy)
        self._active: dict[tuple[int, int], int] = {}
        self.moves: list[Move] = []

    def run(self, zones: Sequence[Zone], told: Told = lambda _done, _all: None) -> None:
        """Judge every moment of the zones, oldest first; moments that can change nothing are passed over."""
        due = [self._due(zone) for zone in zones]
        whole, done = sum(len(zone.ends) for zone in zones), 0
        for zone, asked in zip(zones, due, strict=True):
            for end in zone.ends:
                self._moment(end, zone, asked.get(end, ()), sampled=bool(self._every) and not done % self._every)
                done += 1
                told(done, whole)

    def _due(self, zone: Zone) -> dict[int, list[int]]:
        """For each moment the lanes that may leave their rest in it."""
        found: dict[int, list[int]] = defaultdict(list)
        active: dict[int, Ints] = defaultdict(lambda: np.zeros(len(zone.ends), np.int64))
        for index, lane in enumerate(self.lanes):
            wide = widened(lane.policy, zone.width)
            seen = sight(lane.own, lane.account, zone, wide, lane.budgets)
            active[lane.place] += seen.events
            maybe = seen.due | suspects(lane.own, lane.account, zone, wide, lane.budgets[0])
            if lane.own.slo.exclude:
                maybe[:] = True
            for place in maybe.nonzero()[0].tolist():
                found[zone.ends[place]].append(index)
        for formula, counts in active.items():
            self._active.update({(formula, end): n for end, n in zip(zone.ends, counts.tolist(), strict=True)})
        return found

    def _moment(self, end: int, zone: Zone, asked: Sequence[int], *, sampled: bool) -> None:
        due = sorted({*asked, *(index for index, lane in enumerate(self.lanes) if lane.awake)})
        if due or sampled or self.composites:
            self._past.book.trim(end)  # windows reach back as far as a live engine's memory
            self._past.left_out.trim(end)
        for index in due:
            self._judge(self.lanes[index], end, zone)
        for composite in self.composites:
            self._judge_composite(composite, end, zone)
        if sampled:
            for lane in self.lanes:
                lane.course.append(self._point(lane, end, zone.width))
            for one in self.composites:
                one.course.append(self._composite_point(one, end, zone.width))

    def _judge(self, lane: Lane, end: int, zone: Zone) -> None:
        policy = widened(lane.policy, zone.width)
        reset = self._reset(lane, end)
        lane.read.prepare(zone, end)
        account = cast(Account, lane.read)  # what is read of an account is its windows
        reading = read_group(lane.own, lane.group, account, end, policy, lane.revisions, reset)
        if zone.width <= STEP:
            groups = self._active[lane.place, end]
            reading = with_finding(reading, lane.account, policy, lane.revisions, end, groups)
            lane.near = is_near(reading)
        left_out = self._past.left_out.any(lane.formula.slo, lane.group, end)
        for severity in severities(lane.formula.slo):
            judged = Stand(Level.UNKNOWN, None, None) if left_out else _stand(reading, policy, severity, zone)
            self._decide(lane, severity, judged, policy, reading, end)

    def _judge_composite(self, lane: CompositeLane, end: int, zone: Zone) -> None:
        policy = widened(lane.policy, zone.width)
        reading = lane.read(end, policy, self._reset(lane, end))
        for severity in severities(lane.formula.slo):
            judged = lane.stand(reading, policy, severity, self._past.left_out, end)
            self._decide(lane, severity, judged, policy, reading, end)

    def _decide(
        self, lane: Course, severity: str, judged: Stand, policy: BurnPolicy, reading: Reading, end: int
    ) -> None:
        before = lane.alerts.get(severity, Alert())
        decision = decide(before, judged.level, judged.coverage, end, judged.hold)
        lane.alerts[severity] = decision.alert
        if decision.transition:
            row = None if judged.row is None else lane.policy.rows[policy.rows.index(judged.row)]
            change = Change(end, lane.formula.slo.name, group_key(lane.group), severity, decision.transition)
            self.moves.append(Move(change, lane.group, began(before, decision), row, reading.period.remaining))

    def _reset(self, lane: Course, end: int) -> Reset | None:
        slo = lane.formula.slo
        return self._resets.of(slo.name, period_seconds(slo, end), lane.group, end)

    def _point(self, lane: Lane, end: int, width: int) -> Point:
        reset = self._reset(lane, end)
        if not self._burns:
            period = period_of(lane.own, lane.account, end, lane.revisions, None if reset is None else reset.at)
            return Point(end, period.remaining, {})
        policy = widened(lane.policy, width)
        reading = read_group(lane.own, lane.group, lane.account, end, policy, lane.revisions, reset)
        return Point(end, reading.period.remaining, _rates(lane.policy, policy, reading.windows))

    def _composite_point(self, lane: CompositeLane, end: int, width: int) -> Point:
        policy = widened(lane.policy, width)
        reading = lane.read(end, policy, self._reset(lane, end))
        return Point(end, reading.period.remaining, _rates(lane.policy, policy, reading.windows))


def composites_of(
    past: Past, revisions: Revisions, policy: Callable[[Formula], BurnPolicy] = policy_of
) -> tuple[CompositeLane, ...]:
    """The groups of its composites, over the accounts of their components."""
    if not past.composites:
        return ()
    pairs = zip(past.book.formulas, past.book.accounts, strict=True)
    counted = [(formula, past.left_out.net(formula.slo, accounts)) for formula, accounts in pairs]
    sources = sources_of(counted, told_by(past.atoms.values()), revisions)
    return tuple(lanes_of([(formula, policy(formula)) for formula in past.composites], sources))


def _lane(
    place: int,
    formula: Formula,
    group: Group,
    account: Account,
    policy: Callable[[Formula], BurnPolicy],
    revisions: Revisions,
) -> Lane:
    own = formula_of(formula, group)
    table, in_force = policy(own), [one.of(group) for one in revisions_of(formula, revisions)]
    wide = [widened(table, tier.width) for tier in TIERS]
    windows = {window for each in wide for row in each.rows for window in (row.long, row.short)}
    # What is excluded is not in the strips that windows are summed ahead from.
    ahead = () if formula.slo.exclude else sorted({*windows, formula.slo.window_seconds})
    return Lane(formula, group, table, place, own, account, in_force, QuickAccount(account, ahead))


def _stand(reading: Reading, policy: BurnPolicy, severity: str, zone: Zone) -> Stand:
    """How a severity stands. Where only hours are kept, the detector for few events has nothing to look at: there a row
    with few events waits for five bad ones."""
    if zone.width > STEP:
        rows = (row for row in policy.rows if not _thin(reading, row))
        policy = BurnPolicy(tuple(rows))
    return stand(reading, policy, severity)


def _thin(reading: Reading, row: BurnRow) -> bool:
    long = reading.windows[row.long]
    return few(reading.formula, long, row) and long.bad < MIN_BAD_EVENTS


def _rates(asked: BurnPolicy, read: BurnPolicy, windows: Mapping[int, Spent]) -> dict[int, float | None]:
    """The burn rate of each window of the policy, read over the widened one."""
    pairs = zip(asked.rows, read.rows, strict=True)
    return {
        wanted: windows[held].rate
        for row, wide in pairs
        for wanted, held in ((row.long, wide.long), (row.short, wide.short))
    }


def load_book(database: Database, slos: Sequence[Slo]) -> Past:
    """The counts of every roll-up that the database still has."""
    return load_books(database, [slos])[0]


def load_books(
    database: Database,
    sets: Sequence[Sequence[Slo]],
    start: float = 0.0,
    end: float | None = None,
    told: Told = lambda _done, _all: None,
) -> list[Past]:
    """The past of each set of SLOs, out of the roll-ups that begin in [start, end), which are read once."""
    layers = layers_of(database)
    atoms: dict[int, Atom] = {}
    found = [_nothing_yet(slos, layers, atoms) for slos in sets]
    buckets: Iterable[tuple[RowKey, Cells]] = _buckets(database, start, end, atoms, told)
    if any(isinstance(slo.indicator, TimeSlices) for slos in sets for slo in slos):
        kept = list(buckets)
        for past, slos in zip(found, sets, strict=True):
            own = dict(atoms)
            _apply([past], with_verdicts(kept, slos, layers, own), own)
    else:
        _apply(found, buckets, atoms)
    return found


def _nothing_yet(slos: Sequence[Slo], layers: Mapping[str, str], atoms: Mapping[int, Atom]) -> Past:
    book = Book([compile_slo(slo, layers) for slo in slos if not slo.composite])
    composites = tuple(compile_slo(slo, layers) for slo in slos if slo.composite)
    past = Past(book, ExcludedCounts(), composites, atoms)
    past.left_out.use(slos, None)
    return past


def _apply(pasts: Sequence[Past], buckets: Iterable[tuple[RowKey, Cells]], atoms: Mapping[int, Atom]) -> None:
    for key, cells in buckets:
        for past in pasts:
            past.book.apply(key, cells, atoms)
            past.left_out.apply(key, cells, atoms)


def _buckets(
    database: Database, start: float, end: float | None, atoms: dict[int, Atom], told: Told
) -> Iterable[tuple[RowKey, Cells]]:
    """The roll-ups; `atoms` learns what stands in them."""
    dictionary, read = Dictionary(), 0
    for width in (60, 300, 3600):
        for key, cells in rollups.read(database, width, start, end):
            for series_id, _ in cells:
                if series_id not in atoms:
                    atoms[series_id] = dictionary.atom(database, series_id)
            read += 1
            told(read, 0)
            yield key, cells
