"""One file's series and samples, whether it is a segment or a chunk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.labels import Labels
from core.matchers import Selector
from storage.series import chunk, segment
from storage.series.arrays import AnyInts, Ints
from storage.series.block import Rows
from storage.series.cache import ByteCache
from storage.series.chunk import ChunkIndex, DamageReport
from storage.series.dictionary import SeriesDictionary
from storage.series.disk import opened
from storage.series.layout import SeriesFile
from storage.series.samples import Samples, join, settle
from storage.series.segment import SegmentIndex


class Access(NamedTuple):
    """How to read: what to keep, and whom to tell of damage."""

    cache: ByteCache
    damaged: DamageReport


class Span(NamedTuple):
    """Times in ms: later than `start`, up to and including `end`."""

    start: int
    end: int


class _Query(NamedTuple):
    """Which series of a file, and their slots in the answer; and when."""

    slots: dict[int, int]
    span: Span


@dataclass(frozen=True)
class Source:
    """A file and its index; series have numbers of the file's own (references in a segment)."""

    path: Path
    index: SegmentIndex | ChunkIndex

    @property
    def dictionaries(self) -> list[SeriesDictionary]:
        """Every dictionary of the file."""
        return [series for _, series in _numbered(self.index)]

    def find(self, selector: Selector | None) -> Iterator[tuple[int, Labels]]:
        """The number and labels of every series that fits; all without a selector."""
        for numbers, series in _numbered(self.index):
            found = np.arange(len(series)) if selector is None else series.find(selector)
            for place in found.tolist():
                yield int(numbers[place]), series.labels(place)

    def sample_counts(self, access: Access) -> AnyInts:
        """How many samples each number has, before duplicates are taken out."""
        if isinstance(self.index, ChunkIndex):
            return self.index.counts
        counts = np.zeros(0, np.int64)
        with opened(self.path) as descriptor:
            for place in self.index.blocks:
                rows = segment.read_rows(descriptor, place)
                if rows is None:
                    access.damaged(f"samples at byte {place.at} of {self.path.name}")
                    continue
                more = np.bincount(rows.refs, minlength=len(counts))
                more[: len(counts)] += counts
                counts = more
        return counts

    def gather(self, wanted: dict[int, int], span: Span, access: Access) -> list[Samples]:
        """The samples of `wanted` (number to slot) in the order in which they were written."""
        with opened(self.path) as descriptor:
            query = _Query(wanted, span)
            if isinstance(self.index, ChunkIndex):
                return list(_from_chunk(descriptor, self.index, query, access))
            return list(_from_segment(descriptor, self.path, self.index, query, access))


def open_source(directory: Path, file: SeriesFile, access: Access) -> Source | None:
    """Read what is new of a file's index; None if a chunk is damaged, FileNotFoundError if the file has gone."""
    path = directory / file.name
    with opened(path) as descriptor:
        index = _chunk_index(descriptor, path, access) if file.is_chunk else _segment_index(descriptor, path, access)
    return None if index is None else Source(path, index)


def locate(sources: Sequence[Source], selector: Selector | None) -> dict[Labels, list[tuple[int, int]]]:
    """Where each series that fits is: (place in `sources`, number there)."""
    found: dict[Labels, list[tuple[int, int]]] = {}
    for place, source in enumerate(sources):
        for number, labels in source.find(selector):
            found.setdefault(labels, []).append((place, number))
    return found


def read_series(
    sources: Sequence[Source], places: Sequence[Sequence[tuple[int, int]]], span: Span, access: Access
) -> Samples:
    """The settled samples of the series that `locate` found at `places`; slot i is series i."""
    slots: list[dict[int, int]] = [{} for _ in sources]
    for slot, series_places in enumerate(places):
        for place, number in series_places:
            slots[place][number] = slot
    parts: list[Samples] = []
    for source, wanted in zip(sources, slots, strict=True):
        if wanted:
            parts += source.gather(wanted, span, access)
    return settle(join(parts))


def _numbered(index: SegmentIndex | ChunkIndex) -> list[tuple[AnyInts, SeriesDictionary]]:
    if isinstance(index, ChunkIndex):
        return [(np.arange(len(index.series)), index.series)]
    return [(found.refs, found.series) for found in index.definitions]


def _chunk_index(descriptor: int, path: Path, access: Access) -> ChunkIndex | None:
    known = access.cache.get(path, ChunkIndex)
    if known is not None and known.inode == os.fstat(descriptor).st_ino:
        return known
    index = chunk.read_index(descriptor)
    if index is None:
        access.damaged(f"index of {path.name}")
    else:
        access.cache.put(path, index)
    return index


def _segment_index(descriptor: int, path: Path, access: Access) -> SegmentIndex:
    known = access.cache.get(path, SegmentIndex)
    index = segment.read_index(descriptor, known)
    if index is not known:
        access.cache.put(path, index)
    if index.lost_definitions:
        access.damaged(f"definitions of series in {path.name}")
    return index


def _from_chunk(descriptor: int, index: ChunkIndex, query: _Query, access: Access) -> Iterator[Samples]:
    slots: Ints = np.full(len(index.series), -1, np.int64)
    slots[list(query.slots)] = list(query.slots.values())
    for samples in chunk.gather(descriptor, index, slots, access.damaged):
        a, b = np.searchsorted(samples.times, query.span, side="right").tolist()
        if a < b:
            yield Samples(samples.slots[a:b], samples.times[a:b], samples.bits[a:b])


def _from_segment(descriptor: int, path: Path, index: SegmentIndex, query: _Query, access: Access) -> Iterator[Samples]:
    slots = segment.slots_by_ref(query.slots)
    for place in index.blocks:
        if place.header.last_ms <= query.span.start or place.header.first_ms > query.span.end:
            continue
        key = (path, index.inode, place.at)
        rows = access.cache.get(key, Rows) or segment.read_rows(descriptor, place)
        if rows is None:
            access.damaged(f"samples at byte {place.at} of {path.name}")
            continue
        access.cache.put(key, rows)
        yield segment.pick(rows, slots, *query.span)
