"""A backtest in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.durations import render

HEADER = ["SEVERITY", "SLO", "GROUP", "STARTS", "FIRING", "RESOLVED", "ROW", "BUDGET LEFT"]
_CHANGES = {
    "only_here": "only here",
    "only_there": "only there",
    "same": "at the same minute",
}


def summary(found: dict[str, Any]) -> list[str]:
    """From when to when, over what, and how often somebody would have been told."""
    source, counts = found["source"], found["counts"]
    steps = ", ".join(f"every {zone['step']} from {zone['from']}" for zone in found["resolution"])
    lines = [
        f"{found['from']} to {found['to']}, {source['kind']} {source['name']}",
        f"judged {steps or 'at no moment'}",
    ]
    lines.append(counted(counts))
    if found["against"]:
        lines.append(f"against {found['against']['name']}: {counted(found['against']['counts'])}")
    lines += [f"reset at {one['at']}: {one['slo']} {_group(one['group'])}: {one['reason']}" for one in found["resets"]]
    return lines


def alerts(found: Iterable[dict[str, Any]]) -> list[list[str]]:
    """A line for each alert that fired."""
    return [
        [
            one["severity"],
            one["slo"],
            _group(one["group"]),
            one["starts_at"],
            one["firing_at"],
            one["resolved_at"] or "still firing",
            _row(one["row"]),
            " → ".join(_percent(one["budget_remaining"][moment]) for moment in ("start", "firing", "resolved")),
        ]
        for one in found
    ]


def differences(found: Iterable[dict[str, Any]]) -> list[list[str]]:
    """A line for each incident beside the other side's."""
    return [
        [
            one["severity"],
            one["slo"],
            _group(one["group"]),
            one["firing_at"] or "-",
            one["other_firing_at"] or "-",
            _change(one),
        ]
        for one in found
    ]


def _change(one: dict[str, Any]) -> str:
    if one["change"] in _CHANGES:
        return _CHANGES[one["change"]]
    return f"{render(abs(one['seconds']))} {one['change']}"


def counted(counts: dict[str, int]) -> str:
    """How often somebody would have been told."""
    pages, tickets, pending = counts["pages"], counts["tickets"], counts["only_pending"]
    return f"{_count(pages, 'page')}, {_count(tickets, 'ticket')}; {_count(pending, 'alert')} only pending"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _group(group: dict[str, str] | None) -> str:
    return ",".join(f"{name}={value}" for name, value in (group or {}).items()) or "-"


def _row(row: dict[str, Any] | None) -> str:
    return "-" if row is None else f"{row['long']}/{row['short']} over {row['factor']:.3g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
