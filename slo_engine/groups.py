"""What of an SLO is another one for some of its groups: their target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.matchers import matches_all
from core.measures import Group
from slo_engine.compile import Formula
from slo_engine.specs.model import Override, Slo


def override_of(overrides: Iterable[Override], group: Group) -> Override | None:
    """The first override that fits a group."""
    labels = dict(group)
    return next((override for override in overrides if matches_all(override.where, labels)), None)


def slo_of(slo: Slo, group: Group) -> Slo:
    """The SLO with the target that a group has."""
    override = override_of(slo.overrides, group)
    if override is None:
        return slo
    return replace(slo, objective=float(override.objective), objective_exact=override.objective)


def formula_of(formula: Formula, group: Group) -> Formula:
    """The formula with the target that a group has."""
    slo = slo_of(formula.slo, group)
    return formula if slo is formula.slo else replace(formula, slo=slo)
