"""What a generation adds to the ledger, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collector.otlp.coverage import LAYER, Stretch
from collector.otlp.prepare import Call
from collector.placing import Span
from core.buckets import start_of, tier_of_age
from core.measures import Measure
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, RowKey

Part = tuple[RowKey, Atom, int]


def parts_of_call(call: Call, now: float) -> Iterator[Part]:
    """The counts of one generation, in the bucket in which it ended."""
    found = call.generation
    key = key_at(found.at, now)
    yield key, _atom("generations", ("outcome", found.outcome), ("stratum", found.stratum), of=call), 1
    yield key, _atom("goodput", ("outcome", found.goodput), ("reason", call.goodput_reason), of=call), 1
    if found.sampled:
        yield key, _atom("drawn", ("stratum", found.stratum), of=call), 1


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


def _atom(name: str, *attrs: tuple[str, str], of: Call) -> Atom:
    return Atom(Measure(name, LAYER, attrs), of.generation.group)
