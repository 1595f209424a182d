"""A window with so few events that a single failure is enough to page.

With N events in a window of factor f one failure is a burn rate of 1 ÷ (N × (1 − target)); it is over f where
N < 1 ÷ (f × (1 − target)): 69 in an hour at 99.9 % and 14.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.durations import render
from slo_engine.lint.facts import Traffic
from slo_engine.lint.model import Hit, Rule, Subject
from slo_engine.specs.model import EventRatio, Latency, QueryRatio, Slo
from slo_engine.windows.policy import BurnRow, policy_for


def check(subject: Subject) -> Iterator[Hit | str]:
    """Paging SLOs of events whose traffic the ledger knows; the others are named."""
    slos = [slo for slo in subject.specs.catalogue.slos if _pages(slo)]
    if slos and subject.facts.unknown:
        yield subject.facts.unknown
        return
    for slo in slos:
        traffic = [one for one in subject.facts.traffic.get(slo.name, ()) if one.events]
        if not traffic:
            yield f"{slo.name}: nothing of it was counted in the last week"
            continue
        yield from _of(slo, traffic)


def _pages(slo: Slo) -> bool:
    counts = isinstance(slo.indicator, EventRatio | Latency | QueryRatio)
    return counts and not slo.unsupported and slo.alerting.enabled and slo.alerting.page and 0 < slo.budget < 1


def _of(slo: Slo, traffic: list[Traffic]) -> Iterator[Hit]:
    """The shortest paging window that is too short for some group; one hit an SLO."""
    policy = policy_for(slo.objective_exact, slo.window_seconds)
    rows = sorted((row for row in policy.rows if row.severity == "page"), key=lambda row: row.long)
    for row in rows:
        needed = 1 / (row.factor * slo.budget)
        thin = [one for one in traffic if one.within(row.long) < needed]
        if thin:
            least = min(thin, key=lambda one: one.events / one.seconds)
            yield Hit(slo.source, _says(row, least, float(needed), len(thin), len(traffic)), _ADVICE)
            return


def _says(row: BurnRow, least: Traffic, needed: float, thin: int, groups: int) -> str:
    group = ",".join(f"{name}={value}" for name, value in least.group)
    of = f" in {thin} of {groups} groups, the least in {group}" if group else ""
    return (
        f"{least.within(row.long):.3g} events in {render(row.long)} on average{of}: under {needed:.3g} a single "
        f"failure burns over {float(row.factor):.3g} times the budget"
    )


_ADVICE = (
    "measure by fewer labels, or judge it by tickets alone (burnline/page: 'false'); Burnline pages by evidence here, "
    "which takes several failures, so a small outage may not page at all"
)

RULE = Rule("low-traffic", "warning", "a paging window with so few events that one failure is enough", check)
