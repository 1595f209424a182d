"""An engine that has stopped behind a server that lives: its page goes on, and nothing on it moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.ledger.dictionary import Atom

FROZEN_AFTER = 120.0
"""Seconds. The KV cache of a working engine changes with every block of tokens, and no step takes this long."""
_IN_FLIGHT = ("running", "queue_depth")
_STEPS = "kv_cache"
"""What moves with every few tokens. A page without it tells nothing of a long answer before its end."""

Gauges = Sequence[tuple[Atom, float]]


@dataclass
class Stillness:
    """Since when a page has said that requests are in flight, while neither work nor any gauge moved."""

    _shown: Gauges = ()
    _since: float = 0.0

    def look(self, time: float, gauges: Gauges, *, moved: bool) -> bool:
        """Whether the page of this moment (Unix seconds) is frozen; `moved`: work was finished since the last one."""
        busy = any(value > 0 for atom, value in gauges if atom.measure.name in _IN_FLIGHT)
        steps = any(atom.measure.name == _STEPS for atom, _ in gauges)
        if moved or not busy or not steps or gauges != self._shown:
            self._shown, self._since = gauges, time
        return time - self._since >= FROZEN_AFTER
