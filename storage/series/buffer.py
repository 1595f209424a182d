"""What waits in memory between two flushes, and which references mean which series."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

import numpy as np

from core.labels import Labels
from storage.series.arrays import Refs
from storage.series.block import Scrape


class Taken(NamedTuple):
    """What a flush takes over: the scrapes in their order, and references that are free after it."""

    scrapes: list[Scrape]
    forgotten: list[int]


class Buffer:
    """The known series and the samples that wait for a flush; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._refs: dict[Labels, int] = {}
        self._labels: dict[int, Labels] = {}
        self._known = np.zeros(1024, np.bool_)
        self._next = 0
        self._forgotten: list[int] = []
        self._scrapes: list[Scrape] = []
        self._since = 0.0
        self.samples = 0

    @property
    def series(self) -> int:
        """How many series are known."""
        return len(self._refs)

    def ref(self, labels: Labels) -> int:
        """The known or next reference."""
        with self._lock:
            known = self._refs.get(labels)
            return known if known is not None else self._define(labels)

    def labels(self, ref: int) -> Labels:
        """The label set of a series that was not dropped."""
        return self._labels[ref]

    def forget(self, refs: Iterable[int]) -> None:
        """Accept no more samples of these; unknown ones are passed over."""
        with self._lock:
            for ref in refs:
                if ref < self._next and self._known[ref]:
                    self._known[ref] = False
                    del self._refs[self._labels[ref]]
                    self._forgotten.append(ref)

    def add(self, scrape: Scrape, now: float) -> None:
        """Let a scrape wait; ValueError if it has a series that is not known."""
        with self._lock:
            self._check_known(scrape.refs)
            if not self._scrapes:
                self._since = now
            self._scrapes.append(scrape)
            self.samples += len(scrape.refs)

    def age(self, now: float) -> float:
        """Seconds since the first sample that waits."""
        with self._lock:
            return now - self._since if self._scrapes else 0.0

    def take(self) -> Taken:
        """Hand over what waits and begin anew."""
        with self._lock:
            taken = Taken(self._scrapes, self._forgotten)
            self._scrapes, self._forgotten, self.samples = [], [], 0
            return taken

    def drop_forgotten(self, refs: list[int]) -> None:
        """Let go of their labels, which were needed until the samples before were written."""
        with self._lock:
            for ref in refs:
                del self._labels[ref]

    def _define(self, labels: Labels) -> int:
        ref = self._next
        self._next += 1
        if ref >= len(self._known):
            self._known = np.concatenate([self._known, np.zeros_like(self._known)])
        self._known[ref] = True
        self._refs[labels], self._labels[ref] = ref, labels
        return ref

    def _check_known(self, refs: Refs) -> None:
        if int(refs.max()) >= len(self._known) or not self._known[refs].all():
            raise ValueError("a reference is of no known series")
