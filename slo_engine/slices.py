"""One-minute slices: each complete minute of a rate is judged good or bad, and enters the ledger as a count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.buckets import MINUTES
from core.histogram import Bounds, cells_at_or_below
from core.matchers import matches_all
from core.measures import Group, Measure, project
from slo_engine.compile import signal_of, slices_name
from slo_engine.specs.model import Op, RateSlices, SignalMetric, While
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, RowKey

_MOSTLY = 0.5
"""A minute counts when its condition held for at least this share of the target-time in it."""


def judge(
    definitions: Iterable[RateSlices],
    minutes: Mapping[RowKey, Cells],
    atoms: Mapping[int, Atom],
    layers: Mapping[str, str],
) -> dict[RowKey, AtomCells]:
    """The verdicts of complete minutes: rows of a source of the engine's own, replaced when a minute changes."""
    result: dict[RowKey, AtomCells] = {}
    for key, cells in minutes.items():
        content: AtomCells = {}
        for definition in definitions:
            name = slices_name(definition)
            for group, good in _verdicts(definition, cells, atoms, layers).items():
                measure = Measure(name, "", (("verdict", "good" if good else "bad"),))
                content[Atom(measure, group), 0] = 1
        result[key] = content
    return result


def _verdicts(
    definition: RateSlices, cells: Cells, atoms: Mapping[int, Atom], layers: Mapping[str, str]
) -> dict[Group, bool]:
    by = definition.metric.by
    counts: dict[Group, int] = {}
    held: dict[Group, list[int]] = {}
    for (series_id, cell), n in cells.items():
        atom = atoms[series_id]
        group = project(atom.group, by)
        if _fits(definition.metric, atom, layers):
            counts[group] = counts.get(group, 0) + n
        elif definition.condition and atom.measure.name == definition.condition.signal:
            tally = held.setdefault(group, [0, 0])
            tally[0] += n if _holds(definition.condition, atom.measure.bounds or (), cell) else 0
            tally[1] += n
    judged = held if definition.condition else {group: [1, 1] for group in counts}
    return {
        group: compare(counts.get(group, 0) / MINUTES.width, definition.op, definition.value)
        for group, (while_, all_) in judged.items()
        if while_ >= _MOSTLY * all_ and all_
    }


def _fits(metric: SignalMetric, atom: Atom, layers: Mapping[str, str]) -> bool:
    measure, signal = atom.measure, signal_of(metric)
    if measure.name != signal or measure.layer != (metric.layer or layers.get(signal, "")):
        return False
    return matches_all(metric.where, {**dict(atom.group), **dict(measure.attrs)})


def _holds(condition: While, bounds: Bounds, cell: int) -> bool:
    below = cell < cells_at_or_below(bounds, condition.value)
    return below if condition.op in ("lt", "lte") else not below


def compare(value: float, op: Op, threshold: float) -> bool:
    """`value op threshold`."""
    if op == "lt":
        return value < threshold
    if op == "lte":
        return value <= threshold
    return value > threshold if op == "gt" else value >= threshold
