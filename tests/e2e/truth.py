"""What the demo fleet's journal says a collector could have counted, and what the ledger says was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from burnline.demo import journal
from burnline.demo.families import ITL, REQUEST_TIME, TTFT
from burnline.demo.journal import RequestLine, Run, Totals
from storage.database import Database
from storage.ledger import cells
from storage.ledger.dictionary import Dictionary
from storage.tables import ledger_row

Place = tuple[str, str]
"""(version, region)."""

_HISTOGRAMS = {"ttft": len(TTFT) + 1, "itl": len(ITL) + 1, "e2e": len(REQUEST_TIME) + 1}


class Counts(NamedTuple):
    """What both sides know: requests by reason, tokens, and the cells of three histograms."""

    requests: dict[str, int]
    prompt_tokens: int
    generation_tokens: int
    ttft: tuple[int, ...]
    itl: tuple[int, ...]
    e2e: tuple[int, ...]


def of_journal(directory: Path, watched_since: float) -> dict[Place, Counts]:
    """What scrapes have shown of each place, in all processes of its replicas.

    A process that began before the collector watched is a baseline: what its first scrape showed is not counted.
    """
    lines: dict[Place, list[RequestLine]] = {}
    for run in journal.read(directory).runs:
        lines.setdefault((run.version, run.region), []).extend(_seen(run, watched_since))
    return {place: _counts(Totals.of(found)) for place, found in lines.items()}


def _seen(run: Run, watched_since: float) -> list[RequestLine]:
    older = run.process_start < watched_since
    baseline = run.scrapes[0].upto if older and run.scrapes else 0
    return run.requests[baseline : run.scraped_upto]


def _counts(totals: Totals) -> Counts:
    requests = {reason: n for reason, n in totals.outcomes.items() if n}
    return Counts(requests, totals.prompt_tokens, totals.generated_tokens, totals.ttft, totals.itl, totals.e2e)


def of_ledger(database: Database, dimensions: tuple[str, str] = ("version", "region")) -> dict[Place, Counts]:
    """What the rows of all sources hold of each place, over all buckets."""
    sums = _sums(database)
    places: dict[Place, Counter[tuple[str, int]]] = {}
    for (name, group, cell), n in sums.items():
        known = dict(group)
        if all(dimension in known for dimension in dimensions):
            places.setdefault((known[dimensions[0]], known[dimensions[1]]), Counter())[name, cell] += n
    return {place: _from_sums(found) for place, found in places.items() if _is_serving(found)}


def _sums(database: Database) -> Counter[tuple[str, tuple[tuple[str, str], ...], int]]:
    dictionary = Dictionary()
    sums: Counter[tuple[str, tuple[tuple[str, str], ...], int]] = Counter()
    with database.read() as connection:
        blobs = list(connection.execute(select(ledger_row.c.cells)).scalars())
    for blob in blobs:
        for (series_id, cell), n in cells.decode(blob).items():
            atom = dictionary.atom(database, series_id)
            reason = dict(atom.measure.attrs).get("reason", "")
            sums[f"{atom.measure.name}/{reason}", atom.group, cell] += n
    return sums


def _is_serving(found: Iterable[tuple[str, int]]) -> bool:
    return any(name.startswith("requests/") for name, _ in found)


def _from_sums(found: Counter[tuple[str, int]]) -> Counts:
    requests = {
        name.partition("/")[2]: n for (name, _), n in sorted(found.items()) if name.startswith("requests/") and n
    }
    ttft, itl, e2e = (tuple(found[f"{name}/", cell] for cell in range(size)) for name, size in _HISTOGRAMS.items())
    return Counts(requests, found["prompt_tokens/", 0], found["generation_tokens/", 0], ttft, itl, e2e)


def differences(ledger: dict[Place, Counts], truth: dict[Place, Counts]) -> list[str]:
    """Where the two differ, one line a figure; none when the ledger is exact."""
    found = []
    for place in sorted({*ledger, *truth}):
        if place not in ledger or place not in truth:
            found.append(f"{place}: only in the {'ledger' if place in ledger else 'journal'}")
            continue
        for name, counted, true in zip(Counts._fields, ledger[place], truth[place], strict=True):
            if counted != true:
                found.append(f"{place} {name}: the ledger has {counted}, the journal {true}")
    return found
