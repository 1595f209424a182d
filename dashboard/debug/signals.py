"""Every signal of a group or a target over time: rates, quantiles and means, and what of the time was seen.

Pure: from the cells of buckets to lines. A bucket of which too little was seen has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from core.histogram import Bounds, coarsen, common_bounds, quantile
from core.measures import TARGET_TIME, Measure
from core.signals import LAYERS, SIGNALS, Signal
from dashboard.debug.buckets import Cells, Ints
from dashboard.debug.span import Span
from dashboard.ledger import SEEN
from storage.ledger.dictionary import Atom

_PARTS = {
    "requests": "outcome",
    "http_responses": "code",
    "generations": "outcome",
    "goodput": "outcome",
    "judged": "verdict",
    "drawn": "stratum",
}
"""By which attribute the lines of a counter are told apart."""
_SCALES: Mapping[str, tuple[float, str]] = {
    "gpu_time": (1e-3, "GPUs held"),
    "cost": (3600e-6, "dollars an hour"),
}
"""What a rate a second is multiplied with, and what it then is."""
QUANTILES = (0.5, 0.95, 0.99)


Dark = tuple[bool, bool]
"""Of one bucket: whether too little was seen of it, and whether no target was expected in it."""


class Point(NamedTuple):
    """One bucket of a line: its value, the bounds between which it is known to be, and whether it may be above them."""

    time: int
    value: float | None
    low: float | None = None
    high: float | None = None
    above: bool = False


class Line(NamedTuple):
    """A part, quantile or mean over the buckets of a span."""

    name: str
    points: Sequence[Point]


class Panel(NamedTuple):
    """One signal: its lines, the unit of their values, and the layer it is counted in.

    `lacks`: dimensions that narrow the page, but that some of the counts do not have: they hold all of its values.
    """

    signal: Signal
    layer: str
    unit: str
    lines: Sequence[Line]
    lacks: Sequence[str] = ()


class Seen(NamedTuple):
    """How much of a layer's target-time was covered, by bucket; None where no target was expected."""

    layer: str
    shares: Sequence[float | None]

    @property
    def unexpected(self) -> Sequence[bool]:
        """The buckets in which there was no target: no count in them is not a count of 0."""
        return [share is None for share in self.shares]

    @property
    def blind(self) -> Sequence[bool]:
        """The buckets of which too little was seen to draw a value."""
        return [share is not None and share < SEEN for share in self.shares]


@dataclass(frozen=True)
class Found:
    """The cells that are meant, what their ids stand for, and the layer that each signal is counted in."""

    cells: Cells
    atoms: Mapping[int, Atom]
    layers: Mapping[str, str]


def panels(found: Found, span: Span, chosen: Collection[str] = ()) -> tuple[list[Panel], list[Seen]]:
    """Every signal with a count in the span, in the order of the vocabulary, and the coverage of each layer.

    `chosen`: the dimensions that narrow the page.
    """
    seen = _coverage(found, span)
    by_layer = {one.layer: one for one in seen}
    drawn = (_panel(SIGNALS[name], layer, found, span, by_layer.get(layer)) for name, layer in _signals(found))
    return [panel._replace(lacks=_lacking(panel, found, chosen)) for panel in drawn if panel.lines], seen


def narrowed(found: Found, keep: Callable[[Atom], bool]) -> Found:
    """Only the atoms that are kept."""
    kept = {id_: atom for id_, atom in found.atoms.items() if keep(atom)}
    return Found(_only(found.cells, kept), kept, found.layers)


def own_layers(atoms: Iterable[Atom]) -> dict[str, str]:
    """The layer of each signal of one target: what it counts itself, even where the fleet counts further out."""
    seen: dict[str, str] = {}
    for atom in atoms:
        name, layer = atom.measure.name, atom.measure.layer
        if layer in LAYERS and (name not in seen or LAYERS.index(layer) < LAYERS.index(seen[name])):
            seen[name] = layer
    return seen


def _lacking(panel: Panel, found: Found, chosen: Collection[str]) -> tuple[str, ...]:
    mine = [atom for atom in found.atoms.values() if _is_of(atom, panel.signal, panel.layer)]
    return tuple(name for name in chosen if any(name not in dict(atom.group) for atom in mine))


def _is_of(atom: Atom, signal: Signal, layer: str) -> bool:
    return (atom.measure.name, atom.measure.layer) == (signal.name, layer)


def _signals(found: Found) -> list[tuple[str, str]]:
    names = {atom.measure.name for atom in found.atoms.values()}
    return [(name, found.layers[name]) for name in SIGNALS if name in names and name in found.layers]


def _panel(signal: Signal, layer: str, found: Found, span: Span, seen: Seen | None) -> Panel:
    mine = {id_: atom for id_, atom in found.atoms.items() if _is_of(atom, signal, layer)}
    blind = seen.blind if seen else [False] * len(span.starts)
    absent = seen.unexpected if seen else [True] * len(span.starts)
    if signal.kind == "counter":
        unit = _SCALES.get(signal.name, (1.0, f"{signal.unit} a second"))[1]
        return Panel(
            signal, layer, unit, _rates(signal.name, mine, found.cells, span, list(zip(blind, absent, strict=True)))
        )
    bounds, table = _distribution(mine, found.cells, span)
    lines = [_quantile_line(q, bounds, table, span, blind) for q in QUANTILES]
    if signal.kind == "gauge":
        lines = [_mean_line(bounds, table, span, blind), lines[1]]
    unit = "seconds" if signal.unit == "seconds" else signal.unit
    return Panel(signal, layer, unit, lines if table.any() else [])


