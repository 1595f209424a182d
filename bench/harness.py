"""What benchmarks share: contenders take turns, medians are printed, and nothing is printed for a wrong result."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Unequal(Exception):
    """Two ways to one result gave two results: a speed of either would mean nothing."""


def require_equal(what: str, found: object, expected: object) -> None:
    """Raise Unequal unless both are the same."""
    if found != expected:
        raise Unequal(what)


def guarded(benchmark: Callable[[], str]) -> int:
    """Print what a benchmark reports, or only that its verification failed; returns the exit status."""
    try:
        report = benchmark()
    except Unequal as error:
        print(f"verification failed, so nothing is reported: {error}", file=sys.stderr)
        return 1
    print(report)
    return 0


def wall(work: Callable[[], object]) -> float:
    """Seconds that the work took by the clock: for what waits for a disk or another process."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cpu(work: Callable[[], object]) -> float:
    """Seconds that this thread computed: what other programs take of the machine is not in it."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def take_turns(
    contenders: Mapping[str, Callable[[], float]], rounds: int, prepare: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """The median of each contender's figure; in turns, each round prepared and with another one first."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(rounds):
        prepare()
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            figures[name].append(contenders[name]())
    return {name: median(values) for name, values in figures.items()}


class Table(NamedTuple):
    """A Markdown table: texts to the left, figures to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        widths = [max(len(row[place]) for row in (self.head, *self.rows)) for place in range(len(self.head))]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        return "\n".join(_line(row, widths) for row in (self.head, rule, *self.rows))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.ljust(width) if place == 0 else text.rjust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join((first, *others))} |"


def figure(value: float) -> str:
    """Three digits that matter: 12300 as `12,300`, 0.01234 as `0.0123`."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.2f}" if value >= 10 else f"{value:.3g}"


def ratio(peer: float, ours: float) -> str:
    """How many times ours is ahead of the peer, both being costs; below 1 it is behind."""
    return f"{figure(peer / ours)}x"


def python() -> str:
    """The interpreter, for a report's first line."""
    return f"Python {platform.python_version()}"
