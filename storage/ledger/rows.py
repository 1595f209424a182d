"""Rows by source and their checkpoints: the one way by which counts enter the ledger.

A flush commits, in one transaction, the absolute content of each (source, width, bucket) row that it touched and the
source's checkpoint. The checkpoint is a compare-and-set on its version: a writer that lost it is told so, and none of
its rows are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, update

from core.errors import StorageError
from storage.database import Database, insert_on_conflict, upsert
from storage.ledger import cells as cells_codec
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import ledger_clock, ledger_row, rollup_state, source

_CHUNK = 500
"""Buckets asked for in one statement: a target that comes back after a month asks for thousands."""

AtomCells = dict[tuple[Atom, int], int]
"""(atom, cell) → count."""


class RowKey(NamedTuple):
    """One bucket of a source: `width` in seconds, `bucket` its start in Unix seconds."""

    width: int
    bucket: int


class Checkpoint(NamedTuple):
    """Where a source's counting stands; `state` is the writer's own, opaque here."""

    source_id: int
    version: int
    state: bytes | None


class SourceFlush(NamedTuple):
    """What one source wants to commit: its next state, and the whole content of each touched row."""

    checkpoint: Checkpoint
    state: bytes
    rows: Mapping[RowKey, AtomCells]


def open_source(database: Database, kind: str, key: str, now: float) -> Checkpoint:
    """The checkpoint of a source, made at version 0 when it is new."""
    with database.write() as connection:
        found = connection.execute(select(source).where(source.c.key == key)).one_or_none()
        if found is not None:
            return Checkpoint(found.id, found.version, found.state)
        fresh = insert_on_conflict(connection, source).values(kind=kind, key=key, version=0, state=None, updated_at=now)
        connection.execute(fresh.on_conflict_do_nothing(index_elements=["key"]))
        found = connection.execute(select(source).where(source.c.key == key)).one()
        return Checkpoint(found.id, found.version, found.state)


def load_rows(
    database: Database, dictionary: Dictionary, source_id: int, keys: Iterable[RowKey]
) -> dict[RowKey, AtomCells]:
    """The content of some rows of a source; absent rows are left out."""
    wanted: dict[int, list[int]] = {}
    for key in keys:
        wanted.setdefault(key.width, []).append(key.bucket)
    with database.read() as connection:
        found = [row for width, buckets in wanted.items() for row in _in_chunks(connection, source_id, width, buckets)]
    result: dict[RowKey, AtomCells] = {}
    for row in found:
        content = cells_codec.decode(row.cells)
        result[RowKey(row.width, row.bucket)] = {
            (dictionary.atom(database, id_), cell): n for (id_, cell), n in content.items()
        }
    return result


def _in_chunks(connection: Connection, source_id: int, width: int, buckets: list[int]) -> Iterator[Any]:
    for at in range(0, len(buckets), _CHUNK):
        here = ledger_row.c.source_id == source_id, ledger_row.c.width == width
        yield from connection.execute(
            select(ledger_row).where(*here, ledger_row.c.bucket.in_(buckets[at : at + _CHUNK]))
        )


def commit(
    database: Database,
    dictionary: Dictionary,
    flushes: Iterable[SourceFlush],
    now: float,
    also: Callable[[Connection], None] = lambda _: None,
) -> tuple[dict[int, Checkpoint], list[int]]:
    """Write all flushes, and whatever `also` writes, in one transaction: (new checkpoints by source id, sources that
    lost their compare-and-set)."""
    batch = list(flushes)
    try:
        with database.write() as connection:
            won, lost, resolved = commit_in(connection, dictionary, batch, now)
            also(connection)
    except StorageError:
        dictionary.forget()
        raise
    dictionary.keep(resolved)
    return won, lost


def commit_in(
    connection: Connection, dictionary: Dictionary, batch: list[SourceFlush], now: float
) -> tuple[dict[int, Checkpoint], list[int], dict[Atom, int]]:
    """`commit` inside a transaction of the caller's, who calls `dictionary.keep` after it."""
    rev = next_rev(connection)  # first: its lock puts writers in a line, so that none meets another's new ids or locks
    versions = _versions(connection, [flush.checkpoint.source_id for flush in batch])
    winners: list[SourceFlush] = []
    lost: list[int] = []
    for flush in batch:
        mark = flush.checkpoint
        if versions.pop(mark.source_id, None) == mark.version:  # taken away: who comes twice has lost
            winners.append(flush)
        else:
            lost.append(mark.source_id)
    won = {flush.checkpoint.source_id: _next(flush) for flush in winners}
    _write_checkpoints(connection, won.values(), now)
    resolved = dictionary.resolve(connection, {atom for f in winners for row in f.rows.values() for atom, _ in row})
    _write_rows(connection, winners, resolved, rev)
    return won, lost, resolved


