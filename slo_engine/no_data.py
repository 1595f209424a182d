"""A ticket for an SLO of which nothing is known: alert policies with `alertWhenNoData`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.durations import render
from core.measures import Group
from slo_engine.absence import Sign
from slo_engine.book import Counts
from slo_engine.compile import Formula
from slo_engine.conditions import Level
from slo_engine.specs.model import Slo
from slo_engine.status import BLIND, Reading
from storage.alerts import AlertEvent

_PREFIX = "no data "
_LEAST_HOLD = 300.0
"""Seconds for which nothing must be known, where the condition does not ask for more."""


def wanted(slo: Slo) -> bool:
    """Whether an SLO asks for it."""
    return any(condition.no_data for condition in slo.conditions)


def unmeasured_sign(slo: Slo) -> Sign:
    """Of an SLO that has no group: nothing was ever counted for it, or nobody reports its signal any more."""
    return _sign(slo, (), Level.ABOVE, f"Nothing is counted for {slo.name}.")


def sign_of(reading: Reading, *, excluded: bool) -> Sign:
    """Of one group: no events in its shortest window, and less than half of its target-time seen."""
    slo, shortest = reading.formula.slo, min(reading.windows)
    counts = reading.windows[shortest].counts
    level = Level.UNKNOWN if excluded else Level.ABOVE if _silent(counts) else Level.BELOW
    return _sign(slo, reading.group, level, f"Nothing is known of {slo.name} for {render(shortest)}.")


def signs_of(
    formula: Formula, readings: Sequence[Reading], excluded: Iterable[Group], retired: Iterable[Group]
) -> list[Sign]:
    """One for each group, as long as it has targets."""
    if not wanted(formula.slo):
        return []
    if not readings:
        return [unmeasured_sign(formula.slo)]
    out, gone = set(excluded), set(retired)
    return [sign_of(one, excluded=one.group in out) for one in readings if one.group not in gone]


def labelled(event: AlertEvent, slo: Slo) -> AlertEvent:
    """The event with the labels of its SLO, so that its routes hold for it."""
    return replace(event, labels={**event.labels, "slo": slo.name, "service": slo.service})


def _silent(counts: Counts) -> bool:
    return counts.total == 0 and (counts.coverage is None or counts.coverage < BLIND)


def _sign(slo: Slo, group: Group, level: Level, summary: str) -> Sign:
    hold = max([_LEAST_HOLD, *(float(one.hold) for one in slo.conditions if one.no_data)])
    return Sign(f"{_PREFIX}{slo.name}", "SloNoData", group, "ticket", level, hold, summary, {"slo": slo.name})
