"""The probability of a stratum with a budget: it follows how many generations come, in steps that are halves.

The ledger keeps what was drawn with one probability as a stratum of its own: a few steps make a few strata.
"""

from __future__ import annotations

from math import exp

_EPOCH = 60.0
"""Seconds between two looks at the flow."""
_MEMORY = 300.0
"""Seconds over which the flow is averaged: a pause of a minute does not raise the probability."""
_LEAST_STEP = 20
"""One in a million."""
_ROOM = 0.8
"""A larger probability is taken when it would use less than this much of the budget: no to and fro at an edge."""
_IDLE = 3600.0
"""Seconds after which values that nobody told again lose their place."""
_BURST = 20
"""Draws of one minute that are always expected: a stratum that just began is judged soon, and floods nobody."""


class Budget:
    """Draws at most `hourly` generations an hour, once it knows how many come. Not safe between threads."""

    def __init__(self, hourly: float, now: float) -> None:
        self._aim = hourly / 3600
        self._burst = max(_BURST, 2 * self._aim * _EPOCH)
        self._step = 0
        self._flow: float | None = None
        self._came = 0
        self._due = 0.0
        self._since = now
        self.seen_at = now

    @property
    def step(self) -> int:
        """The probability is 1 ÷ 2^step."""
        return self._step

    def note(self, now: float) -> None:
        """A generation came. Where more than a minute's due are to be drawn, the probability falls at once.

        It depends on how many came, not on which were drawn: else it would tell of a trace's later calls, which share
        its hash, whether they are drawn.
        """
        self._came += 1
        self.seen_at = now
        self._due += 0.5**self._step
        if self._due > self._burst:
            self._step = min(self._step + 1, _LEAST_STEP)
            self._due = 0.0

    def settle(self, now: float) -> None:
        """Once a minute: the largest probability that keeps to the budget at the flow of the last minutes."""
        seconds = now - self._since
        if seconds < _EPOCH:
            return
        recent = self._came / seconds
        share = 1 - exp(-seconds / _MEMORY)
        self._flow = recent if self._flow is None else self._flow + (recent - self._flow) * share
        self._step = self._fitting(max(self._flow, recent))
        self._came, self._due, self._since = 0, 0.0, now

    def _fitting(self, flow: float) -> int:
        step = self._step
        while step < _LEAST_STEP and flow / 2**step > self._aim:
            step += 1
        while step > 0 and flow / 2 ** (step - 1) < self._aim * _ROOM:
            step -= 1
        return step


class Budgets:
    """The budgets of one stratum: one for each combination of values, as far as there is room, and one for the rest."""

    def __init__(self, hourly: float, most: int) -> None:
        self._hourly = hourly
        self._most = most
        self._of: dict[tuple[str, ...], Budget] = {}
        self._others: Budget | None = None

    def of(self, values: tuple[str, ...], now: float) -> Budget:
        """The budget for some values."""
        found = self._of.get(values)
        if found is not None:
            return found
        if len(self._of) < self._most:
            return self._of.setdefault(values, Budget(self._hourly, now))
        self._others = self._others or Budget(self._hourly, now)
        return self._others

    def settle(self, now: float) -> None:
        """Settle every budget; values that were not seen for an hour make room."""
        self._of = {values: one for values, one in self._of.items() if one.seen_at > now - _IDLE}
        for one in (*self._of.values(), *([self._others] if self._others else [])):
            one.settle(now)
