"""`openslo/v1alpha` as Sloth reads it: ratioMetrics of PromQL with {{.window}}, each objective an SLO of its own."""

from __future__ import annotations

from slo_engine.specs.dialects import promql
from slo_engine.specs.dialects.fields import Known, ignore_strangers, mapping, required, required_text
from slo_engine.specs.dialects.port import Foreign, Notes, Sli
from slo_engine.specs.dialects.sloth import WINDOW
from slo_engine.specs.node import Node, is_mapping, is_number

TOOL = "Sloth"

_SOURCE: Known = {"source": None, "queryType": None, "query": None}
_KEYS: Known = {
    "apiVersion": None,
    "kind": None,
    "metadata": {"name": None, "displayName": None},
    "spec": {
        "service": None,
        "description": None,
        "budgetingMethod": None,
        "indicator": None,
        "timeWindows": {"unit": None, "count": None, "isRolling": None, "calendar": None},
        "objectives": {
            "ratioMetrics": {"good": _SOURCE, "total": _SOURCE, "incremental": None},
            "target": None,
            "displayName": None,
            "value": None,
            "op": None,
        },
    },
}


def read(node: Node, notes: Notes, period: str) -> list[Foreign]:
    """One object: an SLO; a Service says nothing that has to be kept."""
    kind = node.text("kind")
    if kind == "Service":
        notes.lost(node, "a Service of v1alpha says nothing that is needed: SLOs name their service")
        return []
    if kind != "SLO":
        (node.get("kind") or node).report(f"{kind!r} of openslo/v1alpha is not read: only SLO and Service are")
        return []
    ignore_strangers(node, _KEYS, TOOL, notes)
    spec = required(node, "spec", mapping)
    name, service = required_text(node.get("metadata") or node, "name"), required_text(spec or node, "service")
    if spec is None:
        return []
    window = _window(spec, notes, period)
    objectives = required(spec, "objectives", _filled_list)
    items = objectives.items() if objectives else []
    found = [
        _objective(item, name if len(items) == 1 else f"{name}-{index}", service, spec, window, notes)
        for index, item in enumerate(items)
        if is_mapping(item)
    ]
    return [slo for slo in found if slo]


def _filled_list(node: Node) -> None:
    if not isinstance(node.value, list) or not node.value:
        node.report("must be a list of at least one")


def _target(node: Node) -> None:
    if is_number(node) and not 0 < node.value < 1:
        node.report(f"must be above 0 and below 1, not {node.value}")


def _window(spec: Node, notes: Notes, period: str) -> str:
    windows = spec.get("timeWindows")
    first = windows.items()[0] if windows and windows.items() else None
    if first is None:
        notes.chosen(spec, f"the window is {period}: none is written")
        return period
    count, unit = first.get("count"), first.text("unit")
    if unit.lower() != "day" or count is None or not isinstance(count.value, int) or count.value < 1:
        first.report("must be a count of unit Day: Sloth reads no other")
        return period
    return f"{count.value}d"


def _objective(node: Node, name: str, service: str, spec: Node, window: str, notes: Notes) -> Foreign | None:
    before = len(node.found)
    target, ratio = required(node, "target", _target), required(node, "ratioMetrics", mapping)
    sli = _sli(ratio, notes) if ratio else None
    for key in ("op", "value"):
        if value := node.get(key):
            notes.lost(value, "a ratio compares nothing")
    if len(node.found) > before or target is None or ratio is None or sli is None:
        return None
    notes.chosen(node, "alerts as Burnline's burn tables say: Sloth makes none of OpenSLO files")
    description = spec.text("description")
    return Foreign(name, service, description, target.value, window, sli, node, target, ratio, in_percent=False)


def _sli(ratio: Node, notes: Notes) -> Sli | None:
    queries = [_query(ratio, key) for key in ("good", "total")]
    if queries[0] is None or queries[1] is None:
        return None
    sli, why = promql.sli_of(queries[0], queries[1], part_is_good=True)
    notes.chosen(ratio, why)
    return sli


def _query(ratio: Node, key: str) -> str | None:
    source = required(ratio, key, mapping)
    written = required_text(source, "query") if source else ""
    if source is None or not written:
        return None
    value = source.get("query") or source
    if source.text("source") not in ("prometheus", "sloth") or source.text("queryType") != "promql":
        source.report("must have source: prometheus and queryType: promql")
    query = WINDOW.sub("1m", written)
    if wrong := promql.unbalanced(query):
        value.report(f"is no PromQL: {wrong}")
        return None
    return query
