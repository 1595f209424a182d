"""Composite SLOs: `objectives[].indicator` or `indicatorRef`, each with a `compositeWeight`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from slo_engine.specs.indicators import LATER, exact
from slo_engine.specs.model import Component, Slo, SumRatio
from slo_engine.specs.node import Node
from slo_engine.specs.slicing import is_sliced

_OF_A_PRICE = Fraction(99, 100)
"""A price has no target: its burn table is that of 99 %."""


def component_of(slo: Slo, objective: Node) -> Component:
    """An objective of a composite, of which `slo` was made."""
    weight = objective.get("compositeWeight")
    target = _OF_A_PRICE if isinstance(slo.counted, SumRatio) else slo.objective_exact
    return Component(slo.name, Fraction(1) if weight is None else exact(weight.value), target)


def shared_by(slos: Sequence[Slo]) -> tuple[str, ...]:
    """The labels that the groups of all components have, in the order of the first."""
    first = slos[0].by if slos else ()
    return tuple(label for label in first if all(label in slo.by for slo in slos))


def unsupported_composite(spec: Node, slos: Sequence[Slo], objectives: int) -> str | None:
    """Why a valid composite of these components cannot be served."""
    if is_sliced(spec):
        return f"composite SLOs over time slices are {LATER}: write budgetingMethod Occurrences"
    if len(slos) < objectives:
        return "every objective of a composite needs an indicator or indicatorRef"
    if sampled := [slo.name for slo in slos if slo.sampled]:
        return f"{sampled[0]} is about a sample, whose rate is an interval and cannot be summed: write an SLO for it"
    reasons = dict.fromkeys(slo.unsupported for slo in slos if slo.unsupported)
    return "; ".join(reasons) or None
