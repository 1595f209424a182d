"""Where the lines of a page lie, as arrays: what is done for every line is done by numpy, not by the interpreter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from storage.series.arrays import Bytes, Ints, Words

_BREAK, _SPACE, _HASH = b"\n #"
_WORD = 8
_EIGHTHS = (2, 4, 5, 6, 8)
"""Where the words of a key stand that tell it from others, after its first: a label that differs is hardly ever between
them, and equal signatures are told apart by their order."""
_FACTORS = tuple(
    np.uint64(n)
    for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)
)
"""Odd numbers whose bits are spread: a multiplication by each keeps the words of a key apart."""


class Lines(NamedTuple):
    """Line i is `body[starts[i]:ends[i]]`; `data` is the body as bytes. The body ends with a line break."""

    body: bytes
    data: Bytes
    starts: Ints
    ends: Ints

    @classmethod
    def of(cls, body: bytes) -> Lines:
        """The lines of a page; a last one without a line break gets one."""
        whole = body if body.endswith(b"\n") else body + b"\n"
        data = np.frombuffer(whole, np.uint8)
        ends = np.flatnonzero(data == _BREAK)
        starts = np.zeros_like(ends)
        starts[1:] = ends[:-1] + 1
        return cls(whole, data, starts, ends)

    def __len__(self) -> int:
        return len(self.ends)

    def text(self, number: int) -> bytes:
        """One line."""
        return self.body[self.starts[number] : self.ends[number]]

    def cuts(self) -> Ints:
        """How much of each line stands before its value: up to its last space; all of a comment."""
        spaces = np.flatnonzero(self.data == _SPACE)
        before = np.append(-1, spaces)[np.searchsorted(spaces, self.ends)] + 1
        cuts = np.maximum(before - self.starts, 0)
        return np.where(self.data[self.starts] == _HASH, self.ends - self.starts, cuts)

    def signatures(self, cuts: Ints) -> Words:
        """A number for what stands before each value: equal for equal texts, and hardly ever for others."""
        # Every eight bytes of the page as one number, wherever they begin.
        words = np.ndarray((len(self.data),), "<u8", self.body + bytes(_WORD), strides=(1,))
        reach = np.maximum(cuts - _WORD, 0)
        known = _mask(cuts)
        found = words[self.starts] & known
        found ^= cuts.view(np.uint64)
        for factor, eighths in zip(_FACTORS, _EIGHTHS, strict=True):
            found *= factor
            found ^= words[self.starts + (reach * eighths >> 3)] & known
        return found


def _mask(cuts: Ints) -> Words:
    """Which bits of a word are of the text itself, where that is shorter than a word."""
    short = np.minimum(cuts, _WORD).astype(np.uint64)
    whole = np.uint64(2**64 - 1)
    return np.where(short == 0, np.uint64(0), whole >> (np.uint64(64) - short * np.uint64(8)) % np.uint64(64))
