"""What the burn-rate alerts would have done: the same decisions over a ledger as it is now, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.measures import group_key
from slo_engine.book import Book
from slo_engine.burn import Revision
from slo_engine.compile import compile_slo, layers_present
from slo_engine.conditions import Alert, decide
from slo_engine.evaluate import policy_of, read_groups, revisions_of, severities, stand
from slo_engine.specs.model import Slo
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
    book = load_book(database, [slo for slo in slos if not slo.unsupported and not slo.sampled])
    alerts: dict[tuple[str, str, str], Alert] = {}
    changes: list[Change] = []
    for minute in minutes:
        for formula, accounts in zip(book.formulas, book.accounts, strict=True):
            policy = policy_of(formula)
            for reading in read_groups(formula, accounts, minute, policy, revisions_of(formula, revisions)):
                for severity in severities(formula.slo):
                    key = (formula.slo.name, group_key(reading.group), severity)
                    judged = stand(reading, policy, severity)
                    decision = decide(alerts.get(key, Alert()), judged.level, judged.coverage, minute)
                    alerts[key] = decision.alert
                    if decision.transition:
                        changes.append(Change(minute, *key, decision.transition))
    return changes


def load_book(database: Database, slos: Sequence[Slo]) -> Book:
    """A book over every roll-up that the database still has."""
    buckets = [entry for width in (60, 300, 3600) for entry in rollups.read(database, width, 0.0)]
    dictionary = Dictionary()
    atoms: dict[int, Atom] = {
        series_id: dictionary.atom(database, series_id)
        for series_id in {series_id for _, cells in buckets for series_id, _ in cells}
    }
    layers = layers_present(atoms.values())
    book = Book([compile_slo(slo, layers) for slo in slos])
    for key, cells in buckets:
        book.apply(key, cells, atoms)
    return book
