"""PromQL as the source of an SLI: `metricSource: {type: prometheus, spec: {query: …}}`.

A ratio has a query on each side. A raw ratio and a threshold have one, and each minute of each of its series is one
event: the two sides are made of it by arithmetic that the server does.

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

MILLION = 1_000_000
"""Parts of a minute that a raw ratio is counted in."""
_AROUND = 50
"""Characters that stand around a query of which both sides are made."""
_OPS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

_KEYS = ("query", "by", "server")
_PARTS = ("good", "bad", "total")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def is_asked(metric_source: Node) -> bool:
    """Whether a metricSource is a Prometheus-compatible server's."""
    return metric_source.text("type").lower() == TYPE


def unsupported_queries(sli: Node) -> str | None:
    """Why the queries of an SLI cannot be counted; None where they can, and where it has none."""
    for place in (("thresholdMetric",), ("ratioMetric", "raw")):
        source = sli.at(*place, "metricSource")
        if source and is_asked(source):
            return _unsupported(source.get("spec") or source, alone=True)
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
    raw = ratio.at("raw", "metricSource")
    if raw and is_asked(raw):
        return _raw(raw.get("spec") or raw, good=ratio.text("rawType") == "success")
    specs = dict(_specs(ratio))
    if not specs:
        return None
    part, total = specs.get("good") or specs["bad"], specs["total"]
    by, server = tuple(sorted(_by(total))), total.text("server")
    return QueryRatio(part.text("query").strip(), total.text("query").strip(), "good" in specs, by, server)


def read_threshold_query(source: Node, objective: Node) -> QueryRatio | None:
    """A threshold over a query; None once a fault has been reported."""
    op, value, spec = objective.get("op"), objective.get("value"), source.get("spec") or source
    if op is None or value is None:
        objective.report("op and value are required with a thresholdMetric")
        return None
    inside = _inside(spec)
    part, total = f"{inside} {_OPS[op.value]} bool {value.value!r}", f"{inside} * 0 + 1"
    return QueryRatio(part, total, True, tuple(sorted(_by(spec))), spec.text("server"), minutes=1)  # good


def _raw(spec: Node, *, good: bool) -> QueryRatio:
    inside, by = _inside(spec), tuple(sorted(_by(spec)))
    part, total = f"clamp({inside}, 0, 1) * {MILLION}", f"{inside} * 0 + {MILLION}"
    return QueryRatio(part, total, good, by, spec.text("server"), minutes=MILLION)


def _inside(spec: Node) -> str:
    """The query in brackets; it may end in a comment."""
    return f"(\n{spec.text('query').strip()}\n)"


def _specs(ratio: Node) -> Iterator[tuple[str, Node]]:
    for key in _PARTS:
        source = ratio.at(key, "metricSource")
        if source and is_asked(source) and (spec := source.get("spec")):
            yield key, spec


def _unsupported(spec: Node, *, alone: bool = False) -> str | None:
    """Why a query cannot be counted. `alone`: both sides are made of it; it is a bit shorter, and may be a selector."""
    unknown = [key for key, _ in spec.entries() if key.lower() not in _KEYS]
    if unknown:
        return f"{' and '.join(unknown)} is not served beside {', '.join(_KEYS)}"
    query = spec.text("query").strip()
    if not query:
        return "query is required"
    if not alone and _is_selector(query):
        return "a plain selector is counted exactly: write type burnline, and selector for query"
    wrong = _wrong_by(spec)
    longest = LONGEST - (_AROUND if alone else 0)
    if not wrong and len(json.dumps([query, _by(spec)])) > longest:
        return f"a query may have {longest} characters, with its by"
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
