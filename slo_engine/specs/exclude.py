"""What an SLO does not count: the annotation `burnline/exclude: maintenance, deployments 10m`."""

from __future__ import annotations

from core.durations import MINUTE, parse_openslo
from core.errors import ParseError
from slo_engine.specs.model import Exclude
from slo_engine.specs.node import Node

KEY = "burnline/exclude"
LONGEST = 24 * 60 * MINUTE
_HOW = "write maintenance, or deployments and how long each takes, as deployments 10m, or both with a comma"


def read_exclude(slo: Node) -> Exclude | None:
    """The exclusions of an SLO; a broken annotation is reported."""
    node = slo.at("metadata", "annotations", KEY)
    if node is None:
        return None
    found = Exclude()
    for part in str(node.value).split(","):
        kind, _, duration = part.strip().partition(" ")
        if kind == "maintenance" and not duration and not found.maintenance:
            found = Exclude(maintenance=True, deployments=found.deployments)
        elif kind == "deployments" and duration and not found.deployments:
            found = Exclude(maintenance=found.maintenance, deployments=_seconds(node, duration.strip()))
        else:
            node.report(f"{node.value!r} excludes nothing: {_HOW}")
            return None
    return found


def _seconds(node: Node, duration: str) -> int:
    try:
        seconds = parse_openslo(duration)
    except ParseError as error:
        node.report(str(error))
        return 0
    if not MINUTE <= seconds <= LONGEST:
        node.report(f"a deployment may be excluded for 1m to 24h, not {duration}")
    return seconds
