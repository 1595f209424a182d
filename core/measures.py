"""Measures: the disjoint atoms of the ledger, and groups, the values of the dimensions they are kept by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from core.histogram import Bounds
from core.labels import Labels, make

OTHER = "__other__"
"""Every dimension of a group beyond a measure's cap: totals stay exact, the parts are lumped."""

TARGET_TIME = "target_time"
"""Target-milliseconds by `state`: expected (in discovery), covered (between two good scrapes of one process),
spread (covered, but from a span over three intervals)."""


@dataclass(frozen=True)
class Measure:
    """One atom: a signal's part (`attrs`, such as outcome and reason), in one layer, over one list of bounds.

    A counter has one cell and no bounds. A raw selector's measure is named `selector:<selector>` and has no layer.
    """

    name: str
    layer: str = ""
    attrs: Labels = ()
    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        # Measures are looked up for every count of every scrape: their parts are hashed once.
        object.__setattr__(self, "_hash", hash((self.name, self.layer, self.attrs, self.bounds)))

    def __hash__(self) -> int:
        found: int = self.__dict__["_hash"]
        return found

    @property
    def cells(self) -> int:
        """Length of its vector of counts."""
        return 1 if self.bounds is None else len(self.bounds) + 1

    def key(self) -> str:
        """Canonical text: equal measures have equal keys."""
        bounds = None if self.bounds is None else [float(bound) for bound in self.bounds]
        return json.dumps([self.name, self.layer, self.attrs, bounds], separators=(",", ":"))

    @staticmethod
    def from_key(key: str) -> Measure:
        """The measure of a canonical text."""
        name, layer, attrs, bounds = json.loads(key)
        return Measure(name, layer, tuple((n, v) for n, v in attrs), None if bounds is None else tuple(bounds))


Group = Labels
"""A group's dimensions and values; a dimension that is unknown is absent."""


def group_key(group: Group | Mapping[str, str]) -> str:
    """Canonical JSON text of a group."""
    return _key_of(group) if isinstance(group, tuple) else _key_of(tuple(group.items()))


@lru_cache(maxsize=2**16)
def _key_of(group: Group) -> str:
    # The engine asks for the key of every group every minute.
    return json.dumps(dict(make(group)), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def group_from_key(key: str) -> Group:
    """The group of a canonical text."""
    return make(json.loads(key))


def project(group: Group, by: tuple[str, ...]) -> Group:
    """The group seen by fewer dimensions."""
    return tuple(pair for pair in group if pair[0] in by)
