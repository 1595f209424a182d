"""PromQL as the source of a ratio: `metricSource: {type: prometheus, spec: {query: …}}`, for both of its sides.

The files may be others', written for other tools: what cannot be counted is no fault, but unsupported with a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from core.errors import ParseError
from core.matchers import parse_selector
from slo_engine.specs.model import QueryRatio
from slo_engine.specs.node import Node

TYPE = "prometheus"
LONGEST = 1000
"""Characters of a query and its `by` as JSON: a measure's key holds both sides, and an index of PostgreSQL takes 2,700
bytes."""

_KEYS = ("query", "by", "server")
_PARTS = ("good", "bad", "total")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def is_asked(metric_source: Node) -> bool:
    """Whether a metricSource is a Prometheus-compatible server's."""
    return metric_source.text("type").lower() == TYPE


def unsupported_queries(sli: Node) -> str | None:
    """Why the queries of an SLI cannot be counted; None where they can, and where it has none."""
    threshold = sli.at("thresholdMetric", "metricSource")
    if threshold and is_asked(threshold):
        return "thresholds over PromQL queries are not served: write a ratioMetric"
    ratio = sli.get("ratioMetric")
    if ratio is None or not (specs := list(_specs(ratio))):
        return None
    if len(specs) != 2:  # the two that a ratio has
        return "both sides of a ratio must be queries: they are read together"
    counter = ratio.get("counter")
    if counter and counter.value is True:
        return "queries of counters (counter: true) are not served: ask for increase(…[1m]), and write counter: false"
    reasons = [f"{key}: {reason}" for key, spec in specs if (reason := _unsupported(spec))]
    if not reasons and len({(frozenset(_by(spec)), spec.text("server")) for _, spec in specs}) > 1:
        return "good or bad and total must name the same by and server"
    return "; ".join(reasons) or None


def read_queries(ratio: Node) -> QueryRatio | None:
    """The ratio of queries that nothing is found against; None where it is of another type."""
    specs = dict(_specs(ratio))
    if not specs:
        return None
    part, total = specs.get("good") or specs["bad"], specs["total"]
    by, server = tuple(sorted(_by(total))), total.text("server")
    return QueryRatio(part.text("query").strip(), total.text("query").strip(), "good" in specs, by, server)


def _specs(ratio: Node) -> Iterator[tuple[str, Node]]:
    for key in _PARTS:
        source = ratio.at(key, "metricSource")
        if source and is_asked(source) and (spec := source.get("spec")):
            yield key, spec


def _unsupported(spec: Node) -> str | None:
    unknown = [key for key, _ in spec.entries() if key.lower() not in _KEYS]
    if unknown:
        return f"{' and '.join(unknown)} is not served beside {', '.join(_KEYS)}"
    query = spec.text("query").strip()
    if not query:
        return "query is required"
    if _is_selector(query):
        return "a plain selector is counted exactly: write type burnline, and selector for query"
    wrong = _wrong_by(spec)
    if not wrong and len(json.dumps([query, _by(spec)])) > LONGEST:
        return f"a query may have {LONGEST} characters, with its by"
    return wrong


def _wrong_by(spec: Node) -> str | None:
    server = spec.get("server")
    if server and not isinstance(server.value, str):
        return "server must be text"
    labels = [item.value for item in node.items()] if (node := spec.get("by")) else []
    named = all(isinstance(label, str) and _LABEL.fullmatch(label) for label in labels)
    listed = node is None or isinstance(node.value, list)
    return (
        None if listed and named and len(set(labels)) == len(labels) else "by must be a list of different label names"
    )


def _by(spec: Node) -> list[str]:
    node = spec.get("by")
    return list(node.value) if node else []


def _is_selector(query: str) -> bool:
    try:
        parse_selector(query)
    except ParseError:
        return False
    return True
