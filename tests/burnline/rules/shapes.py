"""Traffic as increments a step, and the counters that show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

Shape = Callable[[int], tuple[int, int]]
"""(good, bad) events in the step that ends at a step's number."""


def steady(good: int, bad: int = 0) -> Shape:
    """Always the same."""
    return lambda _: (good, bad)


def outage(begin: int, end: int, *, usual: int = 100, good: int = 0, bad: int = 100) -> Shape:
    """Nothing bad but between two steps."""
    return lambda step: (good, bad) if begin < step <= end else (usual, 0)


def blips(every: int, *, usual: int = 100, bad: int = 100) -> Shape:
    """One step in so many is bad."""
    return lambda step: (0, bad) if step % every == 0 else (usual, 0)


def slow_burn(begin: int, *, usual: int = 995, bad: int = 5) -> Shape:
    """A small share is bad from a step on."""
    return lambda step: (usual, bad if step > begin else 0)


def rare(every: int) -> Shape:
    """One event in so many steps, every third of them bad."""
    return lambda step: (0, 0) if step % every else ((1, 0) if step // every % 3 else (0, 1))


def by_chance(random: Random, steps: int) -> Shape:
    """Traffic and failures that change without warning."""
    share, plan = 0.0, [(0, 0)]
    for _ in range(steps):
        if random.random() < 0.05:
            share = random.choice([0, 0, 0, 0.002, 0.02, 0.2, 1])
        events = random.choice([0, 1, 5, 50, 200])
        bad = sum(random.random() < share for _ in range(events))
        plan.append((events - bad, bad))
    return lambda step: plan[step]


def counters(
    shape: Shape, steps: int, resets: Sequence[int] = (), start: int = 1_000_000
) -> tuple[list[int], list[int]]:
    """The good and the bad counter at steps 0 to `steps`; after a reset both begin at 0 with what that step gave.

    They start high: where a window reaches back beyond a series, Prometheus guesses that it rose before as it does
    after, but from no less than 0, so that a small counter would be guessed otherwise than one beside it.
    """
    good, bad = [start], [start]
    for step in range(1, steps + 1):
        more = shape(step)
        for counter, n in zip((good, bad), more, strict=True):
            counter.append(n if step in resets else counter[-1] + n)
    return good, bad
