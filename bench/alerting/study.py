"""Every rule over simulated months of every kind of traffic, in batches that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from bench.alerting.approaches import approaches
from bench.alerting.rules import Rules
from bench.alerting.score import Score, score, significant
from bench.alerting.traffic import simulate

_BATCH = 50
"""Months at once: 200 MB."""


class Kind(NamedTuple):
    """Months of one kind: the target, and the requests an hour on average."""

    objective: Fraction
    hourly: float

    def __str__(self) -> str:
        return f"{float(self.objective):.1%}, {self.hourly:,.0f} an hour".replace(".0%", "%").replace("%", " %")


KINDS = tuple(
    Kind(Fraction(target), hourly)
    for target, hourly in (("0.999", 1), ("0.999", 10), ("0.999", 100), ("0.999", 1000), ("0.99", 10), ("0.99", 100))
)


class Cell(NamedTuple):
    """One line of the results."""

    kind: Kind
    approach: str
    severity: str


class _Batch(NamedTuple):
    kind: Kind
    seed: tuple[int, int, int]
    months: int


Results = dict[Cell, Score]


def study(kinds: Sequence[Kind], months: int, seed: int, workers: int, told: Callable[[int], None]) -> Results:
    """`months` of each kind; the same seed gives the same numbers, however many workers. `told`: months done."""
    batches = list(_batches(kinds, months, seed))
    done: dict[_Batch, Results] = {}
    if workers == 1:
        for batch in batches:
            done[batch] = _judge(batch)
            told(batch.months)
    else:
        with ProcessPoolExecutor(workers) as pool:
            waiting = {pool.submit(_judge, batch): batch for batch in batches}
            for future in as_completed(waiting):
                done[waiting[future]] = future.result()
                told(waiting[future].months)
    results: Results = {}
    for batch in batches:
        for cell, found in done[batch].items():
            results[cell] = results[cell].plus(found) if cell in results else found
    return results


def _batches(kinds: Sequence[Kind], months: int, seed: int) -> Iterator[_Batch]:
    for place, kind in enumerate(kinds):
        for at in range(0, months, _BATCH):
            yield _Batch(kind, (seed, place, at), min(_BATCH, months - at))


def _judge(batch: _Batch) -> Results:
    objective, hourly = batch.kind
    simulated = simulate(np.random.default_rng(batch.seed), batch.months, hourly, objective)
    rules = Rules(simulated.months, objective)
    found = {}
    for severity in ("page", "ticket"):
        events = significant(simulated, objective, severity)
        for approach in approaches(objective):
            if approach.rows(severity):
                firing = rules.firing(approach, severity)
                found[Cell(batch.kind, approach.name, severity)] = score(firing, events)
    return found
