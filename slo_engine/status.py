"""What is said of each SLO and group: the rows of `burnline slo status --json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

from core.durations import render
from core.measures import Group
from slo_engine.burn import Spent
from slo_engine.compile import Cut, Formula
from slo_engine.conditions import Level, State
from slo_engine.specs.model import Latency, SumRatio
from slo_engine.windows import BurnRow

PARTIAL = 0.95
BLIND = 0.5
INEXACT = "not exact: each minute counts what PromQL queries said at its end"


class Finding(NamedTuple):
    """What the detector for few events says in place of a burn row: its level, and the evidence with its threshold.

    `bad` of `total` events since `since` (Unix seconds), where the likeliest breach began; the budget burns at
    `burn_at_least` or faster, None where that is not shown. `groups`: those among which the promise is shared.
    """

    level: Level
    row: BurnRow
    value: float
    threshold: float
    groups: int
    since: int | None = None
    bad: int = 0
    total: int = 0
    burn_at_least: float | None = None


class Reset(NamedTuple):
    """From `at` on (Unix seconds) a budget counts anew, and why."""

    at: float
    reason: str


class Reading(NamedTuple):
    """One group of one SLO at one evaluation: the period's budget, each window's burn, and the detector's findings.

    `findings`: by severity, those that the detector for few events decides.
    """

    formula: Formula
    group: Group
    period: Spent
    windows: Mapping[int, Spent]
    since: float | None
    cuts: frozenset[Cut] = frozenset()
    findings: Mapping[str, Finding] = MappingProxyType({})
    reset: Reset | None = None


def coverage_reason(coverage: float | None, total: int) -> str | None:
    """Why a number is not to be trusted as it stands, or None."""
    if coverage is None:
        return "blind: no target was expected in this window"
    if coverage < BLIND:
        return f"blind: only {coverage:.0%} of the target-time is covered"
    if total == 0:
        return "idle: covered, and no events"
    if coverage < PARTIAL:
        return f"partial: {coverage:.1%} of the target-time is covered"
    return None


def row(reading: Reading, state: State) -> dict[str, Any]:
    """The contract's fields; what is unknown is null, and `reason` says why."""
    slo, period, unit = reading.formula.slo, reading.period, reading.formula.unit
    counts, recent = period.counts, reading.windows[min(reading.windows)].counts
    known = counts.total > 0
    is_ratio = slo.objective > 0
    silent = state is State.OK and (not known or _is_blind(recent.coverage))
    return {
        "slo": slo.name,
        "group": dict(reading.group),
        "objective": slo.objective if is_ratio else None,
        "window": render(slo.window_seconds),
        "good": amount(counts.total - period.bad, unit) if known and is_ratio else None,
        "total": amount(counts.total, unit) if known else None,
        "sli": _sli(reading) if known else None,
        "budget_remaining": period.remaining,
        "burn_rates": {render(window): spent.rate for window, spent in sorted(reading.windows.items())},
        "coverage": counts.coverage,
        "exact": slo.exact,
        "state": "no_data" if silent else state.value,
        "since": iso(reading.since),
        "reason": "; ".join(_reasons(reading)) or None,
        **reset_fields(reading.reset),
    }


def _reasons(reading: Reading) -> Iterable[str]:
    """Why numbers are missing, or not what they seem: of the period, else of the first window without a rate."""
    counts = reading.period.counts
    of_period = coverage_reason(counts.coverage, counts.total)
    if of_period is not None:
        yield of_period
    else:
        for window, spent in sorted(reading.windows.items()):
            if spent.rate is None and (reason := coverage_reason(spent.counts.coverage, spent.counts.total)):
                yield f"last {render(window)} {reason}"
                break
    if not reading.formula.slo.exact:
        yield INEXACT
    for severity, finding in reading.findings.items():
        if finding.bad:
            yield f"{severity} by evidence, events are few: {evidence_text(finding)}"
    for lower, upper in sorted(reading.cuts):
        yield cut_note(reading.formula, lower, upper)


def evidence_text(finding: Finding) -> str:
    """What the detector saw, in words."""
    seen = f"{finding.bad} of {finding.total} bad since {iso(finding.since)}"
    if not finding.value:
        return f"{seen}, all at once, which is no evidence"
    bound = finding.burn_at_least
    burn = "" if bound is None else f", which is a burn rate of at least {bound:.3g}"
    return f"{seen}, evidence {finding.value:.2g} of {finding.threshold:.2g}{burn}"


def cut_note(formula: Formula, lower: float, upper: float) -> str:
    """That a threshold is no bound of a histogram, and what is counted instead."""
    indicator = formula.slo.indicator
    assert isinstance(indicator, Latency)
    to = "above" if upper == inf else f"to {upper:g} s"
    return (
        f"{indicator.threshold:g} s is no bucket bound: counted at {lower:g} s, "
        f"so what took from {lower:g} s {to} counts as bad"
    )


def _is_blind(coverage: float | None) -> bool:
    return coverage is None or coverage < BLIND


def unmeasured(slo_name: str, objective: float | None, window: int, reason: str) -> dict[str, Any]:
    """The row of an SLO that has no group yet, or cannot be measured."""
    return {
        "slo": slo_name,
        "group": {},
        "objective": objective or None,
        "window": render(window),
        "good": None,
        "total": None,
        "sli": None,
        "budget_remaining": None,
        "burn_rates": {},
        "coverage": None,
        "exact": None,
        "state": "no_data",
        "since": None,
        "reason": reason,
        **reset_fields(None),
        "exhausted_at": {},
    }


def reset_fields(reset: Reset | None) -> dict[str, Any]:
    """Since when the budget counts anew, and why; null where it was never reset within its window."""
    at, reason = (None, None) if reset is None else (iso(reset.at), reset.reason)
    return {"reset_at": at, "reset_reason": reason}


def amount(n: int, unit: float) -> int | float:
    """Ledger units as they are reported."""
    return n if unit == 1.0 else n / unit


def _sli(reading: Reading) -> float:
    """The share of good events; of a ratio of sums what one `scale` of the denominator cost, as its SLO quotes it."""
    slo, period = reading.formula.slo, reading.period
    total = period.counts.total
    if isinstance(slo.indicator, SumRatio) and slo.threshold is not None:
        return float(Fraction(period.bad, total) / slo.indicator.allowed) * slo.threshold
    return (total - period.bad) / total


def iso(time: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC."""
    return None if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
