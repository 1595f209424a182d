"""The simulation in small: a healthy canary hardly ever fails, a worse one does, a z test at each look cries wolf."""

from __future__ import annotations

import numpy as np
import pytest

from bench.canary import CASES, Run, main, simulate

_BY_NAME = {case.name: case for case in CASES}


def runs(name: str, size: int, looks: int) -> list[Run]:
    random = np.random.default_rng(7)
    return [simulate(_BY_NAME[name], looks, random) for _ in range(size)]


def test_of_200_healthy_canaries_with_ramp_and_drift_at_most_5_percent_fail_where_a_z_test_fails_a_third() -> None:
    healthy = runs("equally good", 200, 60)
    assert sum(run.label_test is not None for run in healthy) <= 10
    assert sum(run.z_test is not None for run in healthy) >= 50


def test_a_canary_that_is_five_times_as_bad_fails_and_never_passes() -> None:
    bad = runs("5 times as bad", 20, 120)
    assert all(run.label_test is not None and not run.passed for run in bad)


def test_the_table_has_a_row_for_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "2", "--looks", "10"]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {case.name} " in printed for case in CASES)
