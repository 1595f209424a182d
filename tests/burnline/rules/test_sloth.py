"""Sloth's published rules and Burnline's, with `--policy sloth`, fire in the same minutes.

The SLO is that of Sloth's getting-started example, as its own file is read and written in OpenSLO by hand. Its file and
rules are read where they lie beside the checkout, and are no part of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slo_engine.rules import RulePolicy
from tests.burnline.rules import both, shapes, slos
from tests.burnline.rules.both import History

SHARED = Path(__file__).parents[4] / "shared" / "data" / "slo-specs"
GOLDEN = SHARED / "golden" / "sloth-getting-started-rules.yaml"
EXAMPLE = SHARED / "sloth" / "example-getting-started.yaml"

pytestmark = [
    pytest.mark.server("promtool"),
    pytest.mark.skipif(not GOLDEN.exists(), reason="Sloth's rules are not beside the checkout"),
]

SERIES = 'http_request_duration_seconds_count{{job="myservice",instance="{}",code="{}"}}'
SPEC = slos.ratio(
    '{selector: \'http_request_duration_seconds_count{job="myservice",code=~"(5..|429)"}\'}',
    "{selector: 'http_request_duration_seconds_count{job=\"myservice\"}'}",
)


def history(shape: shapes.Shape, minutes: int, resets: tuple[int, ...] = (), start: int = 1_000_000) -> History:
    good, bad = shapes.counters(shape, minutes, resets, start)
    calm, refused = shapes.counters(shapes.steady(20), minutes, (), start)
    series = {
        SERIES.format("a:80", "200"): good,
        SERIES.format("a:80", "500"): bad,
        SERIES.format("b:80", "200"): calm,
        SERIES.format("b:80", "429"): refused,
    }
    return History({"http_request_duration_seconds_count": ("unknown", series)})


def differences(severity: str, slo: str = "promise") -> str:
    """1 in a minute in which one of the two fires and the other does not, else 0."""
    sloth = f'(count(ALERTS{{sloth_severity="{severity}",alertstate="firing"}}) > bool 0 or vector(0))'
    ours = f'(count(ALERTS{{slo="{slo}",severity="{severity}",alertstate="firing"}}) > bool 0 or vector(0))'
    return f"abs({sloth} - {ours})"


def fired(severity: str, minutes: int) -> str:
    """In how many minutes ours fired."""
    return (
        f'sum(count_over_time(ALERTS{{slo="promise",severity="{severity}",alertstate="firing"}}[{minutes}m])) > bool 0'
    )


def expectation(expression: str, minute: int, value: int) -> dict[str, object]:
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": value}]}


@pytest.mark.parametrize(
    ("shape", "minutes", "resets", "fires"),
    [
        (shapes.outage(120, 150), 520, (), {"page", "ticket"}),
        (shapes.outage(120, 123, good=50, bad=50), 300, (), {"page", "ticket"}),
        (shapes.outage(120, 420, good=985, bad=15, usual=1000), 450, (100, 200, 260, 430), {"page", "ticket"}),
        (shapes.slow_burn(60), 500, (), {"ticket"}),
        (shapes.blips(45), 400, (), {"page", "ticket"}),
        (shapes.blips(90, usual=1000, bad=40), 400, (180,), set()),
        (shapes.rare(7), 400, (), {"ticket"}),
        (shapes.steady(100), 200, (), set()),
        (shapes.steady(0), 200, (), set()),
    ],
    ids=[
        "outage",
        "a short one",
        "a partial one with resets",
        "slow burn",
        "blips",
        "weak blips",
        "rare events",
        "calm",
        "idle",
    ],
)
def test_the_same_alerts_minute_by_minute(
    shape: shapes.Shape, minutes: int, resets: tuple[int, ...], fires: set[str], tmp_path: Path
) -> None:
    found = both.slos_of(slos.write(tmp_path, SPEC, "{targetPercent: 99.9}"))
    (tmp_path / "ours.yaml").write_text(both.rules_of(found, policy=RulePolicy.SLOTH))
    shutil.copy(GOLDEN, tmp_path / "sloth.yaml")
    series = history(shape, minutes, resets)
    different = f"{differences('page')} + {differences('ticket')}"
    tests = [expectation(different, minute, 0) for minute in range(minutes + 1)]
    for severity in ("page", "ticket"):
        expected = [{"labels": "{}", "value": 1}] if severity in fires else []
        tests.append({"expr": fired(severity, minutes), "eval_time": f"{minutes}m", "exp_samples": expected})
    assert both.run_test(tmp_path, ["sloth.yaml", "ours.yaml"], series, promql_expr_test=tests) == ""


@pytest.mark.skipif(not EXAMPLE.exists(), reason="Sloth's example is not beside the checkout")
@pytest.mark.parametrize("shape", [shapes.outage(70, 100), shapes.blips(45)], ids=["outage", "blips"])
def test_sloths_own_file_gives_the_same_alerts_too(shape: shapes.Shape, tmp_path: Path) -> None:
    found = both.slos_of(EXAMPLE)
    (tmp_path / "ours.yaml").write_text(both.rules_of(found, policy=RulePolicy.SLOTH))
    shutil.copy(GOLDEN, tmp_path / "sloth.yaml")
    different = " + ".join(differences(severity, found[0].name) for severity in ("page", "ticket"))
    tests = [expectation(different, minute, 0) for minute in range(201)]
    on = f'count(ALERTS{{slo="{found[0].name}",alertstate="firing"}}) > bool 0'
    tests.append(expectation(on, 92, 1))
    assert both.run_test(tmp_path, ["sloth.yaml", "ours.yaml"], history(shape, 200), promql_expr_test=tests) == ""


def test_at_exactly_the_factor_only_sloth_fires_since_its_budget_is_rounded_down(tmp_path: Path) -> None:
    found = both.slos_of(slos.write(tmp_path, SPEC, "{targetPercent: 99.9}"))
    (tmp_path / "ours.yaml").write_text(both.rules_of(found, policy=RulePolicy.SLOTH))
    shutil.copy(GOLDEN, tmp_path / "sloth.yaml")
    # 6 in 1000, 20 of which are the other target's; from 6 h on no window reaches back beyond the series
    series = history(shapes.steady(974, 6), 370)
    tests = [expectation(differences("page"), minute, 1) for minute in range(361, 371)]
    assert both.run_test(tmp_path, ["sloth.yaml", "ours.yaml"], series, promql_expr_test=tests) == ""
    assert all(not any(dict(a)["severity"] == "page" for a in on) for on in both.by_burnline(series, found).values())


def test_the_workbooks_policy_keeps_the_engines_other_conditions(tmp_path: Path) -> None:
    found = both.slos_of(slos.write(tmp_path, SPEC, "{targetPercent: 99.9}"))
    sloth, workbook = (both.rules_of(found, policy=policy) for policy in (RulePolicy.SLOTH, RulePolicy.WORKBOOK))
    assert ">= 5" in workbook and "keep_firing_for: 1m" in workbook
    assert ">= 5" not in sloth and "keep_firing_for" not in sloth
    kept = [line for line in workbook.splitlines() if " > " in line]
    assert kept == [line for line in sloth.splitlines() if " > " in line]
