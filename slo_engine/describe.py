"""An SLI in plain data, as it is stored with each revision: whoever reads the ledger can count it without this package.

    {"kind": "latency", "by": ["model"], "part_is_good": true, "unit": 1.0,
     "part":  {"measures": ["ttft"], "where": "", "layer": null, "at_or_below": 0.5},
     "total": {"measures": ["ttft"], "where": "", "layer": null, "at_or_below": null},
     "coverage": {"signal": "ttft", "layer": null, "of": [""]}}

`layer` null is the outermost that the fleet counts the signal in, "" is any; `where` is in Alertmanager's notation.
A composite has `"kind": "composite"` and `components`, each the name of an SLO and a weight, and counts nothing itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.durations import render
from core.matchers import Matcher
from slo_engine.compile import (
    SHARES,
    asked,
    compile_slo,
    selector_names,
    signal_of,
    slices_name,
    timeslices_name,
    where_of,
)
from slo_engine.evaluate import policy_of, severities
from slo_engine.specs.model import (
    Composite,
    EventRatio,
    GaugeThreshold,
    Latency,
    Metric,
    QueryRatio,
    RateSlices,
    SelectorMetric,
    SignalMetric,
    Slo,
    SumRatio,
    TimeSlices,
)
from slo_engine.windows import BurnRow

MILLISECONDS = 1000.0


def policy(slo: Slo) -> list[dict[str, Any]]:
    """When it alerts: both windows of a row above its factor, for the severities that it has."""
    rows = [row for row in policy_of(compile_slo(slo, {})).rows if row.severity in severities(slo)]
    return [_limit(row) for row in rows]


def _limit(row: BurnRow) -> dict[str, Any]:
    windows = {"long": render(row.long), "short": render(row.short)}
    hold = {"hold": render(row.hold)} if row.hold else {}
    return {"severity": row.severity, **windows, "factor": float(row.factor), **hold}


def describe(slo: Slo) -> dict[str, Any] | None:
    """The SLI of an SLO as JSON; None where it has none."""
    indicator = slo.indicator
    if isinstance(indicator, Composite):
        return _composite(slo, indicator)
    if isinstance(indicator, TimeSlices):
        return _time_slices(slo, indicator)
    if isinstance(indicator, EventRatio):
        part = indicator.good or indicator.bad
        assert part is not None
        good = indicator.good is not None
        return _sli("events", slo, _metric(part), _metric(indicator.total), indicator.total, part_is_good=good)
    if isinstance(indicator, QueryRatio):
        return _queries(slo, indicator)
    if isinstance(indicator, Latency):
        part_ = _metric(indicator.metric, indicator.threshold)
        return _sli("latency", slo, part_, _metric(indicator.metric), indicator.metric)
    if isinstance(indicator, GaugeThreshold):
        below = indicator.op in ("lt", "lte")
        part_, total = _metric(indicator.metric, indicator.value), _metric(indicator.metric)
        return _sli("gauge", slo, part_, total, indicator.metric, part_is_good=below) | {"unit": MILLISECONDS}
    if isinstance(indicator, RateSlices):
        name = slices_name(indicator)
        good_, all_ = _terms([name], 'verdict="good"', ""), _terms([name], "", "")
        return _sli("slices", slo, good_, all_, indicator.metric)
    if isinstance(indicator, SumRatio):
        upper, lower = _metric(indicator.numerator), _metric(indicator.denominator)
        return _sli("sums", slo, upper, lower, indicator.denominator, part_is_good=False)
    return None


def _composite(slo: Slo, composite: Composite) -> dict[str, Any]:
    """Which SLOs it is made of; what is counted is said by theirs."""
    parts = [{"slo": part.slo, "weight": str(part.weight)} for part in composite.parts]
    return {"kind": "composite", "by": list(slo.by), "components": parts}


def _time_slices(slo: Slo, indicator: TimeSlices) -> dict[str, Any]:
    counted = describe(replace(slo, indicator=indicator.of))
    assert counted is not None
    name = timeslices_name(indicator)
    part, total = _terms([name], 'verdict="good"', ""), _terms([name], 'verdict=~"good|bad"', "")
    unit = float(SHARES) if indicator.target is None else 1.0
    shape = {"kind": "timeslices", "by": list(slo.by), "part_is_good": True, "unit": unit}
    return {**shape, "part": part, "total": total, "coverage": counted["coverage"]}


def _queries(slo: Slo, ratio: QueryRatio) -> dict[str, Any]:
    name = asked(ratio).name
    part, total = _terms([name], 'count="part"', ""), _terms([name], 'count="total"', "")
    shape = {
        "kind": "queries",
        "by": list(slo.by),
        "part_is_good": ratio.part_is_good,
        "unit": float(ratio.minutes or 1),
    }
    return {**shape, "part": part, "total": total, "coverage": {"signal": "", "layer": "", "of": [name]}}


def _sli(
    kind: str, slo: Slo, part: dict[str, Any], total: dict[str, Any], covered: Metric, *, part_is_good: bool = True
) -> dict[str, Any]:
    shape = {"kind": kind, "by": list(slo.by), "part_is_good": part_is_good, "unit": 1.0}
    return {**shape, "part": part, "total": total, "coverage": _coverage(covered)}


def _metric(metric: Metric, at_or_below: float | None = None) -> dict[str, Any]:
    if isinstance(metric, SelectorMetric):
        return _terms(sorted(selector_names(metric)), "", "", at_or_below)
    where = _text(where_of(metric))
    return _terms([signal_of(metric)], where, metric.layer, at_or_below)


def _terms(measures: list[str], where: str, layer: str | None, at_or_below: float | None = None) -> dict[str, Any]:
    return {"measures": measures, "where": where, "layer": layer, "at_or_below": at_or_below}


def _coverage(metric: Metric) -> dict[str, Any]:
    if isinstance(metric, SignalMetric):
        return {"signal": signal_of(metric), "layer": metric.layer, "of": [""]}
    return {"signal": "", "layer": "", "of": sorted(selector_names(metric))}


def _text(matchers: tuple[Matcher, ...]) -> str:
    return ",".join(str(matcher) for matcher in matchers)
