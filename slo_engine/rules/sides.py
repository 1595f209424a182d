"""What an SLI counts, as PromQL: its total and its good or bad part, each by group.

A counter's side is asked for a whole window at once. What is judged minute by minute (gauges, rates, queries) is
recorded for each minute, and a window sums those records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from core.durations import MINUTE
from core.matchers import Matcher
from slo_engine.burn import budget_of
from slo_engine.compile import Formula
from slo_engine.rules import promql
from slo_engine.rules.raw import Inexpressible, RawSeries, RawSignals
from slo_engine.specs.model import (
    EventRatio,
    GaugeThreshold,
    Latency,
    Metric,
    Op,
    QueryRatio,
    RateSlices,
    SelectorMetric,
    SignalMetric,
    Slo,
    SumRatio,
    TimeSlices,
    While,
)

RESERVED = frozenset({"alertname", "slo", "service", "severity", "le", "part", "told"})
"""Labels that the rules give themselves: no group may be kept by them."""

RATE, CONDITION = "slo:sli_rate:rate1m", "slo:sli_condition:avg1m"
"""What a rate is judged by, each minute."""
_OPS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_OPPOSITE: dict[Op, str] = {"lt": ">=", "lte": ">", "gt": "<=", "gte": "<"}
_MOSTLY = "0.5"
"""A minute counts when its condition held for at least this share of the targets' time, as in slices.py."""


class PartIs(Enum):
    """What the part of a total is."""

    BAD = "bad"
    GOOD = "good"
    GOOD_BUCKET = "good, and always there with its total"


class Side(NamedTuple):
    """One count by group: over a range (`5m`) at once, or for each minute."""

    over: Callable[[str], str] | None = None
    minute: str | None = None


class Helper(NamedTuple):
    """A value of each minute that both sides are made from: its record and expression."""

    record: str
    expression: str


@dataclass(frozen=True)
class Sides:
    """An SLI as PromQL. `budget`: the share of the total that the part may be bad by (of a price: what it may cost)."""

    by: tuple[str, ...]
    total: Side
    part: Side
    part_is: PartIs
    budget: Fraction
    helpers: tuple[Helper, ...] = ()
    notes: tuple[str, ...] = ()


def sides_of(slo: Slo, signals: RawSignals) -> Sides:
    """The sides of an SLO; Inexpressible where PromQL has no equal."""
    if slo.unsupported or slo.indicator is None:
        raise Inexpressible(slo.unsupported or "it has no indicator")
    if slo.sampled:
        raise Inexpressible("a share of a sample has an interval that PromQL cannot compute")
    if reason := _only_the_engine(slo):
        raise Inexpressible(reason)
    if taken := sorted(RESERVED & set(slo.by)):
        raise Inexpressible(f"its groups have the label {', '.join(taken)}, which the rules set themselves")
    return _build(slo, signals)


def _only_the_engine(slo: Slo) -> str | None:
    """What of an SLO has no equal in rules."""
    if slo.composite:
        return "it is a composite, whose burn is a sum over other SLOs; the rules of its components are written"
    if isinstance(slo.indicator, TimeSlices):
        return "its budget is kept in time slices, which rules would have to record one by one"
    if slo.calendar:
        return "its budget is that of a calendar's period, and rules look back over windows"
    if slo.overrides:
        return "some of its groups have targets of their own: write an SLO for each"
    if slo.exclude:
        return "it leaves out time that a rule does not know"
    if any(one.hold or one.inclusive for one in slo.conditions):
        return "its alert policies wait, or fire at their factor itself: rules are written for windows and factors"
    return None


def _build(slo: Slo, signals: RawSignals) -> Sides:
    indicator = slo.indicator
    if isinstance(indicator, EventRatio):
        return _events(slo, indicator, signals)
    if isinstance(indicator, QueryRatio):
        return _queries(slo, indicator)
    if isinstance(indicator, Latency):
        return _latency(slo, indicator, signals)
    if isinstance(indicator, GaugeThreshold):
        return _gauge(slo, indicator, signals)
    if isinstance(indicator, RateSlices):
        return _slices(slo, indicator, signals)
    assert isinstance(indicator, SumRatio)
    return _sums(slo, indicator, signals)


def _budget(slo: Slo) -> Fraction:
    return budget_of(Formula(slo, (), part_is_good=False))


