"""What the burn-rate alerts would have done: the same decisions over a ledger as it is now, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.measures import group_key
from slo_engine.book import Book
from slo_engine.burn import Revision
from slo_engine.compile import compile_slo, layers_present
from slo_engine.conditions import Alert, Level, decide
from slo_engine.evaluate import Stand, policy_of, read_groups, revisions_of, severities, stand
from slo_engine.exclusions.counts import ExcludedCounts
from slo_engine.specs.model import Slo
from slo_engine.timeslices.past import with_verdicts
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.dictionary import Atom, Dictionary


class Change(NamedTuple):
    """An alert that would have moved at the end of a minute (Unix seconds)."""

    minute: int
    slo: str
    group_key: str
    severity: str
    transition: str


def backtest(
    database: Database, slos: Iterable[Slo], minutes: Sequence[int], revisions: Mapping[str, Sequence[Revision]]
) -> list[Change]:
    """Every change of a burn-rate alert, had the engine evaluated exactly these minutes over this ledger.

    A ledger does not tell which targets left discovery: no alert is retired here, as the engine would.
    Sampled SLOs are left out: what a detector said late is in the ledger as if it had been known.
    """
    book, left_out = load_books(database, [slo for slo in slos if not slo.unsupported and not slo.sampled])
    alerts: dict[tuple[str, str, str], Alert] = {}
    changes: list[Change] = []
    for minute in minutes:
        for formula, accounts in zip(book.formulas, book.accounts, strict=True):
            net = left_out.net(formula.slo, accounts)
            in_force = revisions_of(formula, revisions)
            for reading in read_groups(formula, net, minute, policy_of(formula), in_force):
                policy = policy_of(reading.formula)
                for severity in severities(formula.slo):
                    key = (formula.slo.name, group_key(reading.group), severity)
                    judged = stand(reading, policy, severity)
                    if left_out.any(formula.slo, reading.group, minute):
                        judged = Stand(Level.UNKNOWN, None, None)
                    decision = decide(alerts.get(key, Alert()), judged.level, judged.coverage, minute, judged.hold)
                    alerts[key] = decision.alert
                    if decision.transition:
                        changes.append(Change(minute, *key, decision.transition))
    return changes


def load_book(database: Database, slos: Sequence[Slo]) -> Book:
    """A book over every roll-up that the database still has."""
    return load_books(database, slos)[0]


def load_books(database: Database, slos: Sequence[Slo]) -> tuple[Book, ExcludedCounts]:
    """A book over every roll-up that the database still has, and what the engine left out of it then."""
    buckets = [entry for width in (60, 300, 3600) for entry in rollups.read(database, width, 0.0)]
    dictionary = Dictionary()
    atoms: dict[int, Atom] = {
        series_id: dictionary.atom(database, series_id)
        for series_id in {series_id for _, cells in buckets for series_id, _ in cells}
    }
    layers = layers_present(atoms.values())
    book, left_out = Book([compile_slo(slo, layers) for slo in slos]), ExcludedCounts()
    left_out.use(slos, None)
    for key, cells in with_verdicts(buckets, slos, layers, atoms):
        book.apply(key, cells, atoms)
        left_out.apply(key, cells, atoms)
    return book, left_out
