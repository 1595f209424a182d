"""A sampled SLO's ticket in words: the same labels as every burn alert, with the interval as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from core.durations import render
from core.measures import group_key
from slo_engine.alerts import BURN, Links, group_text
from slo_engine.conditions import Reason
from slo_engine.evaluate import Stand
from slo_engine.quality.decide import enough, near_burn
from slo_engine.quality.reading import Reading, Sample, Verdicts
from slo_engine.quality.status import interval_text, is_undecided
from slo_engine.status import iso
from storage.alerts import AlertEvent

SEVERITY = "ticket"


def ticket_event(
    reading: Reading,
    stand: Stand,
    transition: str,
    starts_at: float,
    reason: Reason,
    at: float,
    siblings: Sequence[Reading],
    links: Links,
) -> AlertEvent:
    """A change of a sampled SLO's alert."""
    slo = reading.formula.slo
    labels = {
        "alertname": BURN,
        "slo": slo.name,
        "service": slo.service,
        "severity": SEVERITY,
        **dict(reading.group),
    }
    window = stand.row.long if stand.row else max(reading.windows)
    evidence = {
        **_numbers(reading, window),
        "condition": _condition(stand),
        "coverage": _rounded(stand.coverage),
        "suspects": suspects(siblings, window, reading),
        "reason": reason.value,
        "evaluated_at": iso(at),
    }
    annotations = {
        "summary": _summary(reading, window, transition),
        "description": _description(reading, window),
        **links.of(labels, starts_at, slo.alerting.runbook),
    }
    return AlertEvent(
        at, slo.name, group_key(reading.group), SEVERITY, transition, starts_at, labels, annotations, evidence
    )


def suspects(siblings: Iterable[Reading], window: int, this: Reading) -> list[dict[str, Any]]:
    """Groups of the same SLO in one window, worst first by the near edge.

    Those with too few verdicts to say anything are left out: one flagged of one would be the highest share of all.
    """
    found = [
        (one.group, sample)
        for one in siblings
        if _says_something(sample := one.windows[window], one.formula.slo.budget)
    ]
    found.sort(key=lambda one: -(one[1].estimate.low or 0.0))
    return [
        {
            "group": dict(group),
            "bad": sample.flagged,
            "total": sample.judged,
            "bad_share": sample.estimate.rate,
            "interval": _interval(sample),
            "this": group == this.group,
        }
        for group, sample in found[:10]
    ]


def _says_something(sample: Sample, budget: Fraction) -> bool:
    low = sample.estimate.low
    return low is not None and (low > budget or sample.judged >= enough(budget))


def _numbers(reading: Reading, window: int) -> dict[str, Any]:
    sample, windows = reading.windows[window], sorted(reading.windows.items())
    return {
        "sampled": True,
        "corrected": False,
        "interval": _interval(sample),
        "judged": sample.judged,
        "drawn": sample.estimate.drawn,
        "detectors": [{"detector": j.detector, "revision": j.revision, "since": iso(j.since)} for j in reading.judges],
        "by_stratum": [_stratum(one) for one in sample.verdicts],
        "burn_rates": {render(w): _rounded(near_burn(reading, one)) for w, one in windows},
        "bad_events": {render(w): one.flagged for w, one in windows},
        "total_events": {render(w): one.judged for w, one in windows},
        "budget_remaining": _remaining(reading),
        "objective": reading.formula.slo.objective,
    }


def _stratum(found: Verdicts) -> dict[str, Any]:
    return {"detector": found.judge.detector, "stratum": found.stratum, **found.tally._asdict()}


def _remaining(reading: Reading) -> float | None:
    rate = reading.period.estimate.rate
    return None if rate is None or is_undecided(reading) else _rounded(1 - rate / float(reading.formula.slo.budget))


def _interval(sample: Sample) -> list[float] | None:
    """Of the flagged share, in the window that is told of."""
    found = sample.estimate
    return None if found.low is None or found.high is None else [round(found.low, 6), round(found.high, 6)]


def _condition(stand: Stand) -> dict[str, Any] | None:
    row = stand.row
    if row is None:
        return None
    return {"long": render(row.long), "short": render(row.short), "factor": float(row.factor), "edge": "near"}


def _summary(reading: Reading, window: int, transition: str) -> str:
    who = f"{reading.formula.slo.name}{group_text(reading.group)}"
    if transition in ("resolved", "cleared"):
        return f"{who}: the sample does not show any more that the error budget burns too fast."
    near = near_burn(reading, reading.windows[window])
    if transition == "pending" or near is None:
        return f"{who}: more is flagged than may be, by the newest verdicts."
    return f"{who}: the error budget burns at least {near:.1f} times too fast over {render(window)}."


def _description(reading: Reading, window: int) -> str:
    slo, sample = reading.formula.slo, reading.windows[window]
    if not sample.judged:
        return f"Nothing was judged over {render(window)}. {slo.description}".strip()
    what = f"{sample.flagged} of {sample.judged} judged were flagged over {render(window)}"
    return f"{what} ({interval_text(sample, reading.judges)}). {slo.description}".strip()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
