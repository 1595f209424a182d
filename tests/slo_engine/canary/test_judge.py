"""Verdicts from counts: what fails, what passes, and what is said where neither is known."""

from __future__ import annotations

import json
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statistics.label_test import Buckets, gather, log_e
from slo_engine.canary import telling
from slo_engine.canary.judge import Compared, Context, Finding, State, combined, judge
from slo_engine.settings import CanarySettings
from storage.canaries import Canary

SETTINGS = CanarySettings()
Row = tuple[int, int, int, int]


def compared(slo: str, *rows: Row, allowed: float = 0.01) -> Compared:
    evidence = gather(Buckets.of(rows))
    return Compared("errors", slo, allowed, evidence, {"": evidence})


def said(
    *all_: Compared, coverage: float | None = 1.0, failed_before: bool = False, settings: CanarySettings = SETTINGS
) -> Finding:
    return judge(all_, Context("v2", "v1", coverage, failed_before), settings)


BAD: Row = (30, 3, 300, 900)
FINE: Row = (2, 6, 4000, 12_000)
FEW: Row = (1, 1, 150, 400)
NONE: Row = (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("rows", "state", "why"),
    [
        ((BAD,), State.FAIL, "30 of 300"),
        ((BAD, FINE), State.FAIL, "slo 0"),
        ((FINE, FINE), State.PASS, "slo 0, slo 1"),
        ((FINE, FEW), State.INCONCLUSIVE, "slo 1"),
        ((FINE, NONE), State.PASS, "slo 0"),
        ((FINE, (0, 5, 0, 5000)), State.INCONCLUSIVE, "never served in the same minute"),
        ((FEW,), State.INCONCLUSIVE, "+1.00% is allowed"),
        (((0, 0, 19, 500),), State.NO_DATA, "19 requests of v2 and 500 of v1: both need 20"),
        (((0, 0, 500, 19),), State.NO_DATA, "both need 20"),
        (((19, 0, 19, 500),), State.FAIL, "19 of 19"),
        ((), State.NO_DATA, "nothing to compare"),
    ],
)
def test_the_verdict(rows: tuple[Row, ...], state: State, why: str) -> None:
    found = said(*(compared(f"slo {number}", row) for number, row in enumerate(rows)))
    assert (found.state, why in found.reason) == (state, True), found


def test_half_seen_cannot_pass_and_unseen_says_nothing_but_a_fail_stands() -> None:
    assert said(compared("s", FINE), coverage=0.79).state is State.INCONCLUSIVE
    assert said(compared("s", FINE), coverage=0.8).state is State.PASS
    assert said(compared("s", FINE), coverage=None).state is State.NO_DATA
    assert said(compared("s", BAD), coverage=None).state is State.FAIL


def test_a_fail_latches() -> None:
    found = said(compared("s", FINE), failed_before=True)
    assert found.state is State.FAIL
    assert found.reason.startswith("it failed before")


def test_too_few_requests_cannot_pass_however_good() -> None:
    strict = CanarySettings(min_requests=10_000)
    found = said(compared("s", FINE), settings=strict)
    assert (found.state, "from 10000 on" in found.reason) == (State.INCONCLUSIVE, True)


def test_what_a_lax_objective_allows_a_strict_one_does_not() -> None:
    row = (8, 20, 1000, 3000)
    assert said(compared("s", row, allowed=0.05)).state is State.PASS
    assert said(compared("s", row, allowed=0.005)).state is State.INCONCLUSIVE
    assert said(compared("s", row, allowed=0.005), settings=CanarySettings(allowed_delta=0.05)).state is State.PASS


def test_a_difference_within_the_margin_is_accepted() -> None:
    row = (1300, 1000, 100_000, 100_000)
    lax = CanarySettings(margin=1.4, pass_ratio=1.6)
    evidence = gather(Buckets.of([row]), lax.margin)
    accepted = Compared("errors", "s", 0.001, evidence, {"": evidence})
    assert said(compared("s", row, allowed=0.001)).state is State.FAIL
    assert said(accepted, settings=lax).state is State.PASS


def test_the_forecast_is_what_decides_when_it_comes_true() -> None:
    one = compared("s", FEW)
    needs = said(one).needs
    assert needs is not None
    times = 1 + needs / one.whole.total_canary
    assert said(one._replace(whole=one.whole.times(times))).state in (State.PASS, State.FAIL)


def test_where_nothing_can_be_compared_there_is_no_forecast() -> None:
    assert said(compared("s", (0, 5, 0, 5000), (0, 0, 100, 0))).needs is None
    assert said(compared("s", FINE)).needs is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=4))
def test_all_criteria_together_are_the_mean_of_their_e_values(bad: list[tuple[int, int]]) -> None:
    parts = [gather(Buckets.of([(c, b, 1000, 1000)])) for c, b in bad]
    single = max(log_e(part) for part in parts)
    assert single - log(len(parts)) - 1e-9 <= combined(parts) <= single + 1e-9


CANARY = Canary("m:v2:0", "m", None, "v2", "v1", 0.0, None, None, None, "no_data", 60.0, {})


def row(*all_: Compared, before: float | None = None) -> dict[str, object]:
    canary = CANARY if before is None else Canary(**{**vars(CANARY), "verdict": {"p_value": before}})
    return telling.row(canary, said(*all_), all_, SETTINGS)


def test_the_row_says_null_for_what_is_not_known() -> None:
    empty = row(compared("s", NONE))
    json.dumps(empty, allow_nan=False)
    assert (empty["delta"], empty["interval"], empty["ratio"], empty["ratio_interval"]) == (None, None, None, None)
    assert (empty["e_value"], empty["p_value"]) == (1.0, 1.0)
    (criterion,) = empty["criteria"]  # type: ignore[misc]  # a list in the row
    assert (criterion["e_value"], criterion["reason"]) == (None, "not measured: neither version reports it")


def test_the_p_value_remembers_the_best_evidence_so_far() -> None:
    assert row(compared("s", FINE), before=0.2)["p_value"] == 0.2
    assert float(str(row(compared("s", BAD), before=0.2)["p_value"])) < 0.05


def test_overwhelming_evidence_is_still_a_number() -> None:
    huge = row(compared("s", (900_000, 0, 1_000_000, 1_000_000)))
    json.dumps(huge, allow_nan=False)
    assert float(str(huge["e_value"])) > 1e290


@given(st.floats(1e-300, 1e300))
def test_numbers_keep_six_digits(value: float) -> None:
    assert telling.rounded(value) == pytest.approx(value, rel=1e-5)
    assert telling.rounded(-value) == pytest.approx(-value, rel=1e-5)
