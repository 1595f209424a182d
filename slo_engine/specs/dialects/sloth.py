"""Sloth 0.16: `version: prometheus/v1` files, and the same as a Kubernetes object of `sloth.slok.dev/v1`.

Rules are those of its validator. Sloth decodes loosely: what it does not know it drops silently, and so is only noted.
One rule is stricter: an objective of 100, which it takes and then divides by zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from slo_engine.specs.dialects import promql
from slo_engine.specs.dialects.fields import (
    Known,
    flag,
    ignore_strangers,
    labels_of,
    mapping,
    percent,
    required,
    required_text,
    runbook,
    seconds,
    text_map,
)
from slo_engine.specs.dialects.port import Asked, Foreign, Kept, Notes, PeerAlert, Sli
from slo_engine.specs.node import Node, any_value, exactly_one, is_mapping, number

TOOL = "Sloth"

_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*[A-Za-z0-9]")
WINDOW = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
"""Its template for the window of a query."""


class _Spelling(NamedTuple):
    """The keys that files and Kubernetes objects spell in two ways."""

    error: str
    total: str
    ratio: str
    page: str
    ticket: str
    plugins: str
    loose: bool
    """Whether labels may be numbers and booleans: files are decoded as Go's YAML does, objects as its JSON."""


_FILE = _Spelling("error_query", "total_query", "error_ratio_query", "page_alert", "ticket_alert", "slo_plugins", True)
_OBJECT = _Spelling("errorQuery", "totalQuery", "errorRatioQuery", "pageAlert", "ticketAlert", "sloPlugins", False)

_WINDOWS: tuple[tuple[str, int, int, str], ...] = (
    ("page", 2, 1, "1h/5m"),
    ("page", 5, 6, "6h/30m"),
    ("ticket", 10, 24, "1d/2h"),
    ("ticket", 10, 72, "3d/6h"),
)
"""Its built-in windows: severity, percent of the budget, hours of the long window, both windows."""


def read_file(node: Node, notes: Notes, period: str) -> list[Foreign]:
    """A document of `version: prometheus/v1`."""
    ignore_strangers(node, {"version": None, **_group_keys(_FILE)}, TOOL, notes)
    return _group(node, _FILE, notes, period)


def read_object(node: Node, notes: Notes, period: str) -> list[Foreign]:
    """A Kubernetes object: a PrometheusServiceLevel, or the AlertWindows that its program is given."""
    kind = node.text("kind")
    if kind == "AlertWindows":
        return _alert_windows(node, notes)
    if kind != "PrometheusServiceLevel":
        (node.get("kind") or node).report(f"{kind!r} is no kind of Sloth: PrometheusServiceLevel or AlertWindows")
        return []
    ignore_strangers(node, _OBJECT_KEYS, TOOL, notes)
    spec = required(node, "spec", any_value)
    return _group(spec, _OBJECT, notes, period) if spec and is_mapping(spec) else []


def _group_keys(key: _Spelling) -> Known:
    alert = {"disable": None, "labels": None, "annotations": None}
    plugins = {"overridePrevious": None, "chain": {"id": None, "config": None, "priority": None}}
    sli = {
        "events": {key.error: None, key.total: None},
        "raw": {key.ratio: None},
        "plugin": {"id": None, "options": None},
    }
    alerting = {"name": None, "labels": None, "annotations": None, key.page: alert, key.ticket: alert}
    slo = {"name": None, "objective": None, "description": None, "labels": None, "plugins": plugins}
    slos = {**slo, "sli": sli, "alerting": alerting}
    return {"service": None, "labels": None, key.plugins: plugins, "slos": slos}


_OBJECT_KEYS: Known = {
    "apiVersion": None,
    "kind": None,
    "metadata": None,
    "status": None,
    "spec": _group_keys(_OBJECT),
}


def _group(node: Node, key: _Spelling, notes: Notes, period: str) -> list[Foreign]:
    before = len(node.found)
    service = _name(node, "service")
    labels = _labels(node, key, notes)
    sound = len(node.found) == before
    if plugins := node.get(key.plugins):
        notes.lost(plugins, "plugins are Go code that only Sloth runs")
    slos = required(node, "slos", any_value)
    if slos is None or not isinstance(slos.value, list) or not slos.value:
        (slos or node).report("slos must have at least one")
        return []
    found = [_slo(slo, service, labels, key, notes, period) for slo in slos.items() if is_mapping(slo)]
    return [slo for slo in found if slo] if sound else []