def _events(slo: Slo, ratio: EventRatio, signals: RawSignals) -> Sides:
    part = ratio.good or ratio.bad
    assert part is not None
    part_is = PartIs.GOOD if ratio.good is not None else PartIs.BAD
    total = Side(_increase(ratio.total, slo.by, signals))
    return Sides(slo.by, total, Side(_increase(part, slo.by, signals)), part_is, _budget(slo))


def _queries(slo: Slo, ratio: QueryRatio) -> Sides:
    part_is = PartIs.GOOD if ratio.part_is_good else PartIs.BAD
    total, part = (Side(minute=_asked(query, slo.by)) for query in (ratio.total, ratio.part))
    return Sides(slo.by, total, part, part_is, _budget(slo))


def _asked(query: str, by: tuple[str, ...]) -> str:
    """A query's answer by group. What is negative or NaN is not known; a comment may end the query's last line."""
    end = "\n" if "#" in query else ""
    return promql.grouped("sum", by, f"({query}{end}) >= 0")


def _latency(slo: Slo, latency: Latency, signals: RawSignals) -> Sides:
    found = _raw(latency.metric, signals, "histogram")
    threshold = Decimal(repr(latency.threshold))

    def good(window: str) -> str:
        return _sum(found, slo.by, window, "_bucket", lambda one: (promql.at_bound(_bound(threshold, one)),))

    def total(window: str) -> str:
        return _sum(found, slo.by, window, "_count", lambda _: ())

    bounds = sorted({promql.spelled(_bound(threshold, one))[0] for one in found})
    note = f"needs a bucket with the bound {' or '.join(bounds)} of {_names(found)}: without it there is no result"
    return Sides(slo.by, Side(total), Side(good), PartIs.GOOD_BUCKET, _budget(slo), notes=(note,))


def _bound(threshold: Decimal, raw: RawSeries) -> Decimal:
    """The threshold in the page's unit."""
    return threshold / Decimal(repr(raw.scale))


def _gauge(slo: Slo, gauge: GaugeThreshold, signals: RawSignals) -> Sides:
    limit = promql.number(gauge.value)
    bad = _gauges(gauge.metric, slo.by, signals, f"{_OPPOSITE[gauge.op]} bool {limit}", "sum")
    total = _gauges(gauge.metric, slo.by, signals, "", "count")
    return Sides(slo.by, Side(minute=total), Side(minute=bad), PartIs.BAD, _budget(slo))


def _slices(slo: Slo, rate: RateSlices, signals: RawSignals) -> Sides:
    """Each minute is one event: 1 in the total, and 1 or 0 in the part."""
    seen = f'{RATE}{{slo="{slo.name}"}}'
    measured = f"({_increase(rate.metric, slo.by, signals)('1m')}) / {MINUTE}"
    if rate.condition is None:
        helpers: tuple[Helper, ...] = (Helper(RATE, measured),)
        counted = f"{seen} > 0"  # a minute in which nothing was counted is no slice
    else:
        held = f'{CONDITION}{{slo="{slo.name}"}}'
        # No counter where the condition was seen in two minutes in a row is a rate of 0; in one, it is not known yet.
        none = f"({held} * 0 and {held} offset 1m)"
        measured = f"({measured}) or {promql.matching(slo.by)} {none}"
        condition = Helper(CONDITION, _condition(slo, rate, rate.condition, signals))
        helpers = (condition, Helper(RATE, measured))
        counted = f"{seen} and {held} >= {_MOSTLY}"
    bad = f"({counted}) {_OPPOSITE[rate.op]} bool {promql.number(rate.value)}"
    return Sides(slo.by, Side(minute=f"({counted}) * 0 + 1"), Side(minute=bad), PartIs.BAD, _budget(slo), helpers)


def _condition(slo: Slo, rate: RateSlices, condition: While, signals: RawSignals) -> str:
    looked = SignalMetric(condition.signal, by=rate.metric.by)
    return _gauges(looked, slo.by, signals, f"{_OPS[condition.op]} bool {promql.number(condition.value)}", "avg")


def _sums(slo: Slo, ratio: SumRatio, signals: RawSignals) -> Sides:
    total, part = (_amount(metric, slo.by, signals) for metric in (ratio.denominator, ratio.numerator))
    return Sides(slo.by, total, part, PartIs.BAD, _budget(slo))


