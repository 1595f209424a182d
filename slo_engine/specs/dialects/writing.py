"""From another tool's objective to an OpenSLO v1 document, whose lines are those of the source."""

from __future__ import annotations

import re
from typing import Any

from core.yaml import Document, Path_
from slo_engine.specs.dialects.port import Asked, Counted, Fast, Foreign, Notes, Sli

_NO_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 63
_LONGEST_TEXT = 1050


def openslo_name(name: str) -> str:
    """The nearest RFC 1123 label of at most 63 characters."""
    return _NO_NAME.sub("-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-")


def write(slo: Foreign, notes: Notes) -> Document:
    """The document; what OpenSLO cannot hold is noted."""
    value = {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": _metadata(slo, notes),
        "spec": _spec(slo, notes),
    }
    return Document(slo.at.document.file, value, _lines(slo))


def _metadata(slo: Foreign, notes: Notes) -> dict[str, Any]:
    name = openslo_name(slo.name)
    found: dict[str, Any] = {"name": name}
    if name != slo.name:
        notes.chosen(slo.at, f"the name {slo.name!r} is written {name!r}: OpenSLO takes small letters, digits and '-'")
        if len(slo.name) <= _LONGEST_NAME:
            found["displayName"] = slo.name
    if slo.labels:
        found["labels"] = dict(slo.labels)
    if slo.annotations:
        found["annotations"] = dict(slo.annotations)
    return found


def _spec(slo: Foreign, notes: Notes) -> dict[str, Any]:
    objective: dict[str, Any] = {}
    if isinstance(slo.sli, Fast):
        objective |= {"op": "lte", "value": slo.sli.seconds}
    key = "targetPercent" if slo.in_percent else "target"
    objective[key] = int(slo.target) if slo.target == int(slo.target) else slo.target
    found: dict[str, Any] = {}
    if description := slo.description.strip():
        if len(description) > _LONGEST_TEXT:
            notes.lost(slo.at, f"the description is cut after {_LONGEST_TEXT} characters, as OpenSLO has it")
        found["description"] = description[:_LONGEST_TEXT]
    found["service"] = slo.service
    found["indicator"] = {"metadata": {"name": openslo_name(slo.name)}, "spec": _sli(slo.sli)}
    found["timeWindow"] = [{"duration": slo.window, "isRolling": True}]
    found["budgetingMethod"] = "Occurrences"
    found["objectives"] = [objective]
    return found


def _sli(sli: Sli) -> dict[str, Any]:
    if isinstance(sli, Counted):
        return _ratio(sli, counter=True, part=_counted(sli.part, sli.by), total=_counted(sli.total, sli.by))
    if isinstance(sli, Asked):
        return _ratio(sli, counter=False, part=_asked(sli.part, sli.by), total=_asked(sli.total, sli.by))
    if isinstance(sli, Fast):
        return {"thresholdMetric": _counted(sli.histogram, sli.by)}
    raw_type = "success" if sli.ratio_of_good else "failure"
    return {"ratioMetric": {"rawType": raw_type, "raw": _source(sli.type, dict(sli.spec))}}


def _ratio(sli: Counted | Asked, *, counter: bool, part: dict[str, Any], total: dict[str, Any]) -> dict[str, Any]:
    return {"ratioMetric": {"counter": counter, "good" if sli.part_is_good else "bad": part, "total": total}}


def _counted(selector: object, by: tuple[str, ...]) -> dict[str, Any]:
    return _source("burnline", {"selector": str(selector), **_by(by)})


def _asked(query: str, by: tuple[str, ...]) -> dict[str, Any]:
    return _source("prometheus", {"query": query, **_by(by)})


def _by(by: tuple[str, ...]) -> dict[str, Any]:
    return {"by": list(by)} if by else {}


def _source(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"metricSource": {"type": kind, "spec": spec}}


def _lines(slo: Foreign) -> dict[Path_, int]:
    places = {
        (): slo.at,
        ("spec", "indicator"): slo.sli_at,
        ("spec", "objectives"): slo.target_at,
        ("spec", "objectives", 0): slo.target_at,
    }
    return {path: node.document.place(node.path).line for path, node in places.items()}