def _rates(name: str, atoms: Mapping[int, Atom], cells: Cells, span: Span, dark: Sequence[Dark]) -> list[Line]:
    """A line for each part, the busiest first."""
    scale = _SCALES.get(name, (1.0, ""))[0] / span.width
    parts: dict[str, set[int]] = {}
    for id_, atom in atoms.items():
        attrs = dict(atom.measure.attrs)
        parts.setdefault(attrs.get(_PARTS.get(name, ""), "all"), set()).add(id_)
    sums = {part: _by_bucket(_only(cells, ids), span) for part, ids in parts.items()}
    known = {part: counts for part, counts in sums.items() if counts.any()}
    ordered = sorted(known, key=lambda part: (-int(known[part].sum()), part))
    return [
        Line(part, [_rate_point(at, n, scale, here) for at, n, here in _each(span, known[part], dark)])
        for part in ordered
    ]


def _rate_point(at: int, n: int, scale: float, dark: Dark) -> Point:
    blind, absent = dark
    return Point(at, None if blind or (absent and not n) else n * scale)


def _each(span: Span, counts: Ints, dark: Sequence[Dark]) -> Iterable[tuple[int, int, Dark]]:
    return zip(span.starts, counts.tolist(), dark, strict=True)


def _distribution(atoms: Mapping[int, Atom], cells: Cells, span: Span) -> tuple[Bounds, Ints]:
    """Counts by bucket and cell, shape (buckets, cells), over the bounds that all parts share."""
    by_bounds: dict[Bounds, set[int]] = {}
    for id_, atom in atoms.items():
        if atom.measure.bounds is not None:
            by_bounds.setdefault(atom.measure.bounds, set()).add(id_)
    if not by_bounds:
        return (), np.zeros((len(span.starts), 1), np.int64)
    shared = next(iter(by_bounds))
    for bounds in by_bounds:
        shared = common_bounds(shared, bounds)
    total: Ints = np.zeros((len(span.starts), len(shared) + 1), np.int64)
    for bounds, ids in by_bounds.items():
        table: Ints = np.zeros((len(span.starts), len(bounds) + 1), np.int64)
        mine = _only(cells, ids)
        np.add.at(table, (_index(mine, span), mine.cells), mine.counts)
        total += table if bounds == shared else np.array([coarsen(bounds, row, shared) for row in table.tolist()])
    return shared, total


def _quantile_line(q: float, bounds: Bounds, table: Ints, span: Span, blind: Sequence[bool]) -> Line:
    points = [
        Point(at, None) if dark else _quantile_point(at, q, bounds, row)
        for at, row, dark in zip(span.starts, table.tolist(), blind, strict=True)
    ]
    return Line(f"p{q * 100:g}", points)


def _quantile_point(at: int, q: float, bounds: Bounds, row: Sequence[int]) -> Point:
    value = quantile(q, bounds, row)
    if value is None:
        return Point(at, None)
    rank, below = q * sum(row), 0
    for index, count in enumerate(row):
        below += count
        if below >= rank and count:
            low, high = cell_ends(bounds, index)
            return Point(at, value, low, min(high, bounds[-1]), high == inf)
    return Point(at, value)


def _mean_line(bounds: Bounds, table: Ints, span: Span, blind: Sequence[bool]) -> Line:
    """The mean of a gauge lies between the means of its cells' ends; what is above the last bound counts at it."""
    ends = [cell_ends(bounds, index) for index in range(len(bounds) + 1)]
    lows = np.array([low for low, _ in ends])
    highs = np.array([min(high, bounds[-1]) if bounds else 0.0 for _, high in ends])
    points = []
    for at, row, dark in zip(span.starts, table, blind, strict=True):
        total = int(row.sum())
        if dark or not total:
            points.append(Point(at, None))
            continue
        low, high = float(row @ lows) / total, float(row @ highs) / total
        points.append(Point(at, (low + high) / 2, low, high, bool(row[-1])))
    return Line("mean", points)


def cell_ends(bounds: Bounds, index: int) -> tuple[float, float]:
    """What a cell holds: above the first, up to and with the second. No value of a signal is below 0."""
    low = bounds[index - 1] if index else min(0.0, bounds[0]) if bounds else 0.0
    return low, bounds[index] if index < len(bounds) else inf


def _coverage(found: Found, span: Span) -> list[Seen]:
    layers = sorted({layer for layer in found.layers.values() if layer in LAYERS}, key=LAYERS.index)
    strips = []
    for layer in layers:
        expected, covered = (_by_bucket(_time_of(found, layer, state), span) for state in ("expected", "covered"))
        if expected.any():
            pairs = zip(covered.tolist(), expected.tolist(), strict=True)
            strips.append(Seen(layer, [min(1.0, part / whole) if whole else None for part, whole in pairs]))
    return strips


def _time_of(found: Found, layer: str, state: str) -> Cells:
    wanted = Measure(TARGET_TIME, layer, (("state", state),))
    return _only(found.cells, [id_ for id_, atom in found.atoms.items() if atom.measure == wanted])


def _only(cells: Cells, ids: Iterable[int]) -> Cells:
    keep = np.isin(cells.ids, list(ids))
    return Cells(*(column[keep] for column in cells))


def _index(cells: Cells, span: Span) -> Ints:
    index: Ints = (cells.at - span.start) // span.width
    return index


def _by_bucket(cells: Cells, span: Span) -> Ints:
    """Sums by bucket of the span, which may be wider than the buckets that were read."""
    sums: Ints = np.zeros(len(span.starts), np.int64)
    np.add.at(sums, _index(cells, span), cells.counts)
    return sums