def _amount(metric: SignalMetric, by: tuple[str, ...], signals: RawSignals) -> Side:
    """A counter, all values of a histogram, or time: as many milliseconds as a series was there."""
    kinds = {one.kind for one in signals.series_of(metric)}
    if kinds == {"time"}:
        there = _gauges(metric, by, signals, "", "count")
        return Side(minute=f"({there}) * {MINUTE * 1000}")
    return Side(_increase(metric, by, signals))


def _increase(metric: Metric, by: tuple[str, ...], signals: RawSignals) -> Callable[[str], str]:
    found = _raw(metric, signals, "counter")
    return lambda window: _sum(found, by, window, "", lambda _: ())


def _sum(
    found: tuple[RawSeries, ...],
    by: tuple[str, ...],
    window: str,
    ending: str,
    more: Callable[[RawSeries], tuple[Matcher, ...]],
) -> str:
    """The increase of series over a window, by group, in ledger units."""
    sums = []
    for one in found:
        ending_ = ending or ("_count" if one.kind == "histogram" else "")
        scale = 1.0 if one.kind == "histogram" else one.scale
        counted = _read(one, more(one), ending_, lambda selector: f"increase({selector}[{window}])")
        sums.append(promql.grouped("sum", by, promql.scaled(promql.renamed(counted, one.renames), scale)))
    return promql.added(sums, by)


def _read(raw: RawSeries, more: tuple[Matcher, ...], ending: str, read: Callable[[str], str]) -> str:
    """The first of the names that is there; of parts beside their total the total."""
    matchers = (*raw.matchers, *more)
    whole = promql.first_of([read(promql.selected(name + ending, matchers)) for name in raw.names])
    for label in raw.totals:
        alone = (*matchers, Matcher(label, "=", ""))
        parts = (*matchers, Matcher(label, "!=", ""))
        total, pieces = (
            promql.first_of([read(promql.selected(name + ending, one)) for name in raw.names]) for one in (alone, parts)
        )
        whole = f"{total} or ({pieces} unless ignoring ({label}) ({total}))"
    return whole


def _gauges(metric: SignalMetric, by: tuple[str, ...], signals: RawSignals, compared: str, operator: str) -> str:
    """A state over the last minute, by group: of each series the share of its time in which it compares (`sum`), the
    mean share (`avg`), or how many there are (`count`)."""
    found = []
    for one in signals.series_of(metric):
        looked = f"avg_over_time(({_state(one)} {compared})[{promql.MINUTE_POINTS}])" if compared else _seen(one)
        found.append(promql.renamed(looked, one.renames))
    if operator == "avg" and len(found) > 1:
        raise Inexpressible(f"a condition over {metric.signal} has several raw metrics, whose time cannot be weighed")
    return promql.added([promql.grouped(operator, by, one) for one in found], by)


def _seen(raw: RawSeries) -> str:
    """The series that were there within the last minute."""
    return f"last_over_time(({_state(raw)})[{promql.MINUTE_POINTS}])"


def _state(raw: RawSeries) -> str:
    """A gauge's value in the signal's unit; the processes behind one address are one."""
    if raw.kind == "share":
        return _share(raw)
    value = _read(raw, (), "", lambda selector: selector)
    if raw.blank_from < float("inf"):
        value = f"({value}) < {promql.number(raw.blank_from)}"
    return promql.scaled(f"sum without (pid) ({value})", raw.scale)


def _share(raw: RawSeries) -> str:
    """A value over itself and the rest; of the rest all but the first may be missing."""
    value = f"sum without (pid) ({_read(raw, (), '', lambda selector: selector)})"
    rests = [f"sum without (pid) ({promql.selected(name, raw.matchers)})" for name in raw.rest]
    rests = [rest if n == 0 else f"({rest} or {value} * 0)" for n, rest in enumerate(rests)]
    return f"({value} / ({' + '.join((value, *rests))}))"


def _raw(metric: Metric, signals: RawSignals, kind: str) -> tuple[RawSeries, ...]:
    if isinstance(metric, SignalMetric):
        return signals.series_of(metric)
    return (_selector(metric, kind),)


def _selector(metric: SelectorMetric, kind: str) -> RawSeries:
    selector = metric.selector
    if not selector.metric or any(m.name == "__name__" for m in selector.matchers):
        raise Inexpressible(f"{selector} names no single metric, and PromQL cannot add counters of several names")
    return RawSeries("histogram" if kind == "histogram" else "counter", (selector.metric,), selector.matchers)


def _names(found: tuple[RawSeries, ...]) -> str:
    return ", ".join(name for one in found for name in one.names)
