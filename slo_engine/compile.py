"""From an SLO to a formula over measures: which cells of which atoms are its part, its total and its coverage.

Columns of every formula: PART (the good or the bad events, as the SLO was written; for a ratio of sums its numerator),
TOTAL (or the denominator), and target-milliseconds EXPECTED, COVERED and SPREAD.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from core import histogram
from core.matchers import Matcher, matches_all, parse_matchers
from core.measures import TARGET_TIME, Group, Measure, project
from core.signals import ALIASES, LAYERS
from slo_engine.specs.model import (
    Counted,
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
from storage.ledger.dictionary import Atom
from storage.plan import QueryMeasure, SelectorKind, SelectorMeasure

PART, TOTAL, EXPECTED, COVERED, SPREAD = range(5)
COLUMNS = 5
_COVERAGE = {"expected": EXPECTED, "covered": COVERED, "spread": SPREAD}

_NOT_EXCLUDED = parse_matchers('outcome!="excluded"')
"""Total is good + bad: what a client aborted is neither, unless the SLO says so."""

OF_TRACES = frozenset({"generations", "goodput", "drawn"})
"""Signals that no target's page carries: applications tell them, as spans."""

SHARES = 1_000_000_000
"""The whole of a slice that counts by its share of good events; the nearest of so many parts is kept."""

Cut = tuple[float, float]
"""The bounds (seconds) of a bucket."""
CellRange = tuple[int, int]
Pick = Callable[[Atom], CellRange | None]
"""The cells [from, to) of an atom that a term counts, or None when it counts none."""


class Term(NamedTuple):
    """One column's share of a formula."""

    column: int
    pick: Pick


@dataclass(frozen=True)
class Formula:
    """A compiled SLI. `part_is_good`: bad = total − part, else bad = part. `unit`: ledger units in a reported one."""

    slo: Slo
    terms: tuple[Term, ...]
    part_is_good: bool
    unit: float = 1.0

    def cut_of(self, atom: Atom) -> Cut | None:
        """The bucket that a latency's threshold cuts, where it is no bound of the atom; its values count as bad."""
        indicator, bounds = self.slo.indicator, atom.measure.bounds
        if not isinstance(indicator, Latency) or bounds is None or indicator.threshold in bounds:
            return None
        above = histogram.cells_at_or_below(bounds, indicator.threshold)
        return (bounds[above - 1] if above else 0.0), (bounds[above] if above < len(bounds) else inf)

    def group_of(self, atom: Atom) -> Group:
        """The group of this SLO that an atom counts in."""
        return project(atom.group, self.slo.by)


def signal_of(metric: SignalMetric) -> str:
    """The signal itself, where the metric names an alias."""
    return ALIASES.get(metric.signal, (metric.signal, ""))[0]


def layers_present(atoms: Iterable[Atom]) -> dict[str, str]:
    """For each signal the outermost layer that the fleet has: the one it is counted in."""
    seen: dict[str, str] = {}
    for atom in atoms:
        name, layer = atom.measure.name, atom.measure.layer
        if layer and (name not in seen or LAYERS.index(layer) < LAYERS.index(seen[name])):
            seen[name] = layer
    return seen


def selectors_of(slo: Slo) -> list[SelectorMeasure]:
    """The raw selectors that the collectors must count for an SLO."""
    indicator = slo.counted
    if isinstance(indicator, EventRatio):
        metrics = [m for m in (indicator.good, indicator.bad, indicator.total) if isinstance(m, SelectorMetric)]
        return [_selector(metric, "counter") for metric in metrics]
    if isinstance(indicator, Latency) and isinstance(indicator.metric, SelectorMetric):
        return [_selector(indicator.metric, "histogram")]
    return []


def queries_of(slo: Slo) -> list[QueryMeasure]:
    """What the collectors must ask a Prometheus-compatible server for an SLO."""
    return [asked(slo.counted)] if isinstance(slo.counted, QueryRatio) else []


def asked(ratio: QueryRatio) -> QueryMeasure:
    """The measure of a ratio of queries."""
    return QueryMeasure(part=ratio.part, total=ratio.total, by=ratio.by, server=ratio.server)


def compile_slo(slo: Slo, layers: Mapping[str, str]) -> Formula:
    """The formula of an SLO, given the layer that each signal is counted in."""
    indicator = slo.indicator
    if isinstance(indicator, TimeSlices):
        return _time_slices(slo, indicator, layers)
    if isinstance(indicator, EventRatio):
        return _event_ratio(slo, indicator, layers)
    if isinstance(indicator, QueryRatio):
        return _query_ratio(slo, indicator)
    if isinstance(indicator, Latency):
        good = _pick_cells(indicator.metric, layers, lambda b: (0, histogram.cells_at_or_below(b, indicator.threshold)))
        return _formula(slo, good, _pick_cells(indicator.metric, layers, _all_cells), indicator.metric, layers)
    if isinstance(indicator, GaugeThreshold):
        return _gauge(slo, indicator, layers)
    if isinstance(indicator, RateSlices):
        name = slices_name(indicator)
        good = pick_named(name, {"verdict": "good"})
        return _formula(slo, good, pick_named(name, {}), indicator.metric, layers)
    if isinstance(indicator, SumRatio):
        numerator, denominator = indicator.numerator, indicator.denominator
        terms = (Term(PART, _pick_cells(numerator, layers, _all_cells)),)
        total = (Term(TOTAL, _pick_cells(denominator, layers, _all_cells)),)
        return Formula(slo, terms + total + _coverage_terms(denominator, layers), part_is_good=False)
    return Formula(slo, (), part_is_good=False)


