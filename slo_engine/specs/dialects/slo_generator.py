"""slo-generator 2.6: `sre.google.com/v2 ServiceLevelObjective`, and its shared configuration.

It has no validator. Checked is what its code needs; what it never looks at is noted. Of its backends only prometheus
says something that Burnline can count.
"""

from __future__ import annotations

from core.matchers import Matcher, Selector
from slo_engine.specs.dialects import promql
from slo_engine.specs.dialects.fields import Known, ignore_strangers, labels_of, mapping, required, required_text
from slo_engine.specs.dialects.port import Asked, Foreign, Kept, Notes, Sli
from slo_engine.specs.node import Node, is_mapping, is_number, text

TOOL = "slo-generator"
KIND = "ServiceLevelObjective"

_KEYS: Known = {
    "apiVersion": None,
    "kind": None,
    "metadata": None,
    "spec": {
        "description": None,
        "backend": None,
        "method": None,
        "exporters": None,
        "error_budget_policy": None,
        "service_level_indicator": None,
        "goal": None,
    },
}
_LOST = {
    "exporters": "Burnline exports by itself: /metrics, the API and remote write",
    "error_budget_policy": "steps of a policy are not carried over: Burnline's own tables give windows and factors",
}


def read(node: Node, notes: Notes, period: str) -> list[Foreign]:
    """One object."""
    before = len(node.found)
    ignore_strangers(node, _KEYS, TOOL, notes)
    if node.text("kind") != KIND:
        (node.get("kind") or node).report(f"{node.text('kind')!r} is no kind of slo-generator: {KIND}")
    metadata = node.get("metadata") or node
    name, spec = required_text(metadata, "name"), required(node, "spec", mapping)
    if spec is None:
        return []
    description, goal = required_text(spec, "description"), required(spec, "goal", _goal)
    indicator = required(spec, "service_level_indicator", mapping)
    sli = _sli(spec, indicator, notes) if indicator else None
    for key, why in _LOST.items():
        if value := spec.get(key):
            notes.lost(value, why)
    if len(node.found) > before or goal is None or sli is None or indicator is None:
        return []
    labels = labels_of(metadata.get("labels"), notes)
    service = labels.get("service_name", name)
    notes.chosen(node, f"the service is {service!r}, the window is {period}: slo-generator has neither in its objects")
    slo = Foreign(name, service, description, goal.value, period, sli, node, goal, indicator, labels, in_percent=False)
    return [slo]


def read_configuration(node: Node, notes: Notes, _period: str) -> list[Foreign]:
    """The configuration that its objects share: nothing of it is an SLO."""
    for key in ("backends", "exporters", "error_budget_policies"):
        if (value := node.get(key)) and is_mapping(value):
            notes.lost(value, "slo-generator's own settings are not carried over")
    return []


def _goal(node: Node) -> None:
    if is_number(node) and not 0 < node.value < 1:
        node.report(f"must be above 0 and below 1, not {node.value}")


def _sli(spec: Node, indicator: Node, notes: Notes) -> Sli | None:
    backend, method = required_text(spec, "backend"), required_text(spec, "method")
    if not backend or not method:
        return None
    for _, value in indicator.entries():
        if "${" in str(value.value):
            notes.lost(value, "variables of the environment are not filled in: write their values")
    if backend.split("/")[0] == "prometheus":
        if method == "good_bad_ratio":
            return _ratio(indicator, notes)
        if method == "distribution_cut":
            return _cut(indicator, notes)
        if method == "query_sli":
            return _query_sli(indicator, notes)
        (spec.get("method") or spec).report(
            f"{method!r} is no method of the prometheus backend: good_bad_ratio, distribution_cut or query_sli"
        )
        return None
    if not indicator.value:
        indicator.report("service_level_indicator must have at least one key")
        return None
    notes.lost(spec.get("backend") or spec, f"{backend!r} cannot be asked: the SLO is kept, and nothing is measured")
    return Kept(backend, {"method": method, **indicator.value}, ratio_of_good=True)


def _ratio(node: Node, notes: Notes) -> Sli | None:
    good, bad, valid = _formatted(node, "filter_good"), _formatted(node, "filter_bad"), _formatted(node, "filter_valid")
    if good is None or (bad is None and valid is None):
        node.report("filter_good is required, and filter_bad or filter_valid beside it")
        return None
    if bad is not None:  # it is what counts where both are there
        notes.chosen(node, "queries of type prometheus: the total is a sum of two, and so never exact")
        part, other = (f"({promql.increase(query)} or vector(0))" for query in (bad, good))
        return Asked(promql.increase(bad), f"{other} + {part}", part_is_good=False)
    sli, why = promql.sli_of(good, valid or "", part_is_good=True)
    notes.chosen(node, why)
    return sli


def _formatted(node: Node, key: str) -> str | None:
    """A filter as slo-generator asks it of a minute; None where it is absent or no PromQL."""
    value = node.get(key)
    if value is None or not isinstance(value.value, str) or not value.value.strip():
        return None
    if wrong := promql.unbalanced(value.value):
        value.report(f"is no PromQL: {wrong}")
        return None
    query = _windowed(value.value)
    operators = node.get("operators")
    names = operators.value if operators and isinstance(operators.value, list) else ["increase", "sum"]
    for name in names:
        query = f"{name}({query})"
    return query


def _windowed(query: str) -> str:
    query = query.strip()
    return query.replace("[window", "[1m") if "[window" in query else f"{query}[1m]"


def _cut(node: Node, notes: Notes) -> Sli | None:
    expression = required_text(node, "expression")
    threshold = node.get("threshold_bucket")
    if threshold is None or isinstance(threshold.value, bool) or not isinstance(threshold.value, int | float | str):
        (threshold or node).report("threshold_bucket is required: the le of a bucket")
        return None
    bucket = promql.plain_selector(expression.replace("[window]", "")) if expression else None
    if bucket is None:
        if expression:
            (node.get("expression") or node).report(f"{expression!r} is no plain selector")
        return None
    le = Matcher("le", "=", str(threshold.value))
    count = Selector(bucket.metric.replace("_bucket", "_count"), bucket.matchers)
    fast = promql.fast_of(Selector(bucket.metric, (*bucket.matchers, le)), count, ())
    if fast is None:
        node.report("expression must name the _bucket series of a histogram, and threshold_bucket a number above 0")
        return None
    notes.chosen(node, "a thresholdMetric on the histogram: its buckets are counted exactly")
    return fast


def _query_sli(node: Node, notes: Notes) -> Sli | None:
    expression = required(node, "expression", text)
    if expression is None:
        return None
    if wrong := promql.unbalanced(expression.value):
        expression.report(f"is no PromQL: {wrong}")
        return None
    query = expression.value.strip().replace("[window", "[1m")
    if found := promql.quotient(query, part_is_good=True):
        notes.chosen(node, found[1])
        return found[0]
    notes.chosen(node, "a raw ratio of type prometheus: the share of good events that the query says of each minute")
    return Kept("prometheus", {"query": " ".join(query.split())}, ratio_of_good=True)
