"""Clocks are injected: wall time for what is stored, monotonic time for schedules."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Knows the time. `now` is Unix seconds, `monotonic` only ever grows."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class ManualClock:
    """A clock that moves only when it is told to; for replays and tests."""

    time: float = 0.0
    _elapsed: float = field(default=0.0, repr=False)

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self._elapsed

    def set(self, time: float) -> None:
        """Jump to `time`; monotonic time never goes back."""
        self._elapsed += max(0.0, time - self.time)
        self.time = time

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.set(self.time + seconds)