def signals_of(slo: Slo) -> set[str]:
    """The signals, and the parts of signals, without which nothing can be said of an SLO."""
    indicator = slo.counted
    metrics: list[Metric] = []
    if isinstance(indicator, EventRatio):
        metrics = [m for m in (indicator.good, indicator.bad, indicator.total) if m is not None]
    elif isinstance(indicator, SumRatio):
        metrics = [indicator.numerator, indicator.denominator]
    elif indicator is not None and not isinstance(indicator, QueryRatio):
        metrics = [indicator.metric]
    named = [metric for metric in metrics if isinstance(metric, SignalMetric)]
    return {signal_of(metric) for metric in named} | {part for metric in named for part in _parts_of(metric)}


def _parts_of(metric: SignalMetric) -> Iterable[str]:
    """The named parts of a signal that a metric is narrowed to."""
    for alias, (signal, where) in ALIASES.items():
        if signal == signal_of(metric) and all(matcher in where_of(metric) for matcher in parse_matchers(where)):
            yield alias


def told_by(atoms: Iterable[Atom]) -> frozenset[str]:
    """The signals that these atoms count, and the parts of signals that they have told apart."""
    measures = {atom.measure for atom in atoms}
    parts = {
        alias
        for alias, (signal, where) in ALIASES.items()
        for measure in measures
        if measure.name == signal and matches_all(parse_matchers(where), dict(measure.attrs))
    }
    return frozenset({measure.name for measure in measures} | parts)


def where_of(metric: SignalMetric) -> tuple[Matcher, ...]:
    """What narrows a signal: its own matchers, its alias's, and of requests only those that have an outcome."""
    where = metric.where
    if metric.signal in ALIASES:
        where = (*where, *parse_matchers(ALIASES[metric.signal][1]))
    if signal_of(metric) in ("requests", "goodput") and not any(m.name == "outcome" for m in where):
        where = (*where, *_NOT_EXCLUDED)
    return where


def selector_names(metric: SelectorMetric) -> set[str]:
    """The measures that a raw selector may be counted under."""
    return {_selector(metric, "counter").name, _selector(metric, "histogram").name}


def slices_name(indicator: RateSlices) -> str:
    """The measure of one-minute verdicts: equal definitions share it."""
    metric, condition = indicator.metric, indicator.condition
    where = ",".join(str(m) for m in metric.where)
    when = f" while {condition.signal} {condition.op} {condition.value:g}" if condition else ""
    by = ",".join(metric.by)
    return f"slices:{metric.signal}{{{where}}} {indicator.op} {indicator.value:g}/s{when} by({by})"


def timeslices_name(indicator: TimeSlices) -> str:
    """The measure of the verdicts on time slices: equal definitions share it."""
    target = "ratio" if indicator.target is None else str(indicator.target)
    owner = f" of {indicator.owner}" if indicator.owner else ""
    return f"timeslices:{indicator.seconds}s {target} {definition_key(indicator.of)}{owner}"


def definition_key(counted: Counted) -> str:
    """Equal for what counts the same, in every version."""
    return hashlib.sha256("|".join(_definition(counted)).encode()).hexdigest()[:24]


def counted_formula(slo: Slo, layers: Mapping[str, str]) -> Formula:
    """What is counted within the time slices of an SLO."""
    return compile_slo(replace(slo, indicator=slo.counted), layers)


def _definition(counted: Counted) -> Iterable[str]:
    """Everything that a slice's verdict depends on, as text that stays the same between versions."""
    yield type(counted).__name__
    if isinstance(counted, EventRatio):
        yield from (_metric_text(counted.good), _metric_text(counted.bad), _metric_text(counted.total))
    elif isinstance(counted, QueryRatio):
        yield from (asked(counted).name, str(counted.part_is_good))
    elif isinstance(counted, Latency):
        yield from (_metric_text(counted.metric), repr(counted.threshold))
    elif isinstance(counted, GaugeThreshold):
        yield from (_metric_text(counted.metric), counted.op, repr(counted.value))
    elif isinstance(counted, RateSlices):
        yield slices_name(counted)
    else:
        yield from (_metric_text(counted.numerator), _metric_text(counted.denominator), str(counted.allowed))


