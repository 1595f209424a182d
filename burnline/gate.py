"""Whether error budgets allow a change now: docs/gate.md. Pure functions over what the engine last wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from math import ceil
from typing import Any, NamedTuple

from burnline.views import time_text
from core.durations import render
from core.errors import ConfigError
from core.measures import group_from_key
from storage import slo as store
from storage.database import Database

MAX_AGE = 300.0
"""Seconds after which a status speaks for the past only: five evaluations missed."""
_SEEN_ENOUGH = 0.5
"""Below this coverage a status is called blind, and so is a gate."""


class Verdict(StrEnum):
    """What a gate says; the worst of its groups, `fail` before `not_enough_data`."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    NOT_ENOUGH_DATA = "not_enough_data"


EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.NOT_ENOUGH_DATA: 3}
_WORST_FIRST = (Verdict.FAIL, Verdict.NOT_ENOUGH_DATA, Verdict.PASS)

_LACKING: dict[str, Any] = dict.fromkeys(
    ("objective", "total", "sli", "budget_remaining", "coverage", "state", "reason")
)
"""What an older engine's row may lack is not known."""

Row = Mapping[str, Any]
"""A row of `burnline slo status --json`."""
GroupOf = tuple[str, tuple[tuple[str, str], ...]]


class Judged(NamedTuple):
    """One group's verdict and why."""

    row: Row
    verdict: Verdict
    reason: str


class Gate(NamedTuple):
    """The verdict over all groups; `watermark` is up to when the numbers speak (Unix seconds; None: never)."""

    verdict: Verdict
    watermark: float | None
    groups: tuple[Judged, ...]


def ask(database: Database, names: Sequence[str], labels: Mapping[str, str], now: float, max_age: float) -> Gate:
    """The verdict on some SLOs, of the groups that carry `labels`; ConfigError where there is no such SLO or group."""
    rows = chosen(store.status(database), names, labels)
    paging = {
        (alert.slo, group_from_key(alert.group_key))
        for alert in store.alert_rows(database)
        if alert.severity == "page" and alert.state == "firing"
    }
    return judge(rows, paging, store.status_watermark(database), now, max_age)


def labels_of(pairs: Iterable[str]) -> dict[str, str]:
    """Labels as people write them, `model=llama`; ConfigError otherwise."""
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ConfigError(f"{pair!r} is no label: write it as model=llama")
        labels[name] = value
    return labels


def chosen(rows: Iterable[Row], names: Sequence[str], labels: Mapping[str, str]) -> list[Row]:
    """The rows of the SLOs by name whose group carries the labels."""
    every: list[Row] = [{**_LACKING, **row} for row in rows]
    known = {row["slo"] for row in every}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no SLO {name!r}{_hint(name, known)}: `burnline slo status` lists them")
    found = [row for row in every if row["slo"] in names and labels.items() <= row["group"].items()]
    if missing := sorted(set(names) - {row["slo"] for row in found}):
        text = ", ".join(f"{name}={value}" for name, value in labels.items())
        raise ConfigError(f"{missing[0]} has no group with {text}: `burnline slo status` lists its groups")
    return found


def judge(
    rows: Iterable[Row], paging: Collection[GroupOf], watermark: float | None, now: float, max_age: float = MAX_AGE
) -> Gate:
    """The verdict on rows; `paging`: the SLO and group of every page that fires."""
    stale = _stale(watermark, now, max_age)
    judged = tuple(_group(row, is_paging=_key(row) in paging, stale=stale) for row in rows)
    verdicts = {one.verdict for one in judged}
    return Gate(next((one for one in _WORST_FIRST if one in verdicts), Verdict.NOT_ENOUGH_DATA), watermark, judged)


def as_json(gate: Gate) -> dict[str, Any]:
    """The document of docs/schemas/gate.json."""
    return {
        "verdict": gate.verdict.value,
        "watermark": time_text(gate.watermark),
        "groups": [
            {
                "slo": row["slo"],
                "group": dict(row["group"]),
                "verdict": verdict.value,
                "reason": reason,
                "state": row["state"],
                "objective": row["objective"],
                "sli": row["sli"],
                "total": row["total"],
                "budget_remaining": row["budget_remaining"],
                "freeze_below": freeze_level(row),
                "exhausted_at": dict(row.get("exhausted_at") or {}),
                "coverage": row["coverage"],
            }
            for row, verdict, reason in gate.groups
        ],
    }


def freeze_level(row: Row) -> float:
    """At or below this share of its budget a group fails."""
    return float((row.get("budget_policy") or {}).get("freeze", 0.0))


def _group(row: Row, *, is_paging: bool, stale: str | None) -> Judged:
    if stale:
        return Judged(row, Verdict.NOT_ENOUGH_DATA, stale)
    if is_paging:
        return Judged(row, Verdict.FAIL, "its page is firing")
    if unknown := _unknown(row):
        return Judged(row, Verdict.NOT_ENOUGH_DATA, unknown)
    if row.get("interval"):
        return Judged(row, *_by_interval(row["interval"], row["objective"]))
    if too_few := _too_few(row):
        return Judged(row, Verdict.NOT_ENOUGH_DATA, too_few)
    return Judged(row, *_by_budget(row["budget_remaining"], freeze_level(row)))


def _stale(watermark: float | None, now: float, max_age: float) -> str | None:
    if watermark is None:
        return "the engine has not evaluated anything yet"
    age = now - watermark
    return f"the last evaluation is {render(max(60, round(age / 60) * 60))} old" if age > max_age else None


def _unknown(row: Row) -> str | None:
    """Why there are no numbers to judge by."""
    coverage = row["coverage"]
    if row.get("components"):  # a composite counts no events itself, and is not covered where a component is unknown
        known = coverage is not None and row["budget_remaining"] is not None
        return None if known and coverage >= _SEEN_ENOUGH else str(row["reason"] or "nothing was counted")
    if row["total"] is None or (row["budget_remaining"] is None and not row.get("interval")):
        return str(row["reason"] or "nothing was counted")
    if coverage is not None and coverage < _SEEN_ENOUGH:
        return f"only {coverage:.0%} of it was seen"
    return None


def _by_interval(interval: Sequence[float], objective: float) -> tuple[Verdict, str]:
    low, high = interval
    between = f"between {low:.3%} and {high:.3%} of the answers are good"
    if high < objective:
        return Verdict.FAIL, f"{between}: under the objective of {_share(objective)}"
    if low >= objective:
        return Verdict.PASS, f"{between}: at least the objective of {_share(objective)}"
    return Verdict.NOT_ENOUGH_DATA, f"{between}: the objective of {_share(objective)} lies within"


def _too_few(row: Row) -> str | None:
    """Why so few events tell nothing; a price has no events."""
    if not row["objective"]:
        return None
    needed = ceil(round(1 / (1 - row["objective"]), 6))
    if row["total"] >= needed:
        return None
    return f"only {row['total']:g} events: from {needed} on, one may be bad at {_share(row['objective'])}"


def _by_budget(remaining: float, freeze: float) -> tuple[Verdict, str]:
    left = f"{remaining:.1%} of the budget is left"
    if remaining <= freeze:
        return Verdict.FAIL, f"{left}: changes are frozen at {freeze:.0%}"
    return Verdict.PASS, left


def _share(objective: float) -> str:
    return f"{objective * 100:.6g} %"


def _key(row: Row) -> GroupOf:
    return row["slo"], tuple(sorted(row["group"].items()))


def _hint(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
