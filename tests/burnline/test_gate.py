"""The gate: which verdict which numbers give, and that nothing unknown ever passes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from burnline import gate
from burnline.api.app import create_app
from burnline.cli.app import app
from burnline.gate import Verdict
from core.clock import ManualClock
from core.errors import ConfigError
from core.measures import group_key
from storage import migrate
from storage import slo as store
from storage.database import Database, sqlite_url
from storage.slo import AlertRow
from tests import schemas
from tests.burnline.api.asking import Client

NOW = 1_790_000_000.0
GROUP = {"model": "llama"}


def row(**changes: Any) -> dict[str, Any]:
    """A row that passes."""
    return {
        "slo": "chat",
        "group": GROUP,
        "objective": 0.99,
        "good": 9990,
        "total": 10_000,
        "sli": 0.999,
        "budget_remaining": 0.9,
        "coverage": 1.0,
        "state": "ok",
        "reason": None,
    } | changes


def verdict_on(**changes: Any) -> tuple[Verdict, str]:
    found = gate.judge([row(**changes)], set(), NOW - 30, NOW)
    return found.verdict, found.groups[0].reason


def test_a_healthy_budget_passes() -> None:
    assert verdict_on() == (Verdict.PASS, "90.0% of the budget is left")


PARTS = [{"slo": "a", "weight": 1.0, "burn_rates": {}, "budget_remaining": 0.5}]


@pytest.mark.parametrize(
    ("coverage", "left", "expected"),
    [
        (1.0, 0.5, Verdict.PASS),
        (1.0, -0.5, Verdict.FAIL),
        (None, 0.5, Verdict.NOT_ENOUGH_DATA),
        (1.0, None, Verdict.NOT_ENOUGH_DATA),
        (0.1, 0.5, Verdict.NOT_ENOUGH_DATA),
    ],
)
def test_a_composite_has_no_counts_and_passes_by_its_budget_alone_once_every_component_is_known(
    coverage: float | None, left: float | None, expected: Verdict
) -> None:
    nothing = {"objective": None, "good": None, "total": None, "sli": None}
    assert verdict_on(**nothing, components=PARTS, coverage=coverage, budget_remaining=left)[0] is expected


@pytest.mark.parametrize(("left", "expected"), [(0.0001, Verdict.PASS), (0.0, Verdict.FAIL), (-3.0, Verdict.FAIL)])
def test_a_spent_budget_fails(left: float, expected: Verdict) -> None:
    assert verdict_on(budget_remaining=left)[0] is expected


def test_the_gate_tells_when_a_budget_is_gone_and_of_an_older_engines_row_nothing() -> None:
    times = {"1h": "2026-09-21T20:00:00Z", "3d": None}
    found = gate.judge([row(exhausted_at=times), row()], set(), NOW - 30, NOW)
    assert [one["exhausted_at"] for one in gate.as_json(found)["groups"]] == [times, {}]


def test_an_slo_may_freeze_before_its_budget_is_spent() -> None:
    policy = {"freeze": 0.1}
    assert verdict_on(budget_remaining=0.1, budget_policy=policy)[0] is Verdict.FAIL
    assert verdict_on(budget_remaining=0.11, budget_policy=policy)[0] is Verdict.PASS


def test_a_firing_page_fails_whatever_is_left() -> None:
    found = gate.judge([row()], {("chat", (("model", "llama"),))}, NOW, NOW)
    assert found.verdict is Verdict.FAIL
    assert found.groups[0].reason == "its page is firing"


def test_another_groups_page_does_not_fail_this_one() -> None:
    assert gate.judge([row()], {("chat", (("model", "qwen"),))}, NOW, NOW).verdict is Verdict.PASS


@pytest.mark.parametrize(
    "unknown",
    [
        {"total": None, "budget_remaining": None, "reason": "not measured: no target reports ttft"},
        {"budget_remaining": None, "reason": "idle: covered, and no events"},
        {"coverage": 0.4},
        {"total": 99},
    ],
)
def test_what_is_not_known_does_not_pass(unknown: dict[str, Any]) -> None:
    assert verdict_on(**unknown)[0] is Verdict.NOT_ENOUGH_DATA


def test_from_the_first_event_that_may_be_bad_on_the_budget_decides() -> None:
    assert verdict_on(total=100)[0] is Verdict.PASS
    assert verdict_on(objective=0.999, total=999)[1] == "only 999 events: from 1000 on, one may be bad at 99.9 %"
    assert verdict_on(objective=0.999, total=1000)[0] is Verdict.PASS


def test_a_price_has_no_events_to_be_too_few() -> None:
    assert verdict_on(objective=None, total=3)[0] is Verdict.PASS


@pytest.mark.parametrize(
    ("interval", "expected"),
    [([0.95, 0.985], Verdict.FAIL), ([0.98, 0.995], Verdict.NOT_ENOUGH_DATA), ([0.99, 1.0], Verdict.PASS)],
)
def test_a_sample_is_judged_by_its_interval(interval: list[float], expected: Verdict) -> None:
    assert verdict_on(interval=interval, budget_remaining=None, total=20)[0] is expected


def test_old_numbers_do_not_pass_and_do_not_fail() -> None:
    for watermark in (None, NOW - 301):
        found = gate.judge([row(budget_remaining=-1.0)], set(), watermark, NOW)
        assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert "5m old" in found.groups[0].reason


@given(st.lists(st.sampled_from([{}, {"budget_remaining": -1.0}, {"total": 1}]), min_size=1, max_size=6))
def test_the_worst_group_decides_and_not_enough_data_never_hides_a_failure(several: list[dict[str, Any]]) -> None:
    found = gate.judge([row(**one) for one in several], set(), NOW, NOW)
    verdicts = [one.verdict for one in found.groups]
    if Verdict.FAIL in verdicts:
        assert found.verdict is Verdict.FAIL
    elif Verdict.NOT_ENOUGH_DATA in verdicts:
        assert found.verdict is Verdict.NOT_ENOUGH_DATA
    else:
        assert found.verdict is Verdict.PASS


def test_no_group_is_not_a_pass() -> None:
    assert gate.judge([], set(), NOW, NOW).verdict is Verdict.NOT_ENOUGH_DATA


def test_a_name_that_is_no_slo_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no SLO 'chta'; did you mean 'chat'"):
        gate.chosen([row()], ["chta"], {})


def test_labels_choose_groups_and_must_fit_one_of_each_slo() -> None:
    rows = [row(), row(group={"model": "qwen"}), row(slo="other", group={"model": "qwen"})]
    assert [one["group"] for one in gate.chosen(rows, ["chat"], GROUP)] == [GROUP]
    with pytest.raises(ConfigError, match="other has no group with model=llama"):
        gate.chosen(rows, ["chat", "other"], GROUP)


def test_a_label_needs_a_name_and_a_value() -> None:
    assert gate.labels_of(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    with pytest.raises(ConfigError, match="write it as model=llama"):
        gate.labels_of(["llama"])


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database whose engine has just told of one SLO with two groups."""
    found = Database(sqlite_url(tmp_path / "b.db"))
    migrate.upgrade(found)
    return found


