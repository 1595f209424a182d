"""Where events are few the detector decides: when exactly, on which evidence, and the same from any memory."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from bench.alerting.engine import account_of, run, slo_of
from slo_engine.backtest import backtest
from slo_engine.book import Account
from slo_engine.burn import Revision
from slo_engine.compile import SPREAD, compile_slo
from slo_engine.conditions import Level
from slo_engine.evaluate import policy_of, read_groups, stand
from slo_engine.low_traffic import BLOCK, ENOUGH, few, first_step
from slo_engine.status import Reading
from storage import slo as store
from tests.slo_engine.script import Script
from tests.slo_engine.world import World

TARGET = Fraction("0.999")
FORMULA = compile_slo(slo_of(TARGET), {})
POLICY = policy_of(FORMULA)
BEGIN = 13_640 * BLOCK


def account(minutes: dict[int, tuple[int, int]], length: int = 4320) -> Account:
    """Minutes (from `BEGIN` on) with bad and all requests; the others are silent and seen."""
    bad, total = np.zeros(length, np.int64), np.zeros(length, np.int64)
    for minute, (some, of) in minutes.items():
        bad[minute], total[minute] = some, of
    return account_of(bad, total, BEGIN)


def read(one: Account, minute: int, *others: Account, revisions: tuple[Revision, ...] = ()) -> Reading:
    """The reading of one account at a minute's end; `others` are further groups of its SLO."""
    accounts = {(("model", str(at)),): each for at, each in enumerate((one, *others))}
    in_force = revisions or (Revision(0.0, 1 - TARGET),)
    return read_groups(FORMULA, accounts, BEGIN + (minute + 1) * 60, POLICY, in_force)[0]


def failing(*minutes: int) -> dict[int, tuple[int, int]]:
    """One failed request in each of these minutes, after a day and a half of ten good ones an hour."""
    return dict.fromkeys(range(0, 2200, 6), (0, 1)) | dict.fromkeys(minutes, (1, 1))


@pytest.mark.parametrize(("severity", "long", "burn"), [("page", 60, "14.4"), ("ticket", 1440, "3")])
def test_a_row_decides_from_as_many_requests_on_as_its_threshold_needs_for_enough_bad_ones(
    severity: str, long: int, burn: str
) -> None:
    row = next(row for row in POLICY.rows if row.severity == severity and row.long == long * 60)
    needed = ceil(ENOUGH[severity] * 1000 / Fraction(burn))
    for requests, is_few in ((needed - 1, True), (needed, False)):
        reading = read(account({1500: (1, requests)}), 1500)
        assert row.factor == Fraction(burn)
        assert few(FORMULA, reading.windows[row.long], row) is is_few


def test_one_unlucky_request_and_a_storm_of_one_client_wake_nobody() -> None:
    for one in (failing(2210), failing() | {2210: (8, 8)}):
        assert stand(read(account(one), 2210), POLICY, "page").level is not Level.ABOVE


def test_requests_that_fail_one_after_the_other_page_and_the_event_says_how_sure_that_is() -> None:
    told = stand(read(account(failing(2210, 2220, 2230, 2240)), 2240), POLICY, "page")
    finding = told.finding
    assert told.level is Level.ABOVE
    assert finding is not None
    assert (finding.bad, finding.total, finding.since) == (4, 4, BEGIN + 2210 * 60)
    assert finding.value >= finding.threshold
    assert finding.burn_at_least is not None
    assert 6 < finding.burn_at_least < 1000


def test_it_is_over_when_requests_are_good_again_and_when_the_last_bad_one_is_six_hours_old() -> None:
    breach = failing(2210, 2220, 2230, 2240)
    good = breach | dict.fromkeys(range(2241, 2261), (0, 1))
    for minutes, minute, level in (
        (breach, 2241, Level.ABOVE),
        (good, 2261, Level.BELOW),
        (breach, 2240 + 359, Level.ABOVE),
        (breach, 2240 + 360, Level.BELOW),
    ):
        found = stand(read(account(minutes), minute), POLICY, "page")
        assert (found.level is Level.ABOVE) is (level is Level.ABOVE), minute


def test_more_groups_of_one_slo_need_more_evidence_each_and_silent_ones_do_not_count() -> None:
    breach, quiet, silent = account(failing(2210, 2220, 2230)), account(failing()), account({})
    alone, beside = read(breach, 2231), read(breach, 2231, *[quiet] * 9, silent)
    assert beside.findings["page"].threshold == 10 * alone.findings["page"].threshold
    first_two = account(failing(2210, 2220))
    assert read(first_two, 2231).findings["page"].value == read(first_two, 2231, quiet).findings["page"].value


