"""Roll-ups: the ledger without `source`, at the three widths; written by the engine's leader alone.

`direct` is the sum of the rows that sources wrote at this width, `fine` that of the narrower roll-ups in the bucket.
Keeping them apart lets a late row change an old bucket after its narrower buckets have been deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, select, update

from core.buckets import TIERS
from storage.database import Database, upsert
from storage.ledger import cells as cells_codec
from storage.ledger.cells import Cells
from storage.ledger.rows import RowKey
from storage.tables import ledger_row, rollup, rollup_state

_CHUNK = 500
"""Buckets asked for in one statement: SQLite takes 999 to 32,766 parameters, by its build."""


class Changes(NamedTuple):
    """The buckets that changed, with their new content, how far the ledger's clock was read, and the rows to store."""

    rev: int
    buckets: dict[RowKey, Cells]
    rows: list[dict[str, Any]]


def compute(connection: Connection) -> Changes:
    """Every bucket whose content is not that of the ledger's rows any more, made anew; writes nothing.

    The leader alone writes roll-ups, so what is read here still holds when `store` writes it.
    """
    since = int(connection.execute(select(rollup_state.c.rev)).scalar() or 0)
    changed = connection.execute(
        select(ledger_row.c.width, ledger_row.c.bucket, ledger_row.c.rev).where(ledger_row.c.rev > since)
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
    old = {row.bucket: row for row in _in_chunks(connection, rollup, width, buckets)}
    directs = _sums(connection, ledger_row, width, sorted(direct), 0, {})
    fines = _sums(connection, rollup, finer, sorted(fine), width, into.buckets) if finer else {}
    for bucket in buckets:
        before = old.get(bucket)
        direct_part = directs.get(bucket, {}) if bucket in direct else _part(before, "direct")
        fine_part = fines.get(bucket, {}) if bucket in fine else _part(before, "fine")
        into.buckets[RowKey(width, bucket)] = cells_codec.total((direct_part, fine_part))
        blobs = {"direct": cells_codec.encode(direct_part), "fine": cells_codec.encode(fine_part)}
        into.rows.append({"width": width, "bucket": bucket, **blobs})


def _part(row: Any, name: str) -> Cells:
    return cells_codec.decode(getattr(row, name)) if row is not None else {}


def _sums(
    connection: Connection,
    table: Table,
    width: int,
    buckets: list[int],
    within: int,
    fresher: Mapping[RowKey, Cells],
) -> dict[int, Cells]:
    """Sum the rows of `width` by bucket, or by the bucket of width `within` that holds them.

    `fresher`: contents that replace what the table still says.
    """
    wanted = buckets if not within else [b + step for b in buckets for step in range(0, within, width)]
    known = {bucket: cells for bucket in wanted if (cells := fresher.get(RowKey(width, bucket))) is not None}
    for row in _in_chunks(connection, table, width, [bucket for bucket in wanted if bucket not in known]):
        blobs = (row.cells,) if table is ledger_row else (row.direct, row.fine)
        parts = [cells_codec.decode(blob) for blob in blobs]
        known[row.bucket] = cells_codec.total([known.get(row.bucket, {}), *parts])
    result: dict[int, Cells] = {}
    for bucket, cells in known.items():
        into = result.setdefault(bucket // within * within if within else bucket, {})
        for key, n in cells.items():
            into[key] = into.get(key, 0) + n
    return result


def _in_chunks(connection: Connection, table: Table, width: int, buckets: list[int]) -> Iterable[Any]:
    for at in range(0, len(buckets), _CHUNK):
        part = buckets[at : at + _CHUNK]
        yield from connection.execute(select(table).where(table.c.width == width, table.c.bucket.in_(part)))


def _set_rev(connection: Connection, rev: int) -> None:
    if not connection.execute(update(rollup_state).values(rev=rev)).rowcount:
        upsert(connection, rollup_state, [{"id": 1, "rev": rev}], ("id",))


def read(database: Database, width: int, start: float, end: float | None = None) -> Iterable[tuple[RowKey, Cells]]:
    """Every roll-up of a width that begins in [start, end), or from `start` on, in time order."""
    query = select(rollup).where(rollup.c.width == width, rollup.c.bucket >= start).order_by(rollup.c.bucket)
    with database.read() as connection:
        rows = connection.execute(query if end is None else query.where(rollup.c.bucket < end)).all()
    for row in rows:
        yield (
            RowKey(width, row.bucket),
            cells_codec.total((cells_codec.decode(row.direct), cells_codec.decode(row.fine))),
        )


def prune(connection: Connection, width: int, before: float) -> int:
    """Delete roll-ups of a width that end before `before`."""
    return connection.execute(delete(rollup).where(rollup.c.width == width, rollup.c.bucket < before - width)).rowcount