def tell(database: Database, rows: list[dict[str, Any]], at: float, firing: bool = False) -> None:
    told = [(one["slo"], group_key(tuple(one["group"].items())), one) for one in rows]
    with database.write() as connection:
        store.put_status(connection, told, at)
        if firing:
            store.put_alerts(connection, [AlertRow("chat", told[0][1], "page", "firing", at, at, 0)])


@pytest.mark.parametrize(
    ("changes", "firing", "code"),
    [({}, False, 0), ({}, True, 1), ({"budget_remaining": -1.0}, False, 1), ({"total": 2}, False, 3)],
)
def test_the_command_and_the_api_say_the_same(
    database: Database, tmp_path: Path, changes: dict[str, Any], firing: bool, code: int
) -> None:

    tell(database, [row(**changes)], time.time(), firing)
    config = tmp_path / "burnline.yaml"
    config.write_text(f"storage: {{url: 'sqlite:///{tmp_path}/b.db'}}\n")
    done = CliRunner().invoke(app, ["gate", "--slo", "chat", "--json", "--config", str(config)])
    assert done.exit_code == code, done.output
    answer = Client(create_app(database, clock=ManualClock(time.time()))).get("/api/v1/gate", params={"slo": "chat"})
    assert answer.status_code == 200

    said = json.loads(done.stdout)
    assert said == answer.json()
    schemas.check("gate", said)


def test_the_api_refuses_what_is_no_slo(database: Database) -> None:
    tell(database, [row()], NOW)
    client = Client(create_app(database, clock=ManualClock(NOW)))
    assert client.get("/api/v1/gate", params={"slo": "nothing"}).status_code == 400
    assert client.get("/api/v1/gate").status_code == 422
