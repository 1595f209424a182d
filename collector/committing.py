"""Commits what counters have set apart: rows and checkpoints of all of them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from collector.counting import SourceCounter
from storage.database import Database
from storage.ledger import rows
from storage.ledger.dictionary import Dictionary
from storage.ledger.rows import Checkpoint, RowKey, SourceFlush


class Pending(NamedTuple):
    """Counters that changed, with their source's key and the rows that must be read first."""

    key: str
    counter: SourceCounter
    wanted: list[RowKey]


class Settlement(NamedTuple):
    """What became of a commit: new checkpoints by source id, and those of the sources that lost theirs."""

    flushes: list[SourceFlush]
    won: Mapping[int, Checkpoint]
    lost: Mapping[int, Checkpoint]


def begin(counters: Mapping[str, SourceCounter]) -> list[Pending]:
    """Set apart what every counter (by source key) has to commit."""
    return [
        Pending(key, counter, wanted)
        for key, counter in counters.items()
        if (wanted := counter.begin_flush()) is not None
    ]


def commit(
    database: Database,
    dictionary: Dictionary,
    pending: Sequence[Pending],
    now: float,
    also: Callable[[Connection], None],
) -> Settlement:
    """Write it, and whatever `also` writes, in one transaction. Reads and writes the database; touches no counter."""
    flushes = [
        one.counter.flush(rows.load_rows(database, dictionary, one.counter.checkpoint.source_id, one.wanted))
        if one.wanted
        else one.counter.flush({})
        for one in pending
    ]
    won, lost = rows.commit(database, dictionary, flushes, now, also)
    keys = {one.counter.checkpoint.source_id: one.key for one in pending}
    return Settlement(flushes, won, {id_: rows.open_source(database, "target", keys[id_], now) for id_ in lost})


def settle(pending: Sequence[Pending], settlement: Settlement) -> list[str]:
    """Tell the counters; returns the keys of the sources that another writer had counted first."""
    conflicts = []
    for one, flush in zip(pending, settlement.flushes, strict=True):
        source_id = flush.checkpoint.source_id
        if source_id in settlement.lost:
            one.counter.lost(settlement.lost[source_id])
            conflicts.append(one.key)
        else:
            one.counter.committed(flush, settlement.won[source_id])
    return conflicts


def give_back(pending: Sequence[Pending]) -> None:
    """The commit failed: everything goes with the next one."""
    for one in pending:
        one.counter.failed()
