"""Burn tables that people write, in the form of the tables beside this file; every fault is told with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from core.durations import DAY, MINUTE, parse_openslo
from core.errors import ConfigError, ParseError
from core.yaml import Document, Path_, load_file
from slo_engine.windows.policy import SHORT_PERIOD, BurnPolicy, BurnRow, Severity, Table, scaled_to

KEYS = ("period", "reach_percent", "rows")
ROW_KEYS = ("severity", "long", "short", "budget_percent")
_REACH = 75
_LONGEST = 400 * DAY


def is_table(document: Document) -> bool:
    """Whether a document is meant as a burn table, and not as an SLO."""
    return isinstance(document.value, dict) and "rows" in document.value and "apiVersion" not in document.value


def read_table(path: Path) -> Table:
    """The burn table of a file; ConfigError with every fault, one a line."""
    documents = load_file(path)
    if len(documents) != 1 or not is_table(documents[0]):
        raise ConfigError(f"{path}: is no burn table: it needs the keys period and rows, as docs/backtest.md shows")
    return table_of(documents[0])


def table_of(document: Document) -> Table:
    """The burn table of a document."""
    faults = list(_faults(document))
    if faults:
        raise ConfigError("\n".join(faults))
    value = document.value
    period = parse_openslo(value["period"])
    return Table(period, _percent(value.get("reach_percent", _REACH)), tuple(_row(r, period) for r in value["rows"]))


def policy_by(table: Table, budget: Fraction, window_seconds: int) -> BurnPolicy:
    """The rows of a table for one SLO: as with Burnline's own tables, windows shrink where the SLO's period is under 28
    days and shorter than the table's."""
    return scaled_to(table, budget, window_seconds, shrink=window_seconds < min(SHORT_PERIOD, table.period))


def _row(row: dict[str, Any], period: int) -> BurnRow:
    long, short, share = parse_openslo(row["long"]), parse_openslo(row["short"]), _percent(row["budget_percent"])
    return BurnRow(cast(Severity, row["severity"]), long, short, share * period / long, share)


def _faults(document: Document) -> Iterator[str]:
    value = document.value
    yield from _keys(document, (), value, KEYS, ("period", "rows"))
    yield from _duration(document, ("period",), value.get("period"))
    if "reach_percent" in value:
        yield from _share(document, ("reach_percent",), value["reach_percent"])
    rows = value["rows"]
    if not isinstance(rows, list) or not rows:
        yield _said(document, ("rows",), "must be a list of at least one row")
        return
    for index, row in enumerate(rows):
        yield from _row_faults(document, ("rows", index), row)


def _row_faults(document: Document, path: Path_, row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        yield _said(document, path, f"must be a mapping with {', '.join(ROW_KEYS)}")
        return
    faults = [*_keys(document, path, row, ROW_KEYS, ROW_KEYS)]
    if "severity" in row and row["severity"] not in ("page", "ticket"):
        faults.append(_said(document, (*path, "severity"), f"must be page or ticket, not {row['severity']!r}"))
    for name in ("long", "short"):
        faults += _duration(document, (*path, name), row.get(name))
    if "budget_percent" in row:
        faults += _share(document, (*path, "budget_percent"), row["budget_percent"])
    yield from faults
    if not faults and parse_openslo(row["short"]) > parse_openslo(row["long"]):
        yield _said(document, (*path, "short"), f"{row['short']} is longer than long, {row['long']}")


def _keys(
    document: Document, path: Path_, value: dict[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
) -> Iterator[str]:
    for name in value:
        if name not in known:
            yield _said(document, (*path, name), f"{name!r} is no key of a burn table: there are {', '.join(known)}")
    for name in needed:
        if name not in value:
            yield _said(document, path, f"{name} is missing")


def _duration(document: Document, path: Path_, text: Any) -> Iterator[str]:
    if text is None:
        return
    try:
        seconds = parse_openslo(str(text))
    except ParseError as error:
        yield _said(document, path, str(error))
        return
    if not MINUTE <= seconds <= _LONGEST:
        yield _said(document, path, f"{text} must be 1m to 400d")


def _share(document: Document, path: Path_, value: Any) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        yield _said(document, path, f"must be over 0 and at most 100 (percent), not {value!r}")


def _percent(value: float) -> Fraction:
    return Fraction(Decimal(repr(value))) / 100


def _said(document: Document, path: Path_, text: str) -> str:
    name = ".".join(str(part) for part in path)
    return f"{document.place(path)}: {f'{name}: ' if name else ''}{text}"
