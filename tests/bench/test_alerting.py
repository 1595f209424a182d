"""The simulated rules are the engine's own; the workbook's table is that of its closed forms; the report is whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bench.alerting.__main__ import main
from bench.alerting.approaches import WORKBOOK, Few, approaches, ours
from bench.alerting.engine import account_of, run
from bench.alerting.outages import Case, Times, cases, closed_form, simulated
from bench.alerting.report import rewritten
from bench.alerting.rules import Months, Rules
from bench.alerting.score import Events, score
from bench.alerting.study import Cell, Kind, study
from bench.alerting.traffic import Incidents
from slo_engine.low_traffic import BLOCK

START = 13_640 * BLOCK
DAYS = 4


def minutes(hourly: float, seed: int) -> Months:
    """Four days of requests, one in a thousand of them bad, and two incidents."""
    rng = np.random.default_rng(seed)
    clock = np.arange(DAYS * 1440)
    total = rng.poisson(hourly / 60 * (1 + 0.7 * np.sin(clock / 1440 * 2 * np.pi)))
    rate = np.full(len(clock), 0.001)
    for begin, length in rng.integers([[1440, 30], [3000, 30]], [[2500, 900], [5000, 300]]):
        rate[begin : begin + length] = rng.choice([0.02, 0.1, 0.5])
    bad = rng.binomial(total, rate)
    return Months(bad[None].astype(np.int32), total[None].astype(np.int32))


@pytest.mark.parametrize(
    ("objective", "hourly", "seed"),
    [("0.999", 3, 4), ("0.999", 40, 2), ("0.999", 250, 3), ("0.99", 30, 7), ("0.95", 60, 5), ("0.999", 3000, 6)],
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


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.approach.name[:1]}-{case.severity}-{case.ratio}")
def test_an_outage_is_found_and_ends_within_a_step_of_the_closed_form(case: Case) -> None:
    closed, seen = closed_form(case), simulated(case)
    if closed.detection is None or closed.reset is None:
        assert seen == Times(None, None)
        return
    assert seen.detection is not None
    assert seen.reset is not None
    assert 0 <= seen.detection - closed.detection <= case.step
    assert 0 <= seen.reset - closed.reset <= case.step * (2 if case.step == 60 else 1)


@pytest.mark.parametrize(
    ("name", "severity", "ratio", "seconds"),
    [
        ("1", "page", "1", 0.6),
        ("2", "page", "0.15", 864),
        ("4", "page", "0.05", 2592),
        ("5", "ticket", "0.01", 25_920),
        ("6", "page", "1", 51.84),
        ("6", "ticket", "0.002", 129_600),
        ("4", "page", "0.01", None),
    ],
)
def test_the_closed_form_is_that_of_the_workbook(name: str, severity: str, ratio: str, seconds: float | None) -> None:
    (case,) = [c for c in cases() if (c.approach.name[0], c.severity, c.ratio) == (name, severity, Fraction(ratio))]
    assert closed_form(case).detection == (None if seconds is None else pytest.approx(seconds))


def test_the_engines_table_is_the_sixth_approach() -> None:
    engine, workbook = ours(Fraction("0.999"), Few.NOTHING, ""), WORKBOOK[-1]
    assert (engine.page, engine.ticket) == (workbook.page, workbook.ticket)


def alert_of(minutes: list[tuple[int, int]], length: int = 40_000) -> np.ndarray:
    firing = np.zeros((1, length), bool)
    for start, end in minutes:
        firing[0, start:end] = True
    return firing


def test_precision_recall_and_delay_are_those_of_their_definitions() -> None:
    at = np.array
    events = Events(
        Incidents(at([0, 0, 0]), at([10_000, 20_000, 30_000]), at([10_100, 20_100, 30_100])), at([1, 1, 0]) > 0
    )
    found = score(
        alert_of([(100, 200), (10_020, 10_030), (10_050, 10_200), (15_000, 15_010), (19_990, 20_005)]), events
    )
    assert (found.alerts, found.right, found.events, found.found) == (4, 3, 3, 2)  # the first one is before the month
    assert (found.precision, found.recall, found.telling_recall) == (3 / 4, 2 / 3, 1)
    assert found.false_a_month == 1
    assert found.delays.tolist() == [21, 1]
    assert found.plus(found).delay(50) == 11


def test_quick_mode_prints_every_rule_and_the_same_for_the_same_seed(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for _ in range(2):
        assert main(["--quick", "--months", "4", "--workers", "1", "--seed", "3"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert all(f"| {one.name} " in printed[0] for one in approaches(Fraction("0.999")))


def test_over_simulated_months_it_is_more_precise_than_the_table_and_finds_more_than_a_guard() -> None:
    kind = Kind(Fraction("0.999"), 10)
    results = study([kind], 40, 2, 1, lambda done: None)
    table, guard, burnline = (
        results[Cell(kind, name, "page")] for name in ("6: and windows (Sloth)", "6, five bad or more", "Burnline")
    )
    assert burnline.false_a_month < 0.1 < 1 < table.false_a_month
    assert guard.telling_recall < burnline.telling_recall


def test_the_page_has_every_part_that_is_made_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs/alerting-evidence.md").read_text(encoding="utf-8")
    parts = dict.fromkeys(("detection", "reset", "budget", "pages", "tickets"), "made")
    assert rewritten(page, parts).count("\nmade\n") == len(parts)
