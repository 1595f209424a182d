"""What an SLI counted, bucket by bucket: good, total and coverage, as the engine adds them up into windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select

from core.buckets import TIERS, end_of_window, start_of
from core.durations import render
from core.errors import ConfigError
from core.measures import Group, Measure
from slo_engine.book import Account, Book, Counts
from slo_engine.compile import Formula, compile_slo, layers_present
from slo_engine.specs.model import Composite, Slo, SumRatio
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import ledger_measure

MOST_BUCKETS = 10_000


class SliBucket(NamedTuple):
    """One group in one bucket that begins at `bucket` (Unix seconds). Counts are in ledger units: events; of a ratio of
    sums, which has no good events, `total` is the denominator and `numerator` the other. `coverage` None: no target was
    expected."""

    group: Group
    bucket: int
    good: int | None
    total: int
    coverage: float | None
    numerator: int | None = None


def width_for(start: float, now: float) -> int:
    """The narrowest buckets (seconds) that still hold what happened at `start`."""
    return next((tier.width for tier in TIERS if start >= now - tier.retention), TIERS[-1].width)


def history(
    database: Database, slo: Slo, start: float, end: float, width: int, wanted: Mapping[str, str]
) -> list[SliBucket]:
    """The buckets of [start, end), widened to whole ones, of the groups that have the wanted labels; ConfigError for an
    SLO that counts no events by bucket, and for too many buckets."""
    if isinstance(slo.indicator, Composite):
        raise ConfigError(f"{slo.name} counts nothing itself: ask for {_components(slo.indicator)}")
    if slo.unsupported or slo.sampled:
        raise ConfigError(f"{slo.name}: {slo.unsupported or 'it is judged from samples: see `burnline slo status`'}")
    first, last = start_of(start, width), end_of_window(end, width)
    if last <= first:
        raise ConfigError("--to must be after --from")
    if (last - first) // width > MOST_BUCKETS:
        raise ConfigError(
            f"over {MOST_BUCKETS} buckets of {render(width)}: shorten the time, or ask with a larger --step"
        )
    formula = compile_slo(slo, layers_of(database))
    book = _booked(database, formula, first, last, width)
    return [
        one
        for group, account in sorted(book.accounts[0].items())
        if wanted.items() <= dict(group).items()
        for one in _buckets(formula, group, account, first, last, width)
    ]


def _components(composite: Composite) -> str:
    return " or ".join(part.slo for part in composite.parts)


def layers_of(database: Database) -> dict[str, str]:
    """The layer that each signal is counted in, by everything that the ledger has had."""
    with database.read() as connection:
        keys = connection.execute(select(ledger_measure.c.key)).scalars().all()
    return layers_present(Atom(Measure.from_key(key), ()) for key in keys)


def _booked(database: Database, formula: Formula, first: int, last: int, width: int) -> Book:
    book, dictionary = Book([formula]), Dictionary()
    for key, cells in rollups.read(database, width, first, last):
        book.apply(key, cells, {series_id: dictionary.atom(database, series_id) for series_id, _ in cells})
    return book


def _buckets(formula: Formula, group: Group, account: Account, first: int, last: int, width: int) -> list[SliBucket]:
    rows = account.strips[width].rows(first, last).tolist()
    return [_bucket(formula, group, first + place * width, Counts(*row)) for place, row in enumerate(rows) if any(row)]


def _bucket(formula: Formula, group: Group, bucket: int, counts: Counts) -> SliBucket:
    if isinstance(formula.slo.indicator, SumRatio):
        return SliBucket(group, bucket, None, counts.total, counts.coverage, counts.part)
    good = counts.part if formula.part_is_good else counts.total - counts.part
    return SliBucket(group, bucket, good, counts.total, counts.coverage)
