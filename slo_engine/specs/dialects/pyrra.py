"""Pyrra 0.10: `pyrra.dev/v1alpha1 ServiceLevelObjective`.

Rules are those of its validation; unknown keys are errors, as its file mode decodes strictly. Its metrics are plain
selectors, so nearly everything is counted exactly.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from core.matchers import Selector
from slo_engine.specs.dialects import promql
from slo_engine.specs.dialects.fields import (
    Known,
    flag,
    labels_of,
    mapping,
    openslo_duration,
    percent,
    refuse_strangers,
    required,
    required_text,
    seconds,
)
from slo_engine.specs.dialects.port import Asked, Counted, Foreign, Notes, PeerAlert, Sli
from slo_engine.specs.node import Node, each, exactly_one, is_mapping, text

TOOL = "Pyrra"
KIND = "ServiceLevelObjective"

_FACTORS = (("page", 14, "pair 1"), ("page", 7, "pair 2"), ("ticket", 2, "pair 3"), ("ticket", 1, "pair 4"))
_OFFSET = re.compile(r"\s+offset\s+-?\w+$")
_METRIC: Known = {"metric": None}
_KEYS: Known = {
    "apiVersion": None,
    "kind": None,
    "metadata": None,
    "status": None,
    "spec": {
        "target": None,
        "window": None,
        "description": None,
        "indicator": {
            "ratio": {"errors": _METRIC, "total": _METRIC, "grouping": None},
            "latency": {"success": _METRIC, "total": _METRIC, "grouping": None},
            "latencyNative": {"latency": None, "total": _METRIC, "grouping": None},
            "bool_gauge": {"metric": None, "grouping": None},
        },
        "alerting": {
            "disabled": None,
            "burnrates": None,
            "absent": None,
            "name": None,
            "absentName": None,
            "severities": None,
        },
        "partial_response_strategy": None,
        "performanceOverAccuracy": None,
        "ruleOutput": None,
    },
}
_LOST = {
    "partial_response_strategy": "is for Thanos Ruler, which Burnline does not use",
    "performanceOverAccuracy": "is for Pyrra's rules: Burnline counts exactly and sums counts",
    "ruleOutput": "is for Pyrra's rules, which Burnline does not need",
}
_LOST_ALERTING = {
    "name": "alerts are named after what happened (ErrorBudgetBurn) and carry the SLO's name",
    "absent": "what is missing alerts by itself: CollectorBlind, FleetDown, TrafficVanished",
    "absentName": "what is missing alerts by itself: CollectorBlind, FleetDown, TrafficVanished",
    "severities": "severities are page and ticket, by the rows of the burn tables",
}


def read(node: Node, notes: Notes, _period: str) -> list[Foreign]:
    """One object."""
    before = len(node.found)
    refuse_strangers(node, _KEYS)
    if node.text("kind") != KIND:
        (node.get("kind") or node).report(f"{node.text('kind')!r} is no kind of Pyrra that is read: {KIND}")
    name = required_text(node.get("metadata") or node, "name")
    spec = required(node, "spec", mapping)
    slo = _slo(node, spec, name, notes) if spec else None
    return [slo] if slo and len(node.found) == before else []


def _slo(node: Node, spec: Node, name: str, notes: Notes) -> Foreign | None:
    target_node, target = _target(spec)
    window = _window(spec)
    indicator = required(spec, "indicator", mapping)
    sli = _sli(indicator, notes) if indicator else None
    annotations = _alerting(spec, notes)
    for key, why in _LOST.items():
        if value := spec.get(key):
            notes.lost(value, why)
    if target is None or sli is None or indicator is None:
        return None
    notes.chosen(node, f"the service is {(service := _service(node, name))!r}: Pyrra has no services")
    return Foreign(
        name=name,
        service=service,
        description=spec.text("description"),
        target=target,
        window=window,
        sli=sli,
        at=node,
        target_at=target_node or spec,
        sli_at=indicator,
        labels=labels_of(node.at("metadata", "labels"), notes),
        annotations=annotations,
        alerts=() if annotations else tuple(PeerAlert(s, Fraction(f), w) for s, f, w in _FACTORS),
    )


def _service(node: Node, name: str) -> str:
    labels = node.at("metadata", "labels")
    return (labels.text("service") or labels.text("app") if labels else "") or name


def _target(spec: Node) -> tuple[Node | None, float | None]:
    """The target and its place; Pyrra writes it as text."""
    node = required(spec, "target")
    if node is None:
        return None, None
    try:
        value = float(node.value)
    except ValueError:
        node.report(f"{node.value!r} is no number: write a percentage in quotes, as '99.9'")
        return node, None
    found = percent(replace(node, value=value))
    if found is not None and found < 1:
        node.report(f"is a percentage: {node.value} asks for less than one good event in a hundred")
        return node, None
    return node, found


def _window(spec: Node) -> str:
    node = required(spec, "window")
    length = seconds(node) if node else None
    window = openslo_duration(length) if length else None
    if node and length and window is None:
        node.report("OpenSLO has no windows of parts of a minute")
    return window or ""


def _sli(node: Node, notes: Notes) -> Sli | None:
    before = len(node.found)
    exactly_one("ratio", "latency", "latencyNative", "bool_gauge")(node)
    if len(node.found) > before:
        return None
    for key, read_it in (
        ("ratio", _ratio),
        ("latency", _latency),
        ("latencyNative", _native),
        ("bool_gauge", _gauge),
    ):
        if part := node.get(key):
            return read_it(part, _grouping(part), notes) if is_mapping(part) else None
    return None


def _grouping(node: Node) -> tuple[str, ...]:
    labels = node.get("grouping")
    if labels is None:
        return ()
    before = len(node.found)
    each(text)(labels)
    return tuple(labels.value) if len(node.found) == before else ()


def _metric(node: Node, key: str, notes: Notes) -> Selector | None:
    """The selector of a metric; None once something was reported."""
    holder = required(node, key, mapping) if key else node
    written = required_text(holder, "metric") if holder else ""
    if not holder or not written:
        return None
    value, plain = holder.get("metric") or holder, _OFFSET.sub("", written)
    selector = promql.plain_selector(plain)
    if selector is None:
        value.report(f"{written!r} is no plain selector, which is all that Pyrra takes")
    elif plain != written:
        notes.lost(value, "the offset is left out: Burnline counts when it scrapes")
    return selector


def _ratio(node: Node, by: tuple[str, ...], notes: Notes) -> Sli | None:
    errors, total = _metric(node, "errors", notes), _metric(node, "total", notes)
    if errors is None or total is None:
        return None
    notes.chosen(node, "selectors of type burnline: plain counters are counted exactly")
    return Counted(errors, total, part_is_good=False, by=by)


def _latency(node: Node, by: tuple[str, ...], notes: Notes) -> Sli | None:
    success, total = _metric(node, "success", notes), _metric(node, "total", notes)
    if success is None or total is None:
        return None
    if not any(matcher.name == "le" for matcher in success.matchers):
        (node.get("success") or node).report('metric must have a matcher on le, as le="0.5"')
        return None
    if fast := promql.fast_of(success, total, by):
        notes.chosen(node, "a thresholdMetric on the histogram: its buckets are counted exactly")
        return fast
    notes.chosen(node, "selectors of type burnline: success is no bucket of what total counts, so it is a plain ratio")
    return Counted(success, total, part_is_good=True, by=by)


def _native(node: Node, by: tuple[str, ...], notes: Notes) -> Sli | None:
    total, limit = _metric(node, "total", notes), required(node, "latency")
    threshold = seconds(limit) if limit else None
    if total is None or threshold is None:
        return None
    summed = f"{_sum(by)} (increase({total}[1m]))"
    notes.chosen(node, "queries of type prometheus: native histograms are asked of a server, and are never exact")
    count = f"histogram_count({summed})"
    return Asked(f"histogram_fraction(0, {threshold:g}, {summed}) * {count}", count, part_is_good=True, by=by)


def _gauge(node: Node, by: tuple[str, ...], notes: Notes) -> Sli | None:
    metric = _metric(node, "", notes)
    if metric is None:
        return None
    notes.chosen(node, "queries of type prometheus: samples in which the gauge is 1 among all samples of a minute")
    good, total = (f"{_sum(by)} ({name}_over_time({metric}[1m]))" for name in ("sum", "count"))
    return Asked(good, total, part_is_good=True, by=by)


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"


def _alerting(spec: Node, notes: Notes) -> dict[str, str]:
    node = spec.get("alerting")
    if node is None or not is_mapping(node):
        return {}
    for key, why in _LOST_ALERTING.items():
        if value := node.get(key):
            notes.lost(value, why)
    on = flag(node, "burnrates", default=True) and not flag(node, "disabled", default=False)
    return {} if on else {"burnline/page": "false", "burnline/ticket": "false"}
