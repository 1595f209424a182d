"""The reader of one target's protobuf pages: fast while the target says the same metrics again.

A counter or gauge whose bytes are those of the page before, but for the eight of its value, has its labels read
already. All else is decoded each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from collector.exposition.protobuf import messages, wire
from collector.exposition.protobuf.metrics import Described, Pairs, Shape, described, is_scalar, read_metric, series_of
from collector.exposition.series import Series
from core.errors import PageRejected, ParseError
from storage.series.arrays import Floats

_VALUE = Struct("<d")


class Page(NamedTuple):
    """What a page says, in page order; `stamps` maps the place of a sample to its timestamp in ms."""

    series: list[Series]
    values: Floats
    stamps: dict[int, int]
    types: dict[str, str]


class _Scalar(NamedTuple):
    """The series of a metric with one value, and what it says beside that: when it was created."""

    series: tuple[Series, ...]
    rest: tuple[float, ...]


@dataclass
class _Family:
    """What is known of a family from the page before. `scalars`: by their bytes without those of the value, behind
    which there are `tail` more; those with longer or shorter tails are decoded each time."""

    described: Described
    scalars: dict[bytes, _Scalar] = field(default_factory=dict)
    series: dict[tuple[Pairs, Shape], tuple[Series, ...]] = field(default_factory=dict)
    tail: int = 0

    def learn(self, metric: bytes, place: int, scalar: _Scalar) -> None:
        """Remember a metric whose value stands at this place."""
        tail = len(metric) - place - 8
        if not self.scalars:
            self.tail = tail
        if tail == self.tail:
            self.scalars[metric[:place] + metric[place + 8 :]] = scalar


@dataclass
class _Draft:
    series: list[Series] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stamps: dict[int, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    families: dict[bytes, _Family] = field(default_factory=dict)


class ProtobufReader:
    """Reads the pages of one target; hands the same series out again while the target says them again."""

    def __init__(self) -> None:
        self._families: dict[bytes, _Family] = {}
        self._types: dict[str, str] = {}

    def read(self, body: bytes) -> Page:
        """Read an uncompressed page; raises PageRejected with the number of the message that is wrong."""
        draft, at, place = _Draft(), 0, 0
        try:
            while at < len(body):
                place += 1
                begin, at = wire.framed(body, at)
                self._family(body[begin:at], draft)
        except ParseError as error:
            raise PageRejected(place, str(error), "message") from None
        self._families = draft.families
        self._types = self._types if self._types == draft.types else draft.types
        return Page(draft.series, np.array(draft.values, np.float64), draft.stamps, self._types)

    def _family(self, body: bytes, draft: _Draft) -> None:
        head, metrics = wire.parts(body)
        known = self._families.get(head) or _Family(described(_decoded(messages.MetricFamily, head)))
        family = draft.families[head] = _Family(known.described, tail=known.tail)
        draft.types[family.described.name] = family.described.type
        self._metrics(metrics, known, family, draft)

    def _metrics(self, metrics: Iterable[bytes], known: _Family, family: _Family, draft: _Draft) -> None:
        series, values, tail, scalars = draft.series, draft.values, known.tail, known.scalars
        for metric in metrics:
            end = len(metric) - tail
            key = metric[: end - 8] + metric[end:] if tail else metric[:-8]
            found = scalars.get(key) if end > 8 else None
            if found is None:
                self._decode(metric, known, family, draft)
            else:
                family.scalars[key] = found
                series.extend(found.series)
                values.append(_VALUE.unpack_from(metric, end - 8)[0])
                values.extend(found.rest)

    def _decode(self, body: bytes, known: _Family, family: _Family, draft: _Draft) -> None:
        metric = _decoded(messages.Metric, body)
        shape, values = read_metric(family.described, metric)
        key = tuple((pair.name, pair.value) for pair in metric.label), shape
        series = known.series.get(key) or series_of(family.described.name, *key)
        if metric.timestamp_ms:
            begin = len(draft.values)
            draft.stamps.update(dict.fromkeys(range(begin, begin + len(values)), metric.timestamp_ms))
        draft.series.extend(series)
        draft.values.extend(values)
        family.series[key] = series
        place = wire.value_place(body) if is_scalar(shape) and not metric.timestamp_ms else None
        if place is not None:
            family.learn(body, place, _Scalar(series, tuple(values[1:])))


def _decoded(message: Any, body: bytes) -> Any:
    try:
        return message.FromString(body)
    except DecodeError:
        raise ParseError(f"it is no {message.DESCRIPTOR.name}") from None
