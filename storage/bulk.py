"""Many rows in one statement: compiled once, with plain values for the driver.

SQLAlchemy prepares each row of an insert in Python, and looks up a list of keys by reading SQLite's whole index.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import JSON, Connection, Table, TextClause, text

from storage.database import insert_on_conflict

Key = tuple[str, str]
_SIZES = (1, 16, 128, 512)
"""A list of keys has one of these lengths, filled up with its last: few statements, which the driver keeps prepared."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[Sequence[Any]], *, ignore: bool = False) -> None:
    """Insert rows with their values in the order of the table's columns. `ignore`: leave out those whose key exists."""
    if not rows:
        return
    names = [one.name for one in table.columns]
    statement = insert_on_conflict(connection, table)
    chosen = statement.on_conflict_do_nothing() if ignore else statement
    compiled = chosen.compile(dialect=connection.dialect, column_keys=names)
    values = _with_json_text(table, rows)
    if compiled.positiontup is None:
        connection.exec_driver_sql(str(compiled), [dict(zip(names, row, strict=True)) for row in values])
    else:
        places = [names.index(name) for name in compiled.positiontup]
        connection.exec_driver_sql(str(compiled), [tuple(row[place] for place in places) for row in values])


def known_keys(connection: Connection, table: Table, keys: Sequence[Key]) -> set[Key]:
    """Those of the keys that a row has; the table's key is (trace_id, span_id)."""
    found: set[Key] = set()
    for at in range(0, len(keys), _SIZES[-1]):
        part = keys[at : at + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(part))
        filled = enumerate([*part, *[part[-1]] * (size - len(part))])
        values = {name: value for n, ids in filled for name, value in ((f"t{n}", ids[0]), (f"s{n}", ids[1]))}
        found |= {(row[0], row[1]) for row in connection.execute(_lookup(table.name, size), values)}
    return found


@lru_cache(maxsize=16)
def _lookup(table: str, size: int) -> TextClause:
    """A join, which finds each key by the index; SQLite goes through all rows for `(a, b) IN (…)`. It keeps the order
    of a CROSS JOIN: the list first."""
    wanted = ", ".join(f"(:t{n}, :s{n})" for n in range(size))
    return text(
        f"WITH wanted (trace_id, span_id) AS (VALUES {wanted}) "  # noqa: S608 - names of our own tables
        f"SELECT found.trace_id, found.span_id FROM wanted CROSS JOIN {table} AS found "
        "WHERE found.trace_id = wanted.trace_id AND found.span_id = wanted.span_id"
    )


def _with_json_text(table: Table, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    places = {place for place, one in enumerate(table.columns) if isinstance(one.type, JSON)}
    if not places:
        return rows
    return [[_json(v) if place in places else v for place, v in enumerate(row)] for row in rows]


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
