"""What a generation adds to the ledger, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from collector.otlp.coverage import LAYER, Stretch
from collector.otlp.prepare import Call
from collector.placing import Span
from core.buckets import start_of, tier_of_age
from core.measures import Group, Measure
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, RowKey

Part = tuple[RowKey, Atom, int]


def parts_of_calls(calls: Iterable[Call], now: float) -> Iterator[Part]:
    """The counts of generations, each in the bucket in which it ended; like ones are counted together."""
    for (key, kind), n in Counter((key_at(call.generation.at, now), _kind(call)) for call in calls).items():
        yield key, _atom("generations", kind.group, ("outcome", kind.outcome), ("stratum", kind.stratum)), n
        yield key, _atom("goodput", kind.group, ("outcome", kind.goodput), ("reason", kind.reason)), n
        if kind.drawn:
            yield key, _atom("drawn", kind.group, ("stratum", kind.stratum)), n


def parts_of_time(found: Iterable[Stretch], now: float) -> Iterator[Part]:
    """Target-time in milliseconds, shared over the buckets that it spans."""
    for atom, begin, end in found:
        span = Span(begin, end, now)
        for key, milliseconds in span.place(span.milliseconds):
            yield key, atom, milliseconds


def key_at(at: float, now: float) -> RowKey:
    """The row of a moment: of the narrowest tier that still holds it."""
    minute = tier_of_age(at, now)
    return RowKey(minute.width, start_of(at, minute.width))


def added(rows: dict[RowKey, AtomCells], parts: Iterable[Part]) -> dict[RowKey, AtomCells]:
    """The whole content of the rows that the parts touch, over what `rows` hold."""
    result: dict[RowKey, AtomCells] = {}
    for key, atom, n in parts:
        row = result.setdefault(key, dict(rows.get(key, {})))
        row[atom, 0] = row.get((atom, 0), 0) + n
    return result


class _Kind(NamedTuple):
    """Generations that are counted alike."""

    group: Group
    outcome: str
    stratum: str
    goodput: str
    reason: str
    drawn: bool


def _kind(call: Call) -> _Kind:
    found = call.generation
    return _Kind(found.group, found.outcome, found.stratum, found.goodput, call.goodput_reason, found.sampled)


def _atom(name: str, group: Group, *attrs: tuple[str, str]) -> Atom:
    return Atom(Measure(name, LAYER, attrs), group)
