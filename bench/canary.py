"""How often the canary test is wrong, and how soon it finds what is worse, over simulated rollouts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from math import log, pi, sqrt
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.harness import Table, guarded
from core.statistics.label_test import Buckets, Evidence, delta_interval, gather, log_e, nothing, ratio_interval

_STAGES = (0.01, 0.05, 0.10, 0.25, 0.50)
_REQUESTS = np.array([300.0, 200.0])
"""A minute, in two regions: 8 requests a second in all."""
_BAD = np.array([0.005, 0.010])
"""Share of bad requests by region, before it drifts."""
_ALPHA, _PASS_RATIO, _ALLOWED = 0.05, 1.5, 0.01
_ONE_SIDED_5_PERCENT = 1.645
_CLUSTER = 5.0

Ints = npt.NDArray[np.int64]


class Case(NamedTuple):
    """One kind of rollout. `times`: the canary's bad rate ÷ the baseline's."""

    name: str
    times: float
    clustered: bool = False


CASES = (
    Case("equally good", 1.0),
    Case("1.5 times as bad", 1.5),
    Case("2 times as bad", 2.0),
    Case("3 times as bad", 3.0),
    Case("5 times as bad", 5.0),
    Case("equally good, errors in clusters of 5", 1.0, clustered=True),
)


class Run(NamedTuple):
    """One rollout: the look at which each test first called the canary worse, and whether it could pass at the end."""

    label_test: int | None
    z_test: int | None
    passed: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulation."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.canary",
        description="Measures the share of simulated rollouts in which the label test (alpha 5 %) calls the canary "
        "worse, and how soon, against a one-sided 5 % z test on the totals so far; both look after each minute, while "
        "the canary takes 1 to 50 % of the traffic in two regions and failure rates and shares drift.",
    )
    parser.add_argument("--size", type=int, default=1000, help="rollouts of each kind (default: %(default)s)")
    parser.add_argument("--looks", type=int, default=240, help="minutes of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20260105, help="of the random numbers (default: %(default)s)")
    wanted = parser.parse_args(argv)
    return guarded(lambda: _measure(wanted.size, wanted.looks, wanted.seed))


def _measure(size: int, looks: int, seed: int) -> str:
    rows = []
    for number, case in enumerate(CASES):
        random = np.random.default_rng([seed, number])
        rows.append(_row(case, [simulate(case, looks, random) for _ in range(size)]))
    header = ("canary", "label test: fail", "median look", "passed at the end", "z test at each look: worse")
    return f"{size} rollouts of {looks} looks each, seed {seed}\n\n{Table(header, rows)}"


def _row(case: Case, runs: Sequence[Run]) -> tuple[str, ...]:
    found = [run.label_test for run in runs if run.label_test is not None]
    return (
        case.name,
        _percent(len(found), len(runs)),
        str(round(median(found))) if len(found) * 2 > len(runs) else "-",
        _percent(sum(run.passed for run in runs), len(runs)),
        _percent(sum(run.z_test is not None for run in runs), len(runs)),
    )


def simulate(case: Case, looks: int, random: np.random.Generator) -> Run:
    """One rollout, looked at after each minute."""
    evidence, totals = nothing(), np.zeros(4, np.int64)
    first: int | None = None
    first_z: int | None = None
    for look, minute in enumerate(_minutes(case, looks, random), 1):
        evidence = evidence.plus(gather(minute))
        totals += np.array([column.sum() for column in minute])
        if first is None and log_e(evidence) >= log(1 / _ALPHA):
            first = look
        if first_z is None and _z(totals) > _ONE_SIDED_5_PERCENT:
            first_z = look
    return Run(first, first_z, first is None and _could_pass(evidence))


def _minutes(case: Case, looks: int, random: np.random.Generator) -> Iterator[Buckets]:
    """A minute's buckets by region: shares ramp up, the second region a stage later; rates and traffic drift apart."""
    phase = random.uniform(0, 2 * pi)
    for minute in range(looks):
        stage = minute * len(_STAGES) // looks
        shares = np.array([_STAGES[stage], _STAGES[max(0, stage - 1)]])
        wave = 2 * pi * minute / looks + phase
        traffic = random.poisson(_REQUESTS * (1 + 0.3 * np.sin(np.array([wave, wave + 2]))))
        rate = _BAD * (1 + 0.6 * np.sin(np.array([wave + 1, wave + 4])))
        new = random.binomial(traffic, shares)
        old = traffic - new
        draw = _clustered if case.clustered else _alone
        yield Buckets(draw(random, new, rate * case.times), draw(random, old, rate), new, old)


def _alone(random: np.random.Generator, requests: Ints, rate: npt.NDArray[np.float64]) -> Ints:
    return random.binomial(requests, rate)


def _clustered(random: np.random.Generator, requests: Ints, rate: npt.NDArray[np.float64]) -> Ints:
    """As many bad requests on the average, in accidents that hit several at once."""
    accidents = random.binomial(requests, rate / _CLUSTER)
    bad = [int(random.geometric(1 / _CLUSTER, n).sum()) for n in accidents]
    return np.minimum(np.array(bad, np.int64), requests)


def _z(totals: Ints) -> float:
    bad_c, bad_b, all_c, all_b = (int(n) for n in totals)
    if not all_c or not all_b or not 0 < bad_c + bad_b < all_c + all_b:
        return 0.0
    pooled = (bad_c + bad_b) / (all_c + all_b)
    return (bad_c / all_c - bad_b / all_b) / sqrt(pooled * (1 - pooled) * (1 / all_c + 1 / all_b))


def _could_pass(evidence: Evidence) -> bool:
    difference = delta_interval(evidence, _ALPHA)
    high = ratio_interval(evidence, _ALPHA)[1]
    return (difference is not None and difference[1] < _ALLOWED) or (high is not None and high < _PASS_RATIO)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"


if __name__ == "__main__":
    sys.exit(main())