def _slo(
    node: Node, service: str, group_labels: Mapping[str, str], key: _Spelling, notes: Notes, period: str
) -> Foreign | None:
    before = len(node.found)
    name = _name(node, "name")
    objective = required(node, "objective", number)
    target = percent(objective)
    labels = {**group_labels, **_labels(node, key, notes)}
    sli_node = required(node, "sli", mapping)
    sli = _sli(sli_node, key, notes) if sli_node else None
    annotations = _alerting(node, key, notes)
    if plugins := node.get("plugins"):
        notes.lost(plugins, "plugins are Go code that only Sloth runs")
    if len(node.found) > before or target is None or sli is None or objective is None or sli_node is None:
        return None
    notes.chosen(node, f"the window is {period}: Sloth keeps its period beside its files, as an option of its program")
    return Foreign(
        name=f"{service}-{name}",
        service=service,
        description=node.text("description"),
        target=target,
        window=period,
        sli=sli,
        at=node,
        target_at=objective,
        sli_at=sli_node,
        labels=labels,
        annotations=annotations,
        alerts=_alerts(annotations),
    )


def _name(node: Node, key: str) -> str:
    value = required_text(node, key)
    if value and not _NAME.fullmatch(value):
        (node.get(key) or node).report(
            f"{value!r} is not a name: two or more of A-Z, a-z, 0-9, '-', '_' and '.', first and last a letter or digit"
        )
    return value


def _labels(node: Node, key: _Spelling, notes: Notes) -> dict[str, str]:
    _filled(node.get("labels"))
    return labels_of(node.get("labels"), notes, loose=key.loose)


def _filled(labels: Node | None) -> None:
    """Sloth's rule on labels and annotations: no value is empty, none is the metric's name."""
    for key, value in labels.entries() if labels else []:
        if key == "__name__":
            value.report("the label __name__ is not allowed")
        elif value.value in (None, ""):
            value.report("must not be empty")


def _sli(node: Node, key: _Spelling, notes: Notes) -> Sli | None:
    before = len(node.found)
    exactly_one("events", "raw", "plugin")(node)
    if len(node.found) > before:
        return None
    if events := node.get("events"):
        return _events(events, key, notes)
    if raw := node.get("raw"):
        return _raw(raw, key, notes)
    plugin = node.get("plugin") or node
    id_, options = required_text(plugin, "id"), text_map(plugin.get("options"))
    notes.lost(plugin, f"the plugin {id_!r} is Go code that only Sloth runs: the SLO is kept, and nothing is measured")
    return Kept("sloth-plugin", {"id": id_, **({"options": options} if options else {})}, ratio_of_good=False)


def _raw(node: Node, key: _Spelling, notes: Notes) -> Sli | None:
    query = _query(node, key.ratio, notes)
    if query is None:
        return None
    if found := promql.quotient(query, part_is_good=False):
        notes.chosen(node, found[1])
        return found[0]
    notes.chosen(node, "a raw ratio of type prometheus: the share of errors that the query says of each minute")
    return Kept("prometheus", {"query": " ".join(query.split())}, ratio_of_good=False)


def _events(node: Node, key: _Spelling, notes: Notes) -> Sli | None:
    error, total = _query(node, key.error, notes), _query(node, key.total, notes)
    if error is None or total is None:
        return None
    if error == total:
        (node.get(key.error) or node).report(f"is the same query as {key.total}: everything would be an error")
        return None
    sli, why = promql.sli_of(error, total, part_is_good=False)
    notes.chosen(node, why)
    if isinstance(sli, Asked):
        _doubt(node, key, notes)
    return sli


def _doubt(node: Node, key: _Spelling, notes: Notes) -> None:
    """Say which queries may not be numbers of events."""
    for name in (key.error, key.total):
        value = node.get(name)
        if value and not promql.counts_events(value.value):
            notes.chosen(value, "has no rate or increase: check that it gives the number of events of a minute")


