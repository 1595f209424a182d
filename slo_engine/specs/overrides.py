"""Targets of some groups: annotations as `burnline/override-1: 'model="llama-70b",tenant="free": 99.0'`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from core.errors import ParseError
from core.matchers import parse_matchers
from slo_engine.specs.model import Override, Slo, SumRatio
from slo_engine.specs.node import Node

NAME = re.compile(r"burnline/override-([1-9][0-9]{0,3})")
"""Of an annotation; its number is the order in which overrides are asked."""

_PERCENT = re.compile(r"[0-9]{1,2}(\.[0-9]+)?")
_HOW = """write matchers and a percentage, as 'model="llama-70b",tenant="free": 99.5'"""


def read_overrides(slo: Node) -> tuple[Override, ...]:
    """The overrides of an SLO in their order; a broken one is reported."""
    node = slo.at("metadata", "annotations")
    entries = node.entries() if node else []
    numbered = [(int(match[1]), value) for key, value in entries if (match := NAME.fullmatch(key))]
    ordered = sorted(numbered, key=lambda one: one[0])
    return tuple(override for _, value in ordered if (override := _read(value)) is not None)


def has_overrides(slo: Node) -> bool:
    """Whether an SLO means to have some."""
    node = slo.at("metadata", "annotations")
    return node is not None and any(NAME.fullmatch(key) for key, _ in node.entries())


def check_overrides(item: Node, slos: Sequence[Slo]) -> None:
    """Report overrides that an SLO's objectives cannot have."""
    node = item.at("metadata", "annotations")
    for key, value in node.entries() if node else []:
        if NAME.fullmatch(key):
            _check(value, slos)


def _check(value: Node, slos: Sequence[Slo]) -> None:
    if len(slos) > 1:
        value.report("which of the objectives is meant? Write an SLO for each")
        return
    override = _read(value.quiet())
    for slo in slos:
        if isinstance(slo.counted, SumRatio):
            value.report("a price has no target: write an SLO for each value")
        if slo.sampled:
            value.report("a sampled SLO has one target: write an SLO for each, narrowed by where")
        unknown = {matcher.name for matcher in override.where} - set(slo.by) if override and slo.counted else set()
        if unknown:
            by = ", ".join(slo.by) or "nothing"
            value.report(f"{' and '.join(sorted(unknown))} is no label of its groups: they are made by {by}")


def _read(value: Node) -> Override | None:
    where, colon, percent = str(value.value or "").rpartition(":")
    try:
        matchers = parse_matchers(where)
    except ParseError as error:
        value.report(str(error))
        return None
    if not colon or not _PERCENT.fullmatch(percent.strip()) or not matchers:
        value.report(f"{value.value!r} is no override: {_HOW}")
        return None
    objective = Fraction(percent.strip()) / 100
    if objective == 0:
        value.report("must be above 0 %: a promise of nothing cannot be broken")
        return None
    return Override(matchers, objective)