def _metric_text(metric: Metric | None) -> str:
    if metric is None:
        return ""
    if isinstance(metric, SelectorMetric):
        return _selector(metric, "counter").name
    where = ",".join(str(matcher) for matcher in where_of(metric))
    return f"{signal_of(metric)}{{{where}}} {metric.layer or ''} by({','.join(metric.by)})"


def _time_slices(slo: Slo, indicator: TimeSlices, layers: Mapping[str, str]) -> Formula:
    """Verdicts are counted; the coverage is that of what they were made from."""
    name = timeslices_name(indicator)
    verdicts = [Term(TOTAL, pick_named(name, {"verdict": verdict})) for verdict in ("good", "bad")]
    coverage = [term for term in counted_formula(slo, layers).terms if term.column not in (PART, TOTAL)]
    terms = (Term(PART, pick_named(name, {"verdict": "good"})), *verdicts, *coverage)
    return Formula(slo, terms, part_is_good=True, unit=1.0 if indicator.target is not None else float(SHARES))


def _event_ratio(slo: Slo, ratio: EventRatio, layers: Mapping[str, str]) -> Formula:
    part = ratio.good or ratio.bad
    assert part is not None
    pick = _pick_cells(part, layers, _all_cells)
    total = _pick_cells(ratio.total, layers, _all_cells)
    return _formula(slo, pick, total, ratio.total, layers, part_is_good=ratio.good is not None)


def _query_ratio(slo: Slo, ratio: QueryRatio) -> Formula:
    name = asked(ratio).name
    counts = Term(PART, pick_named(name, {"count": "part"})), Term(TOTAL, pick_named(name, {"count": "total"}))
    coverage = (Term(column, _pick_target_time(state, {name}, None)) for state, column in _COVERAGE.items())
    return Formula(slo, (*counts, *coverage), ratio.part_is_good, unit=float(ratio.minutes or 1))


def _gauge(slo: Slo, gauge: GaugeThreshold, layers: Mapping[str, str]) -> Formula:
    """Below a threshold the whole cells at or below it count; above it, all others do."""
    below = gauge.op in ("lt", "lte")
    pick = _pick_cells(gauge.metric, layers, lambda b: (0, histogram.cells_at_or_below(b, gauge.value)))
    total = _pick_cells(gauge.metric, layers, _all_cells)
    formula = _formula(slo, pick, total, gauge.metric, layers, part_is_good=below)
    return Formula(formula.slo, formula.terms, formula.part_is_good, unit=1000.0)


def _formula(
    slo: Slo, part: Pick, total: Pick, covered: Metric, layers: Mapping[str, str], *, part_is_good: bool = True
) -> Formula:
    return Formula(slo, (Term(PART, part), Term(TOTAL, total), *_coverage_terms(covered, layers)), part_is_good)


def _selector(metric: SelectorMetric, kind: SelectorKind) -> SelectorMeasure:
    return SelectorMeasure(selector=str(metric.selector), by=metric.by, kind=kind)


def _all_cells(bounds: histogram.Bounds) -> CellRange:
    return 0, len(bounds) + 1


def _pick_cells(metric: Metric, layers: Mapping[str, str], cells: Callable[[histogram.Bounds], CellRange]) -> Pick:
    if isinstance(metric, SelectorMetric):
        names = selector_names(metric)
        return lambda atom: _range(atom.measure, cells) if atom.measure.name in names else None
    signal, where = signal_of(metric), where_of(metric)
    layer = metric.layer or layers.get(signal, "")

    def pick(atom: Atom) -> CellRange | None:
        measure = atom.measure
        if measure.name != signal or measure.layer != layer:
            return None
        return _range(measure, cells) if matches_all(where, {**dict(atom.group), **dict(measure.attrs)}) else None

    return pick


def pick_named(name: str, attrs: Mapping[str, str]) -> Pick:
    """The one cell of a counter of this name that has these attributes."""

    def pick(atom: Atom) -> CellRange | None:
        fits = atom.measure.name == name and all(dict(atom.measure.attrs).get(k) == v for k, v in attrs.items())
        return (0, 1) if fits else None

    return pick


def _range(measure: Measure, cells: Callable[[histogram.Bounds], CellRange]) -> CellRange:
    return (0, 1) if measure.bounds is None else cells(measure.bounds)


def _coverage_terms(metric: Metric, layers: Mapping[str, str]) -> tuple[Term, ...]:
    if isinstance(metric, SelectorMetric):
        names = selector_names(metric)
        return tuple(Term(column, _pick_target_time(state, names, None)) for state, column in _COVERAGE.items())
    layer = metric.layer or layers.get(signal_of(metric), "engine")
    return tuple(Term(column, _pick_target_time(state, {""}, layer)) for state, column in _COVERAGE.items())


def _pick_target_time(state: str, of: set[str], layer: str | None) -> Pick:
    def pick(atom: Atom) -> CellRange | None:
        measure = atom.measure
        if measure.name != TARGET_TIME or (layer is not None and measure.layer != layer):
            return None
        attrs = dict(measure.attrs)
        return (0, 1) if attrs.get("state") == state and attrs.get("of", "") in of else None

    return pick
