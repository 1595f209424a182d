"""What two versions are compared by: the SLOs in force whose events are one a request, and their minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.measures import OTHER, Group
from core.statistics.label_test import Buckets
from slo_engine.book import Account
from slo_engine.compile import COVERED, EXPECTED, PART, TOTAL, Formula, compile_slo, layers_present, signal_of
from slo_engine.specs.model import EventRatio, Latency, SignalMetric, Slo
from storage.ledger.dictionary import Atom

BY = ("model", "version", "region")
_ONE_A_REQUEST = ("ttft", "e2e", "queue_time")
"""Histograms with one value a request. Gaps between tokens come in clusters, one cluster a slow request."""

Table = npt.NDArray[np.int64]


class Place(NamedTuple):
    """Where a version serves; region "" where none is told."""

    model: str
    version: str
    region: str


class Criterion(NamedTuple):
    """One comparison. `allowed`: how much higher the canary's bad share may be (1 − the SLO's objective)."""

    name: str
    slo: str
    formula: Formula
    allowed: float


class Seen(NamedTuple):
    """What a stretch of time holds of a version in a region: requests, and target-milliseconds."""

    requests: int
    expected: int


def criteria_of(slos: Iterable[Slo], layers: Mapping[str, str]) -> tuple[Criterion, ...]:
    """The criteria of the SLOs in force, by name."""
    found = []
    for slo in sorted(slos, key=lambda one: one.name):
        kind = None if slo.unsupported else _kind(slo)
        if kind is not None:
            formula = compile_slo(replace(slo, by=BY), layers)
            found.append(Criterion(kind, slo.name, formula, float(slo.budget)))
    return tuple(found)


def versioned_layers(atoms: Iterable[Atom]) -> dict[str, str]:
    """For each signal the outermost layer that tells the version."""
    return layers_present(atom for atom in atoms if any(name == "version" for name, _ in atom.group))


def place_of(group: Group) -> Place | None:
    """Where a group is; None when its model or version is not told, or lumped beyond the cap."""
    values = dict(group)
    model, version = values.get("model"), values.get("version")
    if model is None or version is None or OTHER in (model, version):
        return None
    return Place(model, version, values.get("region", ""))


def table(account: Account | None, width: int, start: int, end: int) -> Table:
    """The columns of each bucket in [start, end)."""
    return (account or Account()).strips[width].rows(start, end)


def buckets(formula: Formula, canary: Table, baseline: Table) -> Buckets:
    """Both arms' bad events and totals, minute by minute."""
    return Buckets(_bad(formula, canary), _bad(formula, baseline), canary[:, TOTAL], baseline[:, TOTAL])


def seen(tables: Sequence[Table]) -> Seen:
    """What any criterion has seen of a version: most requests, most expected target-time."""
    return Seen(
        max((int(one[:, TOTAL].sum()) for one in tables), default=0),
        max((int(one[:, EXPECTED].sum()) for one in tables), default=0),
    )


def coverage(tables: Iterable[Table]) -> float | None:
    """Covered ÷ expected target-time over all these tables; None when none was expected."""
    sums = sum((one.sum(axis=0) for one in tables), np.zeros(COVERED + 1 + 1, np.int64))
    return min(1.0, float(sums[COVERED] / sums[EXPECTED])) if sums[EXPECTED] else None


def _kind(slo: Slo) -> str | None:
    indicator = slo.indicator
    if isinstance(indicator, EventRatio):
        part = indicator.good or indicator.bad
        both = (part, indicator.total)
        return "errors" if all(isinstance(m, SignalMetric) and signal_of(m) == "requests" for m in both) else None
    if isinstance(indicator, Latency) and isinstance(indicator.metric, SignalMetric):
        signal = signal_of(indicator.metric)
        return f"slow {signal}" if signal in _ONE_A_REQUEST else None
    return None


def _bad(formula: Formula, rows: Table) -> Table:
    """Bad events, between 0 and the total even where an SLO's good events are no part of its total."""
    bad = rows[:, TOTAL] - rows[:, PART] if formula.part_is_good else rows[:, PART]
    return np.clip(bad, 0, rows[:, TOTAL])
