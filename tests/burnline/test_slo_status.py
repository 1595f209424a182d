"""The table of `burnline slo status`."""

from __future__ import annotations

import pytest

from burnline.cli.slo import print_status
from slo_engine.quality.status import extras
from slo_engine.status import unmeasured


def test_the_rate_of_a_sample_is_printed_with_its_interval_and_that_it_is_uncorrected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = "uncorrected: the share that pii flags; 95 % interval 1 % to 4 %"
    row = unmeasured("safety", 0.95, 86_400, reason) | extras() | {"sli": 0.975, "interval": [0.96, 0.99]}
    print_status([row])
    printed = capsys.readouterr().out
    assert "97.500% (96.000% to 99.000%)" in printed
    assert "uncorrected" in printed


def test_a_sample_that_nobody_judged_has_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    print_status([unmeasured("safety", 0.95, 86_400, "not measured: 7 drawn, none judged") | extras()])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:4] == ["no_data", "safety", "-", "-"]


def test_a_budget_that_is_going_says_in_how_long_it_is_gone_before_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    going = {"budget_remaining": 0.2, "exhausted_at": {"5m": None, "1h": "2026-01-05T07:30:00Z"}, "objective": 0.99}
    print_status([unmeasured("chat", 0.99, 86_400, "partial: 90 %") | going], 1_767_571_200.0)
    assert "budget gone in 7h at the pace of the last 1h; partial: 90 %" in capsys.readouterr().out
    print_status([unmeasured("chat", 0.99, 86_400, "partial: 90 %") | going])
    assert "budget gone at 2026-01-05T07:30:00Z at the pace of the last 1h; partial" in capsys.readouterr().out
