"""The burn-rate decisions of a ledger as it is now, moment by moment, by the functions that the live engine decides
with.

A ledger does not tell which targets left discovery: no alert is retired here, as the engine would. Sampled SLOs are
left out: what a detector said late is in the ledger as if it had been known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from core.buckets import TIERS
from core.measures import Group, group_key
from slo_engine.backtest.quick import QuickAccount
from slo_engine.backtest.screen import suspects
from slo_engine.backtest.zones import Zone, minute_zone, widened
from slo_engine.book import Account, Book
from slo_engine.burn import Revision, Spent, period_of
from slo_engine.compile import Formula, compile_slo
from slo_engine.conditions import Alert, State, began, decide
from slo_engine.evaluate import policy_of, read_group, revisions_of, severities, stand
from slo_engine.history import layers_of
from slo_engine.resets import Resets
from slo_engine.specs.model import Slo
from slo_engine.status import Reset
from slo_engine.windows import BurnPolicy, BurnRow
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.dictionary import Atom, Dictionary

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


class Point(NamedTuple):
    """How a group stood at a moment (Unix seconds): budget left, and the burn rate of each window (seconds)."""

    at: int
    budget: float | None
    burns: Mapping[int, float | None]


def backtest(database: Database, slos: Iterable[Slo], minutes: Sequence[int], revisions: Revisions) -> list[Change]:
    """Every change of a burn-rate alert, had the engine evaluated exactly these minutes over this ledger."""
    replay = Replay(load_book(database, measurable(slos)), revisions)
    replay.run([minute_zone(minutes)])
    return [move.change for move in replay.moves]


def measurable(slos: Iterable[Slo]) -> list[Slo]:
    """Those that a ledger can be asked about."""
    return [slo for slo in slos if not slo.unsupported and not slo.sampled]


@dataclass
class Lane:
    """One group of one SLO on its way through time."""

    formula: Formula
    group: Group
    account: Account
    policy: BurnPolicy
    revisions: Sequence[Revision]
    read: QuickAccount
    alerts: dict[str, Alert] = field(default_factory=dict)
    course: list[Point] = field(default_factory=list)

    @property
    def awake(self) -> bool:
        """Whether an alert of it is pending or firing."""
        return any(alert.state is not State.OK for alert in self.alerts.values())


class Replay:
    """One pass over a book, which is used up by it: what is older than a moment's windows is forgotten on the way.

    `every`: moments between two points of a lane's course (0: none); `burns`: with the burn rates of its windows.
    """

    def __init__(
        self,
        book: Book,
        revisions: Revisions,
        policy: Callable[[Formula], BurnPolicy] = policy_of,
        resets: Resets = _NO_RESETS,
        every: int = 0,
        *,
        burns: bool = False,
    ) -> None:
        self._book, self._resets, self._every, self._burns = book, resets, every, burns
        self.lanes = [
            _lane(formula, group, account, policy(formula), revisions_of(formula, revisions))
            for formula, accounts in zip(book.formulas, book.accounts, strict=True)
            for group, account in sorted(accounts.items())
        ]
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
        for index, lane in enumerate(self.lanes):
            least = min(revision.budget for revision in lane.revisions)
            maybe = suspects(lane.formula, lane.account, zone, widened(lane.policy, zone.width), least)
            for place in maybe.nonzero()[0].tolist():
                found[zone.ends[place]].append(index)
        return found

    def _moment(self, end: int, zone: Zone, asked: Sequence[int], *, sampled: bool) -> None:
        due = sorted({*asked, *(index for index, lane in enumerate(self.lanes) if lane.awake)})
        if due or sampled:
            self._book.trim(end)  # windows reach back as far as a live engine's memory
        for index in due:
            self._judge(self.lanes[index], end, zone)
        if sampled:
            for lane in self.lanes:
                lane.course.append(self._point(lane, end, zone.width))

    def _judge(self, lane: Lane, end: int, zone: Zone) -> None:
        policy = widened(lane.policy, zone.width)
        reset = self._reset(lane, end)
        lane.read.prepare(zone, end)
        account = cast(Account, lane.read)  # what is read of an account is its windows
        reading = read_group(lane.formula, lane.group, account, end, policy, lane.revisions, reset)
        name, key = lane.formula.slo.name, group_key(lane.group)
        for severity in severities(lane.formula.slo):
            judged = stand(reading, policy, severity)
            before = lane.alerts.get(severity, Alert())
            decision = decide(before, judged.level, judged.coverage, end)
            lane.alerts[severity] = decision.alert
            if decision.transition:
                row = None if judged.row is None else lane.policy.rows[policy.rows.index(judged.row)]
                change = Change(end, name, key, severity, decision.transition)
                starts_at = began(before, decision)
                self.moves.append(Move(change, lane.group, starts_at, row, reading.period.remaining))

    def _reset(self, lane: Lane, end: int) -> Reset | None:
        slo = lane.formula.slo
        return self._resets.of(slo.name, slo.window_seconds, lane.group, end)

    def _point(self, lane: Lane, end: int, width: int) -> Point:
        reset = self._reset(lane, end)
        if not self._burns:
            period = period_of(lane.formula, lane.account, end, lane.revisions, None if reset is None else reset.at)
            return Point(end, period.remaining, {})
        policy = widened(lane.policy, width)
        reading = read_group(lane.formula, lane.group, lane.account, end, policy, lane.revisions, reset)
        return Point(end, reading.period.remaining, _rates(lane.policy, policy, reading.windows))


def _lane(formula: Formula, group: Group, account: Account, policy: BurnPolicy, revisions: Sequence[Revision]) -> Lane:
    wide = [widened(policy, tier.width) for tier in TIERS]
    windows = {window for each in wide for row in each.rows for window in (row.long, row.short)}
    read = QuickAccount(account, sorted({*windows, formula.slo.window_seconds}))
    return Lane(formula, group, account, policy, revisions, read)


def _rates(asked: BurnPolicy, read: BurnPolicy, windows: Mapping[int, Spent]) -> dict[int, float | None]:
    """The burn rate of each window of the policy, read over the widened one."""
    pairs = zip(asked.rows, read.rows, strict=True)
    return {
        wanted: windows[held].rate
        for row, wide in pairs
        for wanted, held in ((row.long, wide.long), (row.short, wide.short))
    }


def load_book(database: Database, slos: Sequence[Slo]) -> Book:
    """A book over every roll-up that the database still has."""
    return load_books(database, [slos])[0]


def load_books(
    database: Database,
    sets: Sequence[Sequence[Slo]],
    start: float = 0.0,
    end: float | None = None,
    told: Told = lambda _done, _all: None,
) -> list[Book]:
    """A book for each set of SLOs over the roll-ups that begin in [start, end), which are read once."""
    layers = layers_of(database)
    books = [Book([compile_slo(slo, layers) for slo in slos]) for slos in sets]
    dictionary, atoms = Dictionary(), dict[int, Atom]()
    read = 0
    for width in (60, 300, 3600):
        for key, cells in rollups.read(database, width, start, end):
            for series_id, _ in cells:
                if series_id not in atoms:
                    atoms[series_id] = dictionary.atom(database, series_id)
            for book in books:
                book.apply(key, cells, atoms)
            read += 1
            told(read, 0)
    return books
