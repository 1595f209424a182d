"""A recorded history through the collector's path and the engine, every minute judged: what Burnline said, and when."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from burnline.replay import DIMENSIONS
from collector.replay import Replayer, read_openmetrics
from collector.target import Counting
from core.buckets import HOURS, MINUTES, TIERS, end_of_window
from core.clock import ManualClock
from core.measures import Group, group_key
from slo_engine.backtest import Change, backtest, load_book
from slo_engine.book import Book, Counts
from slo_engine.compile import selectors_of
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.specs.model import Slo
from slo_engine.tick import LEASE, Engine
from storage import alerts, leases, migrate
from storage.database import Database, sqlite_url
from storage.plan import MeasurePlan

_ALL = {tier.width: tier.retention + HOURS.retention for tier in TIERS}
"""Every minute of the history stays at hand, however long it is."""
_MANY = 1_000_000


@dataclass(frozen=True)
class Replayed:
    """What became of a history. Minutes are their ends, in Unix seconds."""

    slos: tuple[Slo, ...]
    minutes: tuple[int, ...]
    changes: tuple[Change, ...]
    """Of the burn-rate alerts, as the engine told them."""
    again: tuple[Change, ...]
    """The same by `slo_engine/backtest/`, over the ledger as it was at the end."""
    book: Book

    def counts(self, slo: str, group: Group, start: float, end: int) -> Counts:
        """What an SLO counted in [start, end); zeros for a group that it never had."""
        index = next(n for n, formula in enumerate(self.book.formulas) if formula.slo.name == slo)
        account = self.book.accounts[index].get(group)
        return account.window(start, end) if account else Counts()

    def groups(self, slo: str) -> list[Group]:
        """The groups of an SLO."""
        index = next(n for n, formula in enumerate(self.book.formulas) if formula.slo.name == slo)
        return sorted(self.book.accounts[index])

    def firing(self, slo: str, group: Group, severity: str, *, again: bool = False) -> frozenset[int]:
        """The minutes at whose end an alert fired."""
        key = (slo, group_key(group), severity)
        moves = {c.minute: c.transition for c in (self.again if again else self.changes) if c[1:4] == key}
        found, on = set(), False
        for minute in self.minutes:
            on = moves[minute] == "firing" if minute in moves else on
            found |= {minute} if on else set()
        return frozenset(found)


def replay(text: bytes, slos: Sequence[Slo], *, live: bool = True) -> Replayed:
    """Feed an OpenMetrics text with timestamps, and judge each of its minutes.

    `live`: by the engine when each has passed (some 30 ms a minute); else by the backtest alone, at the end.
    """
    pages, intervals = read_openmetrics(text)
    counting = Counting(DIMENSIONS, MeasurePlan(selectors=tuple({s for slo in slos for s in selectors_of(slo)})))
    minutes = _minutes(pages[0].time, pages[-1].time)
    with _database() as database:
        clock = ManualClock(pages[0].time)
        replayer, engine = Replayer(database, counting), _engine(database, slos, clock)
        rest = iter(pages)
        page = next(rest, None)
        for minute in minutes:
            while page is not None and page.time <= minute:
                replayer.feed(page, intervals[page.url], page.time)
                page = next(rest, None)
            clock.set(float(minute))
            replayer.flush(float(minute), float(minute))
            if live or minute == minutes[-1]:
                engine.tick()
        again = tuple(backtest(database, slos, minutes, {}))
        return Replayed(
            tuple(slos),
            minutes,
            tuple(_told(database)) if live else again,
            again,
            load_book(database, [slo for slo in slos if not slo.unsupported]).book,
        )


def _minutes(first: float, last: float) -> tuple[int, ...]:
    width = MINUTES.width
    return tuple(range(end_of_window(first, width), end_of_window(last, width) + width, width))


@contextmanager
def _database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="burnline-replayed-") as folder:
        database = Database(sqlite_url(Path(folder) / "replay.db"))
        try:
            migrate.upgrade(database)
            yield database
        finally:
            database.dispose()


def _engine(database: Database, slos: Sequence[Slo], clock: ManualClock) -> Engine:
    engine = Engine(database, EngineSettings(packs=()), "", slos, clock, EngineMetrics(), keep=_ALL)
    epoch = leases.acquire(database, LEASE, "replay", 0.0, float("inf"))
    assert epoch is not None
    engine.lead(epoch)
    return engine


def _told(database: Database) -> Iterable[Change]:
    with database.read() as connection:
        for event in alerts.after(connection, 0, _MANY):
            if event.labels["alertname"] == "ErrorBudgetBurn":
                yield Change(int(event.at), event.slo, event.group_key, event.severity, event.transition)
