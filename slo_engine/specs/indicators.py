"""From an SLI and one objective to an indicator that the engine can measure."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from core.matchers import matches_all
from core.signals import SIGNALS, VERDICTS
from slo_engine.specs.model import (
    Counted,
    EventRatio,
    GaugeThreshold,
    Latency,
    Metric,
    Op,
    QueryRatio,
    RateSlices,
    SelectorMetric,
    SignalMetric,
    SumRatio,
)
from slo_engine.specs.node import Node
from slo_engine.specs.queries import is_asked, read_queries, read_threshold_query, unsupported_queries
from slo_engine.specs.source import Source, is_burnline, ledger_factor, read_source

LATER = "served by a later version"
_MEANT = {"bad": {"flagged"}, "good": {"clear"}, "total": {"flagged", "clear"}}
"""The verdicts of each part of a sampled ratio: a failed one says nothing, and what was not applicable neither."""

_SERIES_OF_HISTOGRAM = ("_bucket", "_count", "_sum")


def exact(value: Any) -> Fraction:
    """The number as it was written: exact for texts of up to 15 significant digits, which a float holds."""
    return Fraction(Decimal(repr(value)))


def check_sli(sli: Node) -> None:
    """A rule on an SLI's spec: Burnline's own sources must say something that can be measured."""
    if ratio := sli.get("ratioMetric"):
        _read_ratio(ratio)
    elif threshold := sli.get("thresholdMetric"):
        _read_threshold_source(threshold)


def unsupported_sli(sli: Node) -> str | None:
    """Why an SLI cannot be measured by this version."""
    raw = sli.at("ratioMetric", "raw", "metricSource")
    if raw and is_burnline(raw):
        return "a raw ratio is no count: write good or bad over total, or a query of type prometheus"
    for metric in _metrics(sli):
        source = metric.get("metricSource")
        if source and not is_burnline(source) and not is_asked(source):
            kind = source.text("type")
            what = f"metric sources of type {kind!r}" if kind else "metric sources without a type"
            return f"{what} are {LATER}"
    return unsupported_queries(sli)


def read_indicator(sli: Node, objective: Node, *, sliced: bool = False) -> Counted | None:
    """What an SLI counts that `unsupported_sli` finds nothing against; None once a fault has been reported.

    `sliced`: its budget is kept in time slices.
    """
    if ratio := sli.get("ratioMetric"):
        for key in ("op", "value"):
            if value := objective.get(key):
                value.report("is not allowed with a ratioMetric: a ratio compares nothing")
        return read_queries(ratio) or _read_ratio(ratio.quiet())
    threshold = sli.get("thresholdMetric") or sli
    if (asked := threshold.get("metricSource")) and is_asked(asked):
        return read_threshold_query(asked, objective)
    source = _read_threshold_source(threshold.quiet())
    return _threshold(source, objective, sliced=sliced) if source else None


def by_of(indicator: Counted) -> tuple[str, ...]:
    """The dimensions that an indicator is measured by."""
    if isinstance(indicator, EventRatio):
        return indicator.total.by
    if isinstance(indicator, QueryRatio):
        return indicator.by
    return indicator.numerator.by if isinstance(indicator, SumRatio) else indicator.metric.by


def _metrics(sli: Node) -> list[Node]:
    """Every metric of an SLI."""
    places = [("thresholdMetric",), *(("ratioMetric", part) for part in ("good", "bad", "total", "raw"))]
    return [metric for place in places if (metric := sli.at(*place))]


def _read_metric(metric: Node | None) -> Source | None:
    source = metric.get("metricSource") if metric else None
    spec = source.get("spec") if source else None
    return read_source(spec) if source and spec and is_burnline(source) else None


def _read_ratio(ratio: Node) -> EventRatio | None:
    """good or bad over total, all from Burnline's own source; None where that is not so or a fault was reported."""
    before = len(ratio.found)
    parts: dict[str, Metric] = {}
    for key in ("good", "bad", "total", "raw"):
        metric = ratio.get(key)
        source = _read_metric(metric)
        if metric and source:
            _check_counter(metric, source)
            parts[key] = source.metric
    if not parts or len(ratio.found) > before:
        return None
    _check_parts(ratio, parts)
    _check_sampled(ratio, parts)
    total = parts.get("total")
    if total is None or len(ratio.found) > before:
        return None
    return EventRatio(total, good=parts.get("good"), bad=parts.get("bad"))


def _check_counter(metric: Node, source: Source) -> None:
    if source.signal and source.signal.kind != "counter":
        metric.report(f"{source.signal.name} is a {source.signal.kind}, not a counter: use a thresholdMetric")
    if source.rate or source.per:
        metric.report("rate and per belong to a thresholdMetric")


def _check_parts(ratio: Node, parts: dict[str, Metric]) -> None:
    counter = ratio.get("counter")
    if counter and counter.value is False:
        counter.report("Burnline counts counters: write true, or leave the key out")
    others = [key for key in ("good", "bad", "total") if ratio.get(key) and key not in parts]
    if others:
        ratio.report(f"{' and '.join(others)} must have type burnline too: both sides are read together")
    if len({frozenset(metric.by) for metric in parts.values()}) > 1:
        ratio.report(f"{' and '.join(parts)} must have the same by")
    layers = {metric.layer for metric in parts.values() if isinstance(metric, SignalMetric)}
    if len(layers) > 1 and len({metric.signal for metric in parts.values() if isinstance(metric, SignalMetric)}) == 1:
        ratio.report(f"{' and '.join(parts)} must name the same layer")


