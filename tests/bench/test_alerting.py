"""The simulated rules are the engine's own; the workbook's table is that of its closed forms; the report is whole."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bench.alerting.approaches import approaches
from bench.alerting.engine import account_of, run
from bench.alerting.rules import Months, Rules
from slo_engine.low_traffic import BLOCK

START = 13_640 * BLOCK
DAYS = 6


def minutes(hourly: float, seed: int) -> Months:
    """Six days of requests, a tenth of a budget of errors, and two incidents, one of them at night."""
    rng = np.random.default_rng(seed)
    clock = np.arange(DAYS * 1440)
    total = rng.poisson(hourly / 60 * (1 + 0.7 * np.sin(clock / 1440 * 2 * np.pi)))
    rate = np.full(len(clock), 0.001)
    for begin, length in rng.integers([[1440, 30], [5000, 30]], [[4000, 900], [8000, 300]]):
        rate[begin : begin + length] = rng.choice([0.02, 0.1, 0.5])
    bad = rng.binomial(total, rate)
    return Months(bad[None].astype(np.int32), total[None].astype(np.int32))


@pytest.mark.parametrize(
    ("objective", "hourly", "seed"),
    [("0.999", 3, 1), ("0.999", 40, 2), ("0.999", 250, 3), ("0.99", 30, 7), ("0.95", 60, 5), ("0.999", 3000, 6)],
)
def test_simulated_minutes_are_the_engines_decisions(objective: str, hourly: float, seed: int) -> None:
    months, target = minutes(hourly, seed), Fraction(objective)
    account = account_of(months.bad[0].astype(np.int64), months.total[0].astype(np.int64), START)
    ends = range(START + 60, START + DAYS * 86_400 + 60, 60)
    engine = set(run(target, account, ends))
    burnline = approaches(target)[-1]
    rules = Rules(months, target)
    for severity in ("page", "ticket"):
        simulated = np.flatnonzero(rules.firing(burnline, severity)[0])
        decided = sorted((one.minute - START) // 60 - 1 for one in engine if one.severity == severity)
        assert decided == simulated.tolist()
    assert engine
