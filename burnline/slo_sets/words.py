"""A plan and a history in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from burnline.backtesting import words as backtest_words

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def plan_lines(found: dict[str, Any]) -> Iterator[str]:
    """What changes, line by line."""
    if not found["changes"]:
        yield "no changes"
    for change in found["changes"]:
        yield f"{_SIGNS[change['change']]} {change['slo']}"
        for field in change["fields"]:
            yield from _field(field["field"], field["before"], field["after"])
    yield from _budgets(found["budgets"])
    if found["alerts"]:
        yield from _alerts(found["alerts"])
    yield from (f"note: {note}" for note in found["notes"])


def _field(name: str, before: Any, after: Any) -> Iterator[str]:
    """One changed field; of a mapping only what differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield from _field(f"{name}.{key}", before.get(key), after.get(key))
        return
    yield f"    {name}: {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    """A burn table in short; what is empty is a dash."""
    if isinstance(value, list):
        return ", ".join(f"{one['severity']} {one['long']}/{one['short']}" for one in value if "long" in one) or "-"
    return "-" if value in ("", None) else str(value)


def _budgets(found: list[dict[str, Any]]) -> Iterator[str]:
    if found:
        yield "budget left, before → after:"
    for one in found:
        warning = "   ! a spent budget would look unspent" if one["hides_spent_budget"] else ""
        yield f"    {one['slo']} {_group(one['group'])}: {_percent(one['before'])} → {_percent(one['after'])}{warning}"


def _alerts(found: dict[str, Any]) -> Iterator[str]:
    before, after = found["before"]["counts"], found["after"]["counts"]
    yield f"alerts from {found['from']} to {found['to']}, had each been in force all the time:"
    yield f"    before: {backtest_words.counted(before)}"
    yield f"    after:  {backtest_words.counted(after)}"
    for row in backtest_words.differences(one for one in found["differences"] if one["change"] != "same"):
        yield "    " + "  ".join(row)


def history_lines(found: dict[str, Any]) -> Iterator[list[str]]:
    """A row for each entry: when, what, who, what changed, why."""
    for one in found["entries"]:
        yield [one["at"], one["kind"], one["by"] or "-", _entry(one), one["reason"] or "-"]


def _entry(one: dict[str, Any]) -> str:
    if one["kind"] == "reset":
        return f"budget of {_group(one['group'])} counts anew"
    if one["kind"] == "removed":
        return f"set {one['set']}"
    fields = "; ".join(f"{f['field']}: {f['before']} → {f['after']}" for f in one["fields"] if _is_short(f))
    long = ", ".join(f["field"] for f in one["fields"] if not _is_short(f))
    changed = "; ".join(part for part in (fields, long and f"{long} changed") if part)
    return changed or f"objective {one['objective']} over {one['window']}"


def _is_short(field: dict[str, Any]) -> bool:
    return not isinstance(field["before"], dict) and not isinstance(field["after"], dict)


def _group(group: dict[str, str] | None) -> str:
    return "every group" if group is None else ",".join(f"{name}={value}" for name, value in group.items()) or "-"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
