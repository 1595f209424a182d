"""Simulated months of LLM traffic: by day and week, in sessions, with incidents, noise and storms of retries."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.alerting.rules import Bools, Floats, Ints, Months
from slo_engine.low_traffic import BLOCK

DAY = 1440
WARM = 3 * DAY
"""Minutes before the month, without incidents: no window is cut off by the beginning. BLOCK divides them."""
MONTH = 30 * DAY
LENGTH = WARM + MONTH

_INCIDENTS = 4.0
"""Per month, on average."""
_SHORTEST, _LONGEST = 5, DAY
_MILDEST = 2.0
"""Burn rate of the mildest incident; the worst is an outage of all requests."""
_NOISE = 0.3
"""Single errors burn up to this share of the budget, another one each month."""
_STORMS = 0.2
"""Storms of retries burn this share of the budget, …"""
_STORM = 4.0
"""… with so many failed requests within one minute, on average."""
_SESSION = 2.0
"""Requests that come together, on average."""

assert WARM * 60 % BLOCK == 0


class Incidents(NamedTuple):
    """By incident: its month, and the minutes [start, end) in which more requests failed than usual."""

    month: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]


class Simulated(NamedTuple):
    """Months of one kind, with the truth about them."""

    months: Months
    incidents: Incidents


def simulate(rng: np.random.Generator, count: int, hourly: float, objective: Fraction) -> Simulated:
    """`count` months of `hourly` requests an hour on average, with a target (a share)."""
    budget = float(1 - objective)
    total = _requests(rng, count, hourly)
    incidents = _incidents(rng, count)
    rate = np.repeat(rng.uniform(0, _NOISE, (count, 1)) * budget, LENGTH, axis=1)
    _add_failures(rng, rate, incidents, budget)
    bad = _failed(rng, total, rate)
    storms = _storms(rng, count, hourly * MONTH / 60 * budget * _STORMS / _STORM)
    return Simulated(Months(bad + storms, total + storms), incidents)


def _requests(rng: np.random.Generator, count: int, hourly: float) -> Ints:
    """Sessions by minute, each of one request or more; busy days, quiet nights and weekends, hours of their own."""
    clock = np.arange(LENGTH)
    shape = (1 + 0.7 * np.sin((clock / DAY - 0.375) * 2 * np.pi)) * np.where(clock // DAY % 7 < 5, 1.0, 0.6)
    hours = np.repeat(rng.gamma(4.0, 0.25, (count, LENGTH // 60)), 60, axis=1)
    sessions = rng.poisson(hourly / 60 / _SESSION * shape / shape.mean() * hours)
    return (sessions + rng.poisson(sessions * (_SESSION - 1))).astype(np.int32)


def _incidents(rng: np.random.Generator, count: int) -> Incidents:
    """At any time of the month, of 5 minutes to a day (all lengths alike on a logarithmic scale), never two at once."""
    found = []
    for month, how_many in enumerate(rng.poisson(_INCIDENTS, count)):
        lengths = np.exp(rng.uniform(np.log(_SHORTEST), np.log(_LONGEST), how_many)).astype(int)
        free = 0
        for start, length in zip(np.sort(rng.integers(WARM, LENGTH, how_many)), lengths, strict=True):
            begin, end = max(int(start), free), min(max(int(start), free) + int(length), LENGTH)
            if begin < end:
                found.append((month, begin, end))
            free = end + _LONGEST // 4
    table = np.array(found, np.int64).reshape(-1, 3)
    return Incidents(table[:, 0], table[:, 1], table[:, 2])


def _add_failures(rng: np.random.Generator, rate: Floats, incidents: Incidents, budget: float) -> None:
    """Each at a rate between twice the budget and everything; half of them reach it little by little."""
    for month, start, end in zip(*incidents, strict=True):
        worst = np.exp(rng.uniform(np.log(_MILDEST * budget), 0.0))
        onset = int((end - start) * rng.uniform(0, 0.5)) if rng.random() < 0.5 else 0
        shape = np.minimum(1.0, (np.arange(end - start) + 1) / (onset + 1))
        rate[month, start:end] = np.maximum(rate[month, start:end], worst * shape)


def _failed(rng: np.random.Generator, total: Ints, rate: Floats) -> Ints:
    bad = np.zeros_like(total)
    some: Bools = total > 0
    bad[some] = rng.binomial(total[some], rate[some])
    return bad


def _storms(rng: np.random.Generator, count: int, mean: float) -> Ints:
    """A client that fails and tries again at once: failed requests of one minute."""
    found = np.zeros((count, LENGTH), np.int32)
    months = np.repeat(np.arange(count), rng.poisson(mean * LENGTH / MONTH, count))
    np.add.at(
        found, (months, rng.integers(0, LENGTH, len(months))), rng.geometric(1 / _STORM, len(months)).astype(np.int32)
    )
    return found
