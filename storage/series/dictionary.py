"""Label sets in columns: strings once, pairs once, a series as a run of pair numbers; and the search in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from core.labels import Labels
from core.matchers import Matcher, Selector
from storage.series.arrays import Bools, Ints, Refs, offsets

METRIC = "__name__"
_BYTES_A_PAIR = 250
"""Two strings of 30 characters, their tuple and the entries in its tables, as sys.getsizeof counts them."""


def metric_of(labels: Labels) -> str:
    """The metric's name, empty where there is none."""
    return next((value for name, value in labels if name == METRIC), "")


def series_order(labels: Labels) -> tuple[str, Labels]:
    """The sort key of series: by metric, so that one metric's series are neighbours, then by labels."""
    return metric_of(labels), labels


@dataclass(frozen=True)
class SeriesDictionary:
    """Series numbered from 0: series i has the pairs `pair_ids[starts[i]:starts[i + 1]]`."""

    pairs: tuple[tuple[str, str], ...]
    pair_ids: Refs
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def nbytes(self) -> int:
        """About how much memory it holds."""
        return int(self.pair_ids.nbytes + self.starts.nbytes) + _BYTES_A_PAIR * len(self.pairs)

    def labels(self, number: int) -> Labels:
        """The label set of one series."""
        ids = self.pair_ids[self.starts[number] : self.starts[number + 1]]
        return tuple(self.pairs[pair] for pair in ids.tolist())

    def find(self, selector: Selector) -> Ints:
        """The numbers of the series that fit."""
        matchers = selector.matchers
        if selector.metric:
            matchers = (Matcher(METRIC, "=", selector.metric), *matchers)
        fits = np.ones(len(self), np.bool_)
        for matcher in matchers:
            fits &= self._accepted(matcher)
        return np.flatnonzero(fits)

    def label_values(self, name: str) -> set[str]:
        """Every value that a label has."""
        return {self.pairs[pair][1] for pair in self._pairs_by_name.get(name, ())}

    def _accepted(self, matcher: Matcher) -> Bools:
        # Each distinct value is tested once, however many series carry it.
        named = self._pairs_by_name.get(matcher.name, [])
        fits = self._carries([pair for pair in named if matcher.accepts(self.pairs[pair][1])])
        return fits | ~self._carries(named) if matcher.accepts("") else fits

    def _carries(self, pairs: list[int]) -> Bools:
        wanted = np.zeros(len(self.pairs), np.bool_)
        wanted[pairs] = True
        seen = offsets(wanted[self.pair_ids])
        return seen[self.starts[1:]] > seen[self.starts[:-1]]

    @cached_property
    def _pairs_by_name(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, (name, _) in enumerate(self.pairs):
            found.setdefault(name, []).append(number)
        return found


def build(series: Sequence[Labels]) -> SeriesDictionary:
    """Number the given label sets in their order."""
    numbers: dict[tuple[str, str], int] = {}
    ids = [numbers.setdefault(pair, len(numbers)) for labels in series for pair in labels]
    counts = np.fromiter(map(len, series), np.int64, len(series))
    return SeriesDictionary(tuple(numbers), np.array(ids, np.uint32), offsets(counts))


def to_columns(dictionary: SeriesDictionary) -> list[npt.NDArray[Any]]:
    """Five arrays: UTF-8 of the strings, their lengths, two string numbers a pair, pair numbers, pairs a series."""
    numbers: dict[str, int] = {}
    pairs = [numbers.setdefault(text, len(numbers)) for pair in dictionary.pairs for text in pair]
    encoded = [text.encode("utf-8", "surrogatepass") for text in numbers]
    return [
        np.frombuffer(b"".join(encoded), np.uint8),
        np.array([len(text) for text in encoded], np.uint32),
        np.array(pairs, np.uint32),
        dictionary.pair_ids,
        np.diff(dictionary.starts).astype(np.uint32),
    ]


def from_columns(columns: Sequence[npt.NDArray[Any]]) -> SeriesDictionary:
    """The dictionary that `to_columns` took apart."""
    blob, lengths, pairs, pair_ids, counts = columns
    data = blob.tobytes()
    ends = offsets(lengths).tolist()
    strings = [data[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]
    flat = [strings[number] for number in pairs.tolist()]
    return SeriesDictionary(tuple(zip(flat[::2], flat[1::2], strict=True)), pair_ids, offsets(counts))
