"""A question to the ledger: which signal, of which groups, by what, when. Answered from the roll-ups in whole counts.

A signal is counted as the engine counts it: in the outermost layer that the fleet has, and requests without those that
clients aborted, unless the question speaks of outcomes itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select

from core.buckets import TIERS, end_of_window, start_of
from core.durations import render
from core.errors import ConfigError
from core.histogram import Bounds
from core.labels import Labels
from core.matchers import Matcher, matches_all, parse_matchers
from core.measures import TARGET_TIME, Measure
from core.signals import ALIASES, LAYERS, SIGNALS
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import ledger_measure

MOST_BUCKETS = 2000
MOST_ROWS = 5000
_NOT_EXCLUDED = parse_matchers('outcome!="excluded"')


@dataclass(frozen=True)
class Question:
    """Counts of a signal in [start, end) by `by` and buckets of `step` seconds. `layer` None: the outermost."""

    signal: str
    where: tuple[Matcher, ...]
    by: tuple[str, ...]
    start: int
    end: int
    step: int
    layer: str | None


class Line(NamedTuple):
    """One group in one bucket. Counters have one cell and no bounds; rows of other bounds stand apart."""

    bucket: int
    group: Labels
    bounds: Bounds | None
    cells: tuple[int, ...]


class Answer(NamedTuple):
    """The lines by time and group, and the layer that was counted; "" where the measure has none."""

    layer: str | None
    lines: list[Line]


def question(
    signal: str, where: str, by: str, start: float, end: float, step: int, layer: str | None, now: float
) -> Question:
    """A checked question; ConfigError or ParseError says what is wrong with it."""
    tier = next(tier for tier in TIERS if tier.width == step)
    first, last = start_of(start, step), end_of_window(end, step)
    if last <= first:
        raise ConfigError("`to` must be after `from`")
    if (last - first) // step > MOST_BUCKETS:
        raise ConfigError(f"over {MOST_BUCKETS} buckets: shorten the time, or ask with a larger step")
    if first < now - tier.retention - tier.width:
        kept = f"buckets of {step} s are kept for {render(tier.retention)}"
        raise ConfigError(f"{kept}: ask with a later `from`" + (" or a larger step" if tier is not TIERS[-1] else ""))
    labels = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    real, matchers = _real(signal, parse_matchers(where))
    if real == "requests" and "outcome" not in {*labels, *(m.name for m in matchers)}:
        matchers += _NOT_EXCLUDED
    return Question(real, matchers, labels, first, last, step, layer)


def _real(signal: str, where: tuple[Matcher, ...]) -> tuple[str, tuple[Matcher, ...]]:
    name, part = ALIASES.get(signal, (signal, ""))
    return name, where + parse_matchers(part)


def answer(db: Database, asked: Question, most: int = MOST_ROWS) -> Answer:
    """Count; ConfigError for a signal that is unknown or more than `most` lines."""
    layer = asked.layer if asked.layer is not None else _outermost(db, asked.signal)
    sums = _Sums(asked, layer, most)
    dictionary = Dictionary()
    for bucket, cells in _buckets(db, asked):
        atoms = {series_id: dictionary.atom(db, series_id) for series_id, _ in cells}
        sums.add(bucket, cells, atoms)
    lines = [Line(*key, tuple(cells)) for key, cells in sums.lines.items()]
    return Answer(layer, sorted(lines, key=lambda line: (line.bucket, line.group, line.bounds or ())))


def _outermost(db: Database, signal: str) -> str | None:
    with db.read() as connection:
        keys = connection.execute(select(ledger_measure.c.key)).scalars().all()
    measures = [Measure.from_key(key) for key in keys]
    layers = {measure.layer for measure in measures if measure.name == signal}
    known = {*SIGNALS, TARGET_TIME, *(measure.name for measure in measures)}
    if signal not in known:
        close = difflib.get_close_matches(signal, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(SIGNALS))}"
        raise ConfigError(f"there is no signal {signal!r}{hint}")
    return min(layers, key=lambda layer: LAYERS.index(layer) if layer in LAYERS else len(LAYERS), default=None)


def _buckets(db: Database, asked: Question) -> Iterator[tuple[int, Cells]]:
    """Roll-ups in parts of an hour of buckets, so that a long question does not hold a fleet's month in memory."""
    part = 60 * asked.step
    for start in range(asked.start, asked.end, part):
        for key, cells in rollups.read(db, asked.step, start, min(start + part, asked.end)):
            yield key.bucket, cells


class _Sums:
    """Adds cells up by (bucket, group, bounds)."""

    def __init__(self, asked: Question, layer: str | None, most: int) -> None:
        self._asked = asked
        self._layer = layer
        self._most = most
        self._groups: dict[int, Labels | None] = {}
        self.lines: dict[tuple[int, Labels, Bounds | None], list[int]] = {}

    def add(self, bucket: int, cells: Cells, atoms: dict[int, Atom]) -> None:
        for (series_id, cell), n in cells.items():
            measure = atoms[series_id].measure
            if series_id not in self._groups:
                self._groups[series_id] = self._group(atoms[series_id])
            group = self._groups[series_id]
            if group is not None:
                self._line((bucket, group, measure.bounds), measure.cells)[cell] += n

    def _line(self, key: tuple[int, Labels, Bounds | None], width: int) -> list[int]:
        found = self.lines.get(key)
        if found is None:
            if len(self.lines) >= self._most:
                raise ConfigError(
                    f"over {self._most} rows: name fewer labels in `by`, narrow `where`, "
                    "shorten the time, or ask with a larger step"
                )
            found = self.lines[key] = [0] * width
        return found

    def _group(self, atom: Atom) -> Labels | None:
        """The group that a series counts in, or None when it was not asked for."""
        measure = atom.measure
        labels = {**dict(atom.group), **dict(measure.attrs)}
        if measure.name != self._asked.signal or (self._layer is not None and measure.layer != self._layer):
            return None
        if not matches_all(self._asked.where, labels):
            return None
        return tuple(sorted((name, labels[name]) for name in self._asked.by if name in labels))