def test_steps_that_cannot_be_placed_in_time_are_no_evidence() -> None:
    one = account(failing(2210, 2220, 2230, 2240))
    assert read(one, 2241).findings["page"].level is Level.ABOVE
    rows = one.steps(BEGIN + 2200 * 60, BEGIN + 2245 * 60, 300)
    for at, row in enumerate(rows):
        row[SPREAD] = 300_000
        one.strips[300].track.put(BEGIN + 2200 * 60 + at * 300, row)
    assert read(one, 2244).findings["page"].level is Level.BELOW


def test_each_step_is_weighed_under_the_objective_that_was_in_force() -> None:
    one, changed = account(failing(2210, 2220, 2230, 2240)), BEGIN + 2235 * 60
    loose = (Revision(0.0, Fraction(1, 10)), Revision(float(changed), 1 - TARGET))
    assert read(one, 2241, revisions=loose).findings["page"].level is not Level.ABOVE


def test_what_is_read_begins_a_block_before_the_present_one() -> None:
    for end, begin in ((1, -1), (BLOCK, -1), (BLOCK + 60, 0), (2 * BLOCK, 0), (2 * BLOCK + 60, 1)):
        assert first_step(end) == begin * BLOCK


def test_a_memory_that_forgot_its_minutes_says_the_same() -> None:
    minutes = failing(1000, 2210, 2222, 2231, 2243) | {2300: (0, 3)}
    whole, short = account(minutes), account(minutes)
    end = BEGIN + 2304 * 60
    short.strips[60].track.trim(end - 7 * 3600)
    assert read(whole, 2303).findings == read(short, 2303).findings


LIFE = """
slo success 99.9: requests
count 0:00-9:00 model=m: good 0
count 0:05-0:06 model=m: good 30
count 1:05-1:06 model=m: good 30
count 2:11-2:12 model=m: bad 1
count 2:21-2:22 model=m: bad 1
count 2:32-2:33 model=m: bad 1
count 2:41-2:42 model=m: bad 1
count 4:00-4:01 model=m: good 40
tick 2:00-2:37
restart
tick 2:38-5:00
"""


def test_a_restart_changes_nothing_and_a_backtest_tells_the_same(world: World) -> None:
    Script(world).run(LIFE)
    told = [(e.at, e.slo, e.group_key, e.severity, e.transition) for e in world.events()]
    assert ("page", "firing") in [one[3:] for one in told]
    assert ("page", "resolved") in [one[3:] for one in told]
    judged = store.evaluations(world.db)
    assert told == [tuple(change[i] for i in (0, 1, 2, 3, 4)) for change in backtest(world.db, world.slos, judged, {})]


def test_late_good_counts_take_the_evidence_back(world: World) -> None:
    Script(world).run(LIFE.replace("tick 2:00-2:37\nrestart\ntick 2:38-5:00", "tick 2:00-2:50"))
    assert world.status(model="m")["state"] == "firing"
    Script(world, leading=True).run("count 2:00-2:50 model=m source=late: good 30\ntick 2:51-2:53")
    assert world.status(model="m")["state"] == "ok"


def test_an_event_names_the_detector_and_its_numbers(world: World) -> None:
    Script(world).run(LIFE)
    page = next(event for event in world.events() if (event.severity, event.transition) == ("page", "firing"))
    shown = page.evidence["few_events"]
    assert page.evidence["decided_by"] == "few events"
    assert (shown["bad"], shown["total"], shown["since"]) == (3, 3, "2026-01-05T02:10:00Z")
    assert shown["e_value"] >= shown["threshold"]
    assert shown["burn_rate_at_least"] > shown["limit"] == 6.0
    assert (shown["false_alert_after"], shown["groups"]) == ("360d", 1)
    assert f"{shown['bad']} of {shown['total']} bad since" in page.annotations["summary"]


MANY = """
slo success 99.9: requests
count 0:00-8:00 model=m: good 900
count 8:00-8:30 model=m: bad 900
tick 8:01-8:30
"""


MANY = """
slo success 99.9: requests
count 0:00-8:00 model=m: good 900
count 8:00-8:30 model=m: bad 900
tick 8:01-8:30
"""


def test_with_many_events_the_rate_decides_and_says_so(world: World) -> None:
    Script(world).run(MANY)
    assert {event.evidence["decided_by"] for event in world.events() if event.severity == "page"} == {"burn rate"}
    assert "evidence" not in str(world.status(model="m")["reason"])


def test_an_objective_of_five_nines_and_one_bad_request_is_still_one_request() -> None:
    target = Fraction("0.99999")
    one = account({2000: (0, 1), 2100: (1, 1)})
    assert run(target, one, [BEGIN + minute * 60 for minute in range(2101, 2110)]) == []
