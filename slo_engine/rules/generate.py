"""Every SLO's groups of rules, and which SLOs have none and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from core.durations import MINUTE, render
from slo_engine.rules.alerting import alert_rules
from slo_engine.rules.policy import RulePolicy
from slo_engine.rules.raw import Inexpressible, NoSignals, RawSignals
from slo_engine.rules.recording import Rule, minute_rules, period_rules, window_rules
from slo_engine.rules.sides import RATE, Sides, sides_of
from slo_engine.specs.model import Slo

PERIOD_INTERVAL = 5 * MINUTE
"""How often the budget is summed: the whole period is read each time."""


_SCRAPES = 4
"""Samples that the shortest range should hold, so that a missed scrape empties none."""


class RuleGroup(NamedTuple):
    """Rules that are evaluated one after another, every `interval` seconds."""

    name: str
    interval: int
    rules: tuple[Rule, ...]


class LeftOut(NamedTuple):
    """An SLO without rules, and why."""

    slo: Slo
    reason: str


@dataclass(frozen=True)
class Generated:
    """`notes`: SLO and what its rules need."""

    groups: tuple[RuleGroup, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[tuple[str, str], ...]


def generate(
    slos: Iterable[Slo], signals: RawSignals | None = None, policy: RulePolicy = RulePolicy.BURNLINE
) -> Generated:
    """The rules of all SLOs that PromQL can express, in their order."""
    groups: list[RuleGroup] = []
    left_out: list[LeftOut] = []
    notes: list[tuple[str, str]] = []
    for slo in slos:
        try:
            sides = sides_of(slo, signals or NoSignals())
        except Inexpressible as error:
            left_out.append(LeftOut(slo, str(error)))
            continue
        groups += _groups(slo, sides, policy)
        notes += ((slo.name, note) for note in (*sides.notes, *_too_short(slo, sides, policy)))
    return Generated(tuple(groups), tuple(left_out), tuple(notes))


def _too_short(slo: Slo, sides: Sides, policy: RulePolicy) -> Iterable[str]:
    """`increase` needs two samples in its range, and Prometheus 3 leaves out one at the range's beginning."""
    shortest = min(row.short for row in policy.rows(slo).rows)
    if sides.total.over is not None and shortest < _SCRAPES * MINUTE:
        yield f"its shortest window is {render(shortest)}: {_scrape_every(shortest)}"
    elif any(helper.record == RATE for helper in sides.helpers):
        yield f"its rate is taken over {render(MINUTE)}: {_scrape_every(MINUTE)}"


def _scrape_every(shortest: int) -> str:
    return f"scrape its series every {render(shortest / _SCRAPES)} or sooner"


def _groups(slo: Slo, sides: Sides, policy: RulePolicy) -> tuple[RuleGroup, RuleGroup]:
    windows = sorted({window for row in policy.rows(slo).rows for window in (row.long, row.short)})
    burning = (*minute_rules(slo, sides), *window_rules(slo, sides, windows), *alert_rules(slo, sides, policy))
    # A window that is as long as the period is recorded once.
    known = {rule.name for rule in burning}
    period = tuple(rule for rule in period_rules(slo, sides) if rule.name not in known)
    return (
        RuleGroup(f"burnline-{slo.name}", MINUTE, burning),
        RuleGroup(f"burnline-{slo.name}-period", PERIOD_INTERVAL, period),
    )
