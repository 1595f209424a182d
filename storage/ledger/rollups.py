"""Roll-ups: the ledger without `source`, at the three widths; written by the engine's leader alone.

`direct` is the sum of the rows that sources wrote at this width, `fine` that of the narrower roll-ups in the bucket.
Keeping them apart lets a late row change an old bucket after its narrower buckets have been deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, func, select, update

from core.buckets import TIERS
from storage.database import Database, upsert
from storage.ledger import columns
from storage.ledger.cells import Cells
from storage.ledger.columns import NOTHING, Columns
from storage.ledger.rows import RowKey
from storage.tables import ledger_row, rollup, rollup_state

_CHUNK = 500
"""Buckets asked for in one statement: SQLite takes 999 to 32,766 parameters, by its build."""

_READ_AT_ONCE = 64
"""Roll-ups of a large fleet are hundreds of kilobytes each."""


class Changes(NamedTuple):
    """The buckets that changed, with their new content, how far the ledger's clock was read, and the rows to store."""

    rev: int
    buckets: dict[RowKey, Columns]
    rows: list[dict[str, Any]]


def compute(connection: Connection) -> Changes:
    """Every bucket whose content is not that of the ledger's rows any more, made anew; writes nothing.

    The leader alone writes roll-ups, so what is read here still holds when `store` writes it.
    """
    since = int(connection.execute(select(rollup_state.c.rev)).scalar() or 0)
    changed = connection.execute(
        select(ledger_row.c.width, ledger_row.c.bucket, func.max(ledger_row.c.rev).label("rev"))
        .where(ledger_row.c.rev > since)
        .group_by(ledger_row.c.width, ledger_row.c.bucket)
    ).all()
    if not changed:
        return Changes(since, {}, [])
    changes = Changes(max(row.rev for row in changed), {}, [])
    dirty = {RowKey(row.width, row.bucket) for row in changed}
    finer: int | None = None
    for tier in TIERS:
        direct = {key.bucket for key in dirty if key.width == tier.width}
        fine = {key.bucket // tier.width * tier.width for key in changes.buckets if key.width == finer}
        _compute_tier(connection, tier.width, finer, direct, fine, changes)
        finer = tier.width
    return changes


def store(connection: Connection, changes: Changes) -> None:
    """Write what `compute` found."""
    if changes.rows:
        upsert(connection, rollup, changes.rows, ("width", "bucket"))
        _set_rev(connection, changes.rev)


def _compute_tier(
    connection: Connection, width: int, finer: int | None, direct: set[int], fine: set[int], into: Changes
) -> None:
    buckets = sorted(direct | fine)
    half = [bucket for bucket in buckets if bucket not in direct or bucket not in fine]
    kept = {row.bucket: row for row in _in_chunks(connection, rollup, width, half)} if finer else {}
    directs = _of_sources(connection, width, sorted(direct))
    fines = _of_finer(connection, finer, sorted(fine), width, into.buckets) if finer else {}
    for bucket in buckets:
        before = kept.get(bucket)
        direct_part = directs.get(bucket, NOTHING) if bucket in direct else _part(before, "direct")
        fine_part = fines.get(bucket, NOTHING) if bucket in fine else _part(before, "fine")
        into.buckets[RowKey(width, bucket)] = columns.total((direct_part, fine_part))
        blobs = {"direct": columns.encode(direct_part), "fine": columns.encode(fine_part)}
        into.rows.append({"width": width, "bucket": bucket, **blobs})


def _part(row: Any, name: str) -> Columns:
    return columns.decode(getattr(row, name)) if row is not None else NOTHING


def _of_sources(connection: Connection, width: int, buckets: list[int]) -> dict[int, Columns]:
    """The sum over the sources of each bucket."""
    blobs: dict[int, list[bytes]] = {}
    for row in _in_chunks(connection, ledger_row, width, buckets):
        blobs.setdefault(row.bucket, []).append(row.cells)
    return {bucket: columns.total_of_blobs(found) for bucket, found in blobs.items()}


def _of_finer(
    connection: Connection, width: int, buckets: list[int], within: int, fresher: Mapping[RowKey, Columns]
) -> dict[int, Columns]:
    """The sum of the narrower roll-ups of `width` in each bucket of width `within`.

    `fresher`: contents that replace what the table still says.
    """
    wanted = [bucket + step for bucket in buckets for step in range(0, within, width)]
    parts: dict[int, list[Columns]] = {bucket: [] for bucket in buckets}
    stale = [bucket for bucket in wanted if RowKey(width, bucket) not in fresher]
    for bucket in wanted:
        if (found := fresher.get(RowKey(width, bucket))) is not None:
            parts[bucket // within * within].append(found)
    for row in _in_chunks(connection, rollup, width, stale):
        parts[row.bucket // within * within] += [columns.decode(row.direct), columns.decode(row.fine)]
    return {bucket: columns.total(found) for bucket, found in parts.items()}


def _in_chunks(connection: Connection, table: Table, width: int, buckets: list[int]) -> Iterable[Any]:
    for at in range(0, len(buckets), _CHUNK):
        part = buckets[at : at + _CHUNK]
        yield from connection.execute(select(table).where(table.c.width == width, table.c.bucket.in_(part)))


def _set_rev(connection: Connection, rev: int) -> None:
    if not connection.execute(update(rollup_state).values(rev=rev)).rowcount:
        upsert(connection, rollup_state, [{"id": 1, "rev": rev}], ("id",))


def read(database: Database, width: int, start: float, end: float | None = None) -> Iterable[tuple[RowKey, Cells]]:
    """Every roll-up of a width that begins in [start, end), or from `start` on, in time order."""
    for key, found in read_columns(database, width, start, end):
        yield key, found.as_cells()


def read_columns(
    database: Database, width: int, start: float, end: float | None = None
) -> Iterable[tuple[RowKey, Columns]]:
    """The same as arrays; a few roll-ups are in memory at a time."""
    query = select(rollup).where(rollup.c.width == width, rollup.c.bucket >= start).order_by(rollup.c.bucket)
    with database.read() as connection:
        options = connection.execution_options(yield_per=_READ_AT_ONCE)
        for row in options.execute(query if end is None else query.where(rollup.c.bucket < end)):
            yield RowKey(width, row.bucket), columns.total((columns.decode(row.direct), columns.decode(row.fine)))


def prune(connection: Connection, width: int, before: float) -> int:
    """Delete roll-ups of a width that end before `before`."""
    return connection.execute(delete(rollup).where(rollup.c.width == width, rollup.c.bucket < before - width)).rowcount
