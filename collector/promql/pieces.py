"""How long a span one answer may cover: pieces that hold about as many samples as is wished."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST = 15
LONGEST = 2 * 3600
_FIRST = 300
"""Seconds asked for before anything is known of how much the server has."""
_GROWTH = 4


@dataclass
class PieceLength:
    """In whole seconds, for one server; `wished` samples an answer."""

    wished: int
    seconds: int = _FIRST

    def end(self, begin: int, goal: int) -> int:
        """Where the piece from `begin` ends."""
        return min(goal, begin + self.seconds)

    def answered(self, span: int, samples: int) -> None:
        """A span of so many seconds held so many samples: the next piece aims at half of what is wished."""
        fitting = span * self.wished // (2 * max(samples, 1))
        self.seconds = min(max(fitting, SHORTEST), LONGEST, max(span, self.seconds) * _GROWTH)

    def too_long(self, span: int) -> bool:
        """The server would not answer such a span: whether a shorter one is worth asking for."""
        self.seconds = max(span // 2, SHORTEST)
        return span > SHORTEST
