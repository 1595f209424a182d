"""Which lines of a page are which of the page before, when some came, went or moved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from storage.series.arrays import Ints, Words

_KNOWN_SHARE = 2
"""A page of which under one line in so many is known is another page: it is read anew."""


class Index(NamedTuple):
    """Lines by their signatures in rising order, and the line of each; equal ones in the order of the page."""

    signatures: Words
    lines: Ints

    @classmethod
    def of(cls, signatures: Words) -> Index:
        """The index of a page's lines."""
        order = signatures.argsort(kind="stable")
        return cls(signatures[order], order)


def align(new: Index, old: Index) -> Ints | None:
    """For each line of the new page the same line of the old one, -1 where it came; None where too much differs.

    No line of the old page is found twice. Of several with one signature, the first is the first and so on.
    """
    if not len(old.signatures):
        return None
    places = old.signatures.searchsorted(new.signatures) + _turns(new.signatures)
    within = places < len(old.signatures)
    hits = ((old.signatures[places * within] == new.signatures) & within).nonzero()[0]
    if len(hits) * _KNOWN_SHARE < len(new.signatures):
        return None
    found = np.full(len(new.signatures), -1, np.int64)
    found[new.lines[hits]] = old.lines[places[hits]]
    return found


def _turns(rising: Words) -> Ints:
    """How many of the same value stand before each."""
    every = np.arange(len(rising))
    first = np.ones(len(rising), np.bool_)
    np.not_equal(rising[1:], rising[:-1], out=first[1:])
    begins: Ints = np.maximum.accumulate(np.where(first, every, 0))
    return every - begins
