"""Facts from the ledger: the hours of the last week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select

from core.buckets import HOURS
from core.durations import HOUR, WEEK
from core.measures import Measure
from slo_engine.book import Account, Book
from slo_engine.compile import TOTAL, Formula, compile_slo, layers_present
from slo_engine.lint.facts import DEFAULT_CAP, Facts, Histogram, Traffic
from slo_engine.specs.model import EventRatio, Latency, QueryRatio, Slo
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import ledger_measure

LOOKED_AT = WEEK
"""Seconds of history that a rule is told of: every weekday once."""

Sums = Mapping[Atom, Counter[int]]


def read_facts(database: Database, slos: Sequence[Slo], now: float, cap: int = DEFAULT_CAP) -> Facts:
    """What the last week says of SLOs of events; `now` is Unix seconds."""
    counted = [slo for slo in slos if isinstance(slo.indicator, EventRatio | Latency | QueryRatio)]
    layers = _layers(database)
    formulas = [compile_slo(slo, layers) for slo in counted]
    book, sums = _read(database, formulas, now)
    if not sums:
        return Facts(unknown="the ledger has no hour of the last week", cap=cap)
    histograms = {formula.slo.name: tuple(_histograms(formula, sums)) for formula in formulas}
    traffic = {
        formula.slo.name: tuple(_traffic(accounts, now))
        for formula, accounts in zip(formulas, book.accounts, strict=True)
    }
    return Facts(histograms=histograms, traffic=traffic, cap=cap)


def _layers(database: Database) -> dict[str, str]:
    with database.read() as connection:
        keys = connection.execute(select(ledger_measure.c.key)).scalars().all()
    return layers_present(Atom(Measure.from_key(key), ()) for key in keys)


def _read(database: Database, formulas: Sequence[Formula], now: float) -> tuple[Book, Sums]:
    book, dictionary, sums = Book(formulas), Dictionary(), dict[Atom, Counter[int]]()
    for key, cells in rollups.read(database, HOURS.width, now - LOOKED_AT):
        atoms = {series_id: dictionary.atom(database, series_id) for series_id, _ in cells}
        book.apply(key, cells, atoms)
        for (series_id, cell), n in cells.items():
            sums.setdefault(atoms[series_id], Counter())[cell] += n
    return book, sums


def _histograms(formula: Formula, sums: Sums) -> Iterable[Histogram]:
    """The total of each list of bounds that a formula's values are counted by."""
    pick = next((term.pick for term in formula.terms if term.column == TOTAL), None)
    found: dict[tuple[float, ...], Counter[int]] = {}
    for atom, cells in sums.items():
        bounds = atom.measure.bounds
        if bounds is not None and pick is not None and pick(atom) is not None:
            found.setdefault(bounds, Counter()).update(cells)
    for bounds, cells in found.items():
        yield Histogram(bounds, tuple(cells[index] for index in range(len(bounds) + 1)))


def _traffic(accounts: Mapping[tuple[tuple[str, str], ...], Account], now: float) -> Iterable[Traffic]:
    for group, account in sorted(accounts.items()):
        since = account.strips[HOURS.width].since()
        if since is not None:
            counts = account.window(since, int(now // HOUR + 1) * HOUR)
            yield Traffic(group, counts.total, max(float(HOUR), now - since))