def _query(node: Node, key: str, notes: Notes) -> str | None:
    """A query over a minute; None once something was reported."""
    written = required_text(node, key)
    if not written:
        return None
    value, query = node.get(key) or node, WINDOW.sub("1m", written)
    if query == written:
        value.report("must hold the template {{.window}}, such as rate(x[{{.window}}])")
        return None
    if "{{" in query:
        value.report("holds a template that Sloth does not know: only {{.window}} stands in a query")
        return None
    if wrong := promql.unbalanced(query):
        value.report(f"is no PromQL: {wrong}")
        return None
    return query


def _alerting(slo: Node, key: _Spelling, notes: Notes) -> dict[str, str]:
    """Annotations of Burnline for the alerts; everything else of them is said to be lost."""
    node = slo.get("alerting")
    page = not flag(node.get(key.page) if node else None, "disable", default=False)
    ticket = not flag(node.get(key.ticket) if node else None, "disable", default=False)
    if (page or ticket) and not (node and node.text("name")):
        (node or slo).report(f"{'' if node else 'alerting.'}name is required unless both alerts are disabled")
    annotations = {} if page else {"burnline/page": "false"}
    if not ticket:
        annotations["burnline/ticket"] = "false"
    if node:
        annotations |= _lose_alerting(node, key, notes)
    return annotations


def _lose_alerting(node: Node, key: _Spelling, notes: Notes) -> dict[str, str]:
    if name := node.get("name"):
        notes.lost(name, "alerts are named after what happened (ErrorBudgetBurn) and carry the SLO's name")
    link = runbook(node.get("annotations"))
    for holder in (node, node.get(key.page), node.get(key.ticket)):
        if holder:
            _lose_maps(holder, notes, link[0] if link and holder is node else None)
    return {"burnline/runbook": link[1]} if link else {}


def _lose_maps(holder: Node, notes: Notes, carried: str | None) -> None:
    for kind, why in (
        ("labels", "alerts have no labels of their own: who is told is said in alerting.routes of burnline.yaml"),
        ("annotations", "alerts have no texts of their own: their evidence is written for each incident"),
    ):
        _filled(holder.get(kind))
        entries = node.entries() if (node := holder.get(kind)) else []
        for key, value in entries:
            if key != carried:
                template = ", and it is a Go template" if "{{" in str(value.value) else ""
                notes.lost(value, f"{why}{template}")


def _alerts(annotations: Mapping[str, str]) -> tuple[PeerAlert, ...]:
    on = [row for row in _WINDOWS if annotations.get(f"burnline/{row[0]}") != "false"]
    return tuple(
        PeerAlert(severity, Fraction(share, 100) * 30 * 24 / hours, windows) for severity, share, hours, windows in on
    )


_PAIR: Known = {"errorBudgetPercent": None, "shortWindow": None, "longWindow": None}
_SPEED: Known = {"quick": _PAIR, "slow": _PAIR}
_WINDOWS_KEYS: Known = {
    "apiVersion": None,
    "kind": None,
    "spec": {"sloPeriod": None, "page": _SPEED, "ticket": _SPEED},
}


def _alert_windows(node: Node, notes: Notes) -> list[Foreign]:
    """Windows for all SLOs of a period: checked, and not carried over."""
    ignore_strangers(node, _WINDOWS_KEYS, TOOL, notes)
    spec = required(node, "spec", mapping)
    if spec is None or not isinstance(spec.value, dict):
        return []
    _seconds(spec, "sloPeriod")
    for severity in ("page", "ticket"):
        for speed in ("quick", "slow"):
            pair = spec.at(severity, speed)
            if pair is None:
                spec.report(f"{severity}.{speed} is required")
                continue
            share = required(pair, "errorBudgetPercent", number)
            if share and not 0 < share.value <= 100:
                share.report(f"must be above 0 and at most 100, not {share.value}")
            for key in ("shortWindow", "longWindow"):
                _seconds(pair, key)
    notes.lost(spec, "alert windows are not carried over: Burnline's own tables give the windows and factors")
    return []


def _seconds(node: Node, key: str) -> None:
    if value := required(node, key):
        seconds(value)
