"""Which series are known: the bytes of their labels as a sender writes them, and the target that each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple
from weakref import WeakValueDictionary

from collector.promql.pages import Address, address_of
from collector.push import wire
from core.labels import Labels
from core.matchers import Matcher, matches_all

_MOST = 500_000
"""Label sets whose bytes are remembered; beyond it they are read anew."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class PushedSeries:
    """One series, the same object as long as anybody holds it. `order`: series of a page stand in the order in which
    they were first seen."""

    name: str
    labels: Labels
    address: Address
    order: int


class Sent(NamedTuple):
    """A series as it was sent: by which of several senders of one fleet. `series` None: it is not taken, and why."""

    series: PushedSeries | None
    replica: str
    reason: str = ""


@dataclass
class Catalog:
    """`selected`: a target is taken that fits one of them, or any where there is none; `replica_labels`: the labels by
    which senders of the same targets differ."""

    selected: Sequence[tuple[Matcher, ...]] = ()
    replica_labels: frozenset[str] = frozenset()
    _sent: dict[bytes, Sent] = field(default_factory=dict)
    _known: WeakValueDictionary[Labels, PushedSeries] = field(default_factory=WeakValueDictionary)
    _orders: count[int] = field(default_factory=count)

    def find(self, labels: bytes) -> Sent:
        """The series with these labels; ParseError where they are no labels."""
        found = self._sent.get(labels)
        if found is None:
            if len(self._sent) >= _MOST:
                self._sent.clear()
            found = self._sent[labels] = self._read(wire.labels(labels))
        return found

    def _read(self, labels: Labels) -> Sent:
        replica = ",".join(value for name, value in labels if name in self.replica_labels)
        own = tuple(pair for pair in labels if pair[0] not in self.replica_labels)
        named, address = dict(own), address_of(own)
        if not (address.job and address.instance and "__name__" in named):
            return Sent(None, replica, "no_target")
        if self.selected and not any(matches_all(matchers, named) for matchers in self.selected):
            return Sent(None, replica, "not_selected")
        return Sent(self.one(named["__name__"], own, address), replica)

    def one(self, name: str, labels: Labels, address: Address) -> PushedSeries:
        """The series with these labels, `__name__` among them."""
        known = self._known.get(labels)
        if known is None:
            known = self._known[labels] = PushedSeries(name, labels, address, next(self._orders))
        return known