def _check_sampled(ratio: Node, parts: dict[str, Metric]) -> None:
    """A share of verdicts: every part is of the same named detectors, and the total is all that says something."""
    metrics = {key: metric for key, metric in parts.items() if isinstance(metric, SignalMetric)}
    sampled = {key: metric for key, metric in metrics.items() if SIGNALS[metric.signal].sampled}
    if sampled and len(sampled) < len(parts):
        ratio.report(f"{' and '.join(sampled)} is sampled: every part of the ratio must be")
    for key, metric in sampled.items():
        where = ratio.at(key, "metricSource", "spec", "where") or ratio
        if all(matcher.name != "detector" for matcher in metric.where):
            where.report('name the detector, such as detector="groundedness"')
        if (found := _verdicts(metric)) != _MEANT[key]:
            where.report(f"{key} must be verdict=~{'|'.join(sorted(_MEANT[key]))!r}, not {'|'.join(sorted(found))!r}")
    if len({frozenset(m for m in metric.where if m.name != "verdict") for metric in sampled.values()}) > 1:
        ratio.report(f"{' and '.join(sampled)} must be narrowed alike but for verdict")


def _verdicts(metric: SignalMetric) -> set[str]:
    """The verdicts that a metric counts."""
    matchers = tuple(matcher for matcher in metric.where if matcher.name == "verdict")
    return {verdict for verdict in VERDICTS if matches_all(matchers, {"verdict": verdict})}


def _read_threshold_source(threshold: Node) -> Source | None:
    source = _read_metric(threshold)
    if source is None:
        return None
    before = len(threshold.found)
    if isinstance(source.metric, SelectorMetric):
        _check_histogram_selector(threshold, source.metric)
    elif source.signal:
        _check_measurable(threshold, source, source.signal.kind)
    return source if len(threshold.found) == before else None


def _check_histogram_selector(threshold: Node, metric: SelectorMetric) -> None:
    selector = metric.selector
    end = next((end for end in _SERIES_OF_HISTOGRAM if selector.metric.endswith(end)), None)
    if end:
        threshold.report(f"name the histogram itself: {selector.metric.removesuffix(end)!r}, without {end}")
    if any(matcher.name == "le" for matcher in selector.matchers):
        threshold.report("leave out the matcher on le: the objective's value is the threshold")


def _check_measurable(threshold: Node, source: Source, kind: str) -> None:
    signals = [one for one in (source.metric, source.per) if isinstance(one, SignalMetric)]
    if any(SIGNALS[one.signal].sampled for one in signals):
        threshold.report("a sampled signal is no amount: use a ratioMetric")
        return
    if kind == "counter" and not source.rate and not source.per:
        threshold.report("a counter has no threshold: write rate: true or per, or use a ratioMetric")
    if kind != "counter" and (source.rate or source.per):
        threshold.report(f"rate and per need a counter, not a {kind}")
    if source.per and SIGNALS[source.per.signal].kind != "counter":
        threshold.report(f"per needs a counter, not a {SIGNALS[source.per.signal].kind}")


def _threshold(source: Source, objective: Node, *, sliced: bool) -> Counted | None:
    op, value = objective.get("op"), objective.get("value")
    if op is None or value is None:
        objective.report("op and value are required with a thresholdMetric")
        return None
    metric = source.metric
    if isinstance(metric, SelectorMetric) or source.signal is None or source.signal.kind == "histogram":
        return _latency(metric, op, value)
    if source.signal.kind == "gauge":
        return _gauge(metric, op.value, value)
    if source.per:
        return _sum(source, metric, source.per, objective, sliced=sliced)
    rate = float(exact(value.value) * ledger_factor(metric.signal))
    return RateSlices(metric, op.value, rate, source.condition)


def _latency(metric: Metric, op: Node, value: Node) -> Latency | None:
    if op.value != "lte":
        op.report(f"a histogram tells only how many values were at or below a bound: write lte, not {op.value}")
        return None
    if value.value <= 0:
        value.report(f"must be above 0 (in seconds), not {value.value}")
        return None
    return Latency(metric, float(value.value))


def _gauge(metric: SignalMetric, op: Op, value: Node) -> GaugeThreshold | None:
    if SIGNALS[metric.signal].unit == "share" and not 0 <= value.value <= 1:
        value.report(f"{metric.signal} is a share from 0 to 1, so {value.value} is never reached: write 85 % as 0.85")
        return None
    return GaugeThreshold(metric, op, float(value.value))


def _sum(source: Source, metric: SignalMetric, per: SignalMetric, objective: Node, *, sliced: bool) -> SumRatio | None:
    before = len(objective.found)
    op, value = objective.get("op") or objective, objective.get("value") or objective
    if op.value != "lte":
        op.report(f"a sum may be at most what is allowed: write lte, not {op.value}")
    if value.value <= 0:
        value.report(f"must be above 0, not {value.value}")
    target = objective.get("target") or objective.get("targetPercent")
    if target and target.value != 0 and not sliced:
        target.report("must be 0 with per: value is what is allowed, and all of it may be spent")
    if len(objective.found) > before:
        return None
    allowed = exact(value.value) * ledger_factor(metric.signal) / (source.scale * ledger_factor(per.signal))
    return SumRatio(metric, per, source.scale, allowed)