def _versions(connection: Connection, ids: list[int]) -> dict[int, int]:
    """Where the checkpoints of sources stand; no other writer moves them while the clock's row is locked."""
    found: dict[int, int] = {}
    for at in range(0, len(ids), _CHUNK):
        chosen = select(source.c.id, source.c.version).where(source.c.id.in_(ids[at : at + _CHUNK]))
        found.update((row.id, row.version) for row in connection.execute(chosen))
    return found


def _next(flush: SourceFlush) -> Checkpoint:
    return Checkpoint(flush.checkpoint.source_id, flush.checkpoint.version + 1, flush.state)


def _write_checkpoints(connection: Connection, moved: Iterable[Checkpoint], now: float) -> None:
    values = [{"of": one.source_id, "before": one.version - 1, "now": one.version, "to": one.state} for one in moved]
    if not values:
        return
    here = source.c.id == bindparam("of"), source.c.version == bindparam("before")
    statement = update(source).where(*here).values(version=bindparam("now"), state=bindparam("to"), updated_at=now)
    written = connection.execute(statement, values).rowcount
    if written != len(values):
        raise StorageError(f"{len(values)} checkpoints were to be written, and {written} were")


def _write_rows(connection: Connection, flushes: list[SourceFlush], ids: Mapping[Atom, int], rev: int) -> None:
    values = [
        {
            "source_id": flush.checkpoint.source_id,
            "width": key.width,
            "bucket": key.bucket,
            "rev": rev,
            "cells": cells_codec.encode(_by_id(content, ids)),
        }
        for flush in flushes
        for key, content in flush.rows.items()
    ]
    if not values:
        return
    upsert(connection, ledger_row, values, ("source_id", "width", "bucket"))


def _by_id(content: AtomCells, ids: Mapping[Atom, int]) -> Cells:
    result: Cells = {}
    for (atom, cell), n in content.items():
        key = (ids[atom], cell)
        result[key] = result.get(key, 0) + n
    return result


def next_rev(connection: Connection) -> int:
    """The next number of the ledger's clock; its row's lock makes numbers follow the order of commits."""
    first = insert_on_conflict(connection, ledger_clock).values(id=1, rev=1)
    connection.execute(first.on_conflict_do_update(index_elements=["id"], set_={"rev": ledger_clock.c.rev + 1}))
    return int(connection.execute(select(ledger_clock.c.rev)).scalar_one())


def prune(database: Database, width: int, before: float) -> int:
    """Delete rows of one width that end before `before`, of buckets that the engine has rolled up whole; how many.

    A bucket with a late row that waits is kept whole: it will be summed anew, from all of its rows.
    """
    with database.write() as connection:
        rolled = connection.execute(select(rollup_state.c.rev)).scalar()
        if rolled is None:
            return 0
        waiting = select(ledger_row.c.bucket).where(ledger_row.c.width == width, ledger_row.c.rev > rolled)
        return connection.execute(
            delete(ledger_row).where(
                ledger_row.c.width == width,
                ledger_row.c.bucket < before - width,
                ledger_row.c.bucket.not_in(waiting),
            )
        ).rowcount
