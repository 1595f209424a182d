"""Burnline's own metric source: what stands under `metricSource: {type: burnline, spec: ...}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ParseError
from core.matchers import Matcher, parse_matchers, parse_selector
from core.signals import ALIASES, LAYERS, OUTCOMES, SIGNALS, Signal
from slo_engine.specs.model import Metric, Op, SelectorMetric, SignalMetric, While
from slo_engine.specs.node import (
    Check,
    Node,
    boolean,
    each,
    exactly_one,
    is_number,
    is_text,
    nearest,
    one_of,
    struct,
    text,
)

TYPE = "burnline"

_OPS: dict[str, Op] = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_DIMENSION = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*")
_WITH_OUTCOME = ("requests", "goodput", "generations")
_RATED = ("requests", "goodput")
"""Signals whose total is good + bad, unless `where` says otherwise."""
_ONLY_COUNTED = Matcher("outcome", "!=", "excluded")
_ONLY_SAYING = Matcher("verdict", "=~", "flagged|clear")

LEDGER_UNITS = {"micro-dollars": 1_000_000, "gpu-milliseconds": 1_000}
"""People write dollars and GPU-seconds; the ledger counts whole millionths and thousandths of them."""


@dataclass(frozen=True)
class Source:
    """What one burnline metricSource says; `signal` is None for a raw selector."""

    metric: Metric
    signal: Signal | None
    rate: bool = False
    condition: While | None = None
    per: SignalMetric | None = None
    scale: int = 1


def is_burnline(metric_source: Node) -> bool:
    """Whether a metricSource is Burnline's own."""
    return metric_source.text("type").lower() == TYPE


def read_source(spec: Node) -> Source | None:
    """Read a metricSource.spec; None once something wrong has been reported."""
    before = len(spec.found)
    _fields(spec)
    if len(spec.found) > before:
        return None
    source = _read_selector(spec) if spec.get("selector") else _read_signal(spec)
    return source if len(spec.found) == before else None


def ledger_factor(signal: str) -> int:
    """Ledger units in one unit as people write it."""
    return LEDGER_UNITS.get(SIGNALS[signal].unit, 1)


def _dimension(node: Node) -> None:
    if is_text(node) and not _DIMENSION.fullmatch(node.value):
        node.report(f"{node.value!r} is not a label name")


def _dimensions(node: Node) -> None:
    each(_dimension)(node)
    if isinstance(node.value, list) and len({str(item) for item in node.value}) < len(node.value):
        node.report("names a label twice")


def _scale(node: Node) -> None:
    if is_number(node) and (not isinstance(node.value, int) or node.value < 1):
        node.report("must be a whole number from 1")


def _companions(spec: Node) -> None:
    """Which keys make sense beside which."""
    if spec.get("selector"):
        for key in ("where", "layer", "rate", "while", "per", "scale"):
            if value := spec.get(key):
                value.report("goes with signal, not with selector")
        return
    rate, condition, per, scale = (spec.get(key) for key in ("rate", "while", "per", "scale"))
    if condition and not (rate and rate.value):
        condition.report("needs rate: true beside it")
    if per and rate and rate.value:
        per.report("cannot stand beside rate: true")
    if scale and not per:
        scale.report("needs per beside it")


KEYS: Mapping[str, Check] = {
    "signal": text,
    "selector": text,
    "where": text,
    "by": _dimensions,
    "layer": one_of(*LAYERS),
    "rate": boolean,
    "while": text,
    "per": text,
    "scale": _scale,
}
"""Every key of a burnline metricSource.spec."""

_fields = struct(optional=KEYS, rules=(exactly_one("signal", "selector"), _companions))


def _by(spec: Node) -> tuple[str, ...]:
    node = spec.get("by")
    return tuple(node.value) if node else ()


def _read_selector(spec: Node) -> Source | None:
    node = spec.get("selector") or spec
    try:
        return Source(SelectorMetric(parse_selector(node.value), _by(spec)), None)
    except ParseError as error:
        node.report(str(error))
        return None


def _read_signal(spec: Node) -> Source | None:
    metric = _signal_metric(spec, "signal")
    per = _signal_metric(spec, "per") if spec.get("per") else None
    if metric is None:
        return None
    rate, condition, scale = spec.get("rate"), spec.get("while"), spec.get("scale")
    return Source(
        metric,
        SIGNALS[metric.signal],
        rate=bool(rate and rate.value),
        condition=_condition(condition) if condition else None,
        per=per,
        scale=scale.value if scale else 1,
    )


def _signal_metric(spec: Node, key: str) -> SignalMetric | None:
    """The metric of the signal that a key names, narrowed by `where`."""
    node = spec.get(key) or spec
    name, implied = ALIASES.get(node.value, (node.value, ""))
    if name not in SIGNALS:
        node.report(f"{node.value!r} is not a signal{nearest(node.value, [*SIGNALS, *ALIASES])}")
        return None
    matchers = parse_matchers(implied) + _where(spec, name)
    if name in _RATED and all(matcher.name != "outcome" for matcher in matchers):
        matchers = (*matchers, _ONLY_COUNTED)
    if SIGNALS[name].sampled and all(matcher.name != "verdict" for matcher in matchers):
        matchers = (*matchers, _ONLY_SAYING)
    return SignalMetric(name, matchers, _by(spec), spec.text("layer") or None)


def _where(spec: Node, signal: str) -> tuple[Matcher, ...]:
    node = spec.get("where")
    if node is None:
        return ()
    try:
        matchers = parse_matchers(node.value)
    except ParseError as error:
        node.report(str(error))
        return ()
    for matcher in matchers:
        if matcher.name == "outcome":
            _check_outcome(node, matcher, signal)
    return matchers


def _check_outcome(node: Node, matcher: Matcher, signal: str) -> None:
    if signal not in _WITH_OUTCOME:
        node.report(f"{signal} has no outcome: only {', '.join(_WITH_OUTCOME[:-1])} and {_WITH_OUTCOME[-1]} have")
    elif matcher.op in ("=", "!=") and matcher.value not in OUTCOMES:
        node.report(f"{matcher.value!r} is not an outcome{nearest(matcher.value, OUTCOMES)}")


def _condition(node: Node) -> While | None:
    match = _CONDITION.fullmatch(node.value)
    if match is None:
        node.report(
            f"{node.value!r} is not a condition: write a gauge, one of < <= > >= and a number, as queue_depth>0"
        )
        return None
    signal = SIGNALS.get(match[1])
    if signal is None or signal.kind != "gauge":
        gauges = [name for name, known in SIGNALS.items() if known.kind == "gauge"]
        node.report(f"{match[1]!r} is not a gauge{nearest(match[1], gauges)}")
        return None
    return While(match[1], _OPS[match[2]], float(match[3]))
