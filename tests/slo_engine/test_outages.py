"""Step outages on steady traffic against their closed forms (The Site Reliability Workbook, chapter 5).

One window fires after factor × budget × window / error ratio, two joined by AND after the longer time, rows joined
by OR after the shorter. After an outage that lasted at least that long, a window clears (window − that time) after its
end.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from core.measures import Measure
from slo_engine.windows import BurnRow, policy_for
from tests.slo_engine.world import START, World, spec

DAY = 86_400
BUDGET = Fraction(1, 1000)
BEGIN = START + 3 * DAY
GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
GROUP = (("model", "m"),)
A_MINUTE = 1000


def needed(row: BurnRow, window: int, errors: Fraction) -> Fraction | None:
    """Seconds of outage until one window burns at the row's factor."""
    return row.factor * BUDGET * window / errors if errors > row.factor * BUDGET else None


def detection(severity: str, errors: Fraction) -> Fraction | None:
    """Seconds from the beginning of the outage until the alert fires."""
    times = [needed(row, row.long, errors) for row in policy_for(1 - BUDGET, 30 * DAY).rows if row.severity == severity]
    return min((time for time in times if time is not None), default=None)


def reset(severity: str, errors: Fraction, lasted: int) -> Fraction:
    """Seconds from the end of the outage until no row of the severity is above any more."""
    ends = [Fraction(0)]
    for row in policy_for(1 - BUDGET, 30 * DAY).rows:
        long, short = needed(row, row.long, errors), needed(row, row.short, errors)
        if row.severity == severity and long is not None and short is not None and long < lasted:
            ends.append(min(row.long - long, row.short - short))
    return max(ends)


def evaluate_around(world: World, minute: int) -> None:
    for step in range(-2, 3):
        if minute + step * 60 > world.clock.now():
            world.tick(minute + step * 60)


@pytest.mark.parametrize(
    ("errors", "page", "ticket"),
    [("1", 51.8, 259.2), ("0.15", 345.6, 1728), ("0.05", 1036.8, 5184), ("0.01", 12960, 25920), ("0.005", None, 51840)],
)
def test_an_alert_fires_and_ends_within_the_minute_of_its_closed_form(
    errors: str, page: float | None, ticket: float, world: World
) -> None:
    ratio = Fraction(errors)
    assert [page, ticket] == [
        None if (time := detection(severity, ratio)) is None else pytest.approx(float(time), abs=0.1)
        for severity in ("page", "ticket")
    ]
    lasted = math.ceil(ticket / 60) * 60 + 120
    end = BEGIN + lasted
    bad = int(A_MINUTE * ratio)
    world.count(range(START, BEGIN, 60), {(GOOD, GROUP): A_MINUTE})
    world.count(range(BEGIN, end, 60), {(GOOD, GROUP): A_MINUTE - bad, (BAD, GROUP): bad})
    world.count(range(end, end + 2 * DAY, 60), {(GOOD, GROUP): A_MINUTE})
    world.clock.set(float(BEGIN))
    world.lead(spec(target=99.9))
    wanted = {
        (severity, "firing"): BEGIN + time
        for severity in ("page", "ticket")
        if (time := detection(severity, ratio)) is not None
    }
    # It ends at the second evaluation below, a minute after the first.
    wanted |= {(severity, "resolved"): end + reset(severity, ratio, lasted) + 60 for severity, _ in list(wanted)}
    for at in sorted(wanted.values()):
        evaluate_around(world, math.ceil(at / 60) * 60)
    told = {
        (one.severity, one.transition): one.at for one in world.events() if one.transition in ("firing", "resolved")
    }
    assert set(told) == set(wanted)
    for what, at in wanted.items():
        assert abs(told[what] - at) <= 60, what
    assert len([one for one in world.events() if one.transition == "firing"]) == len(wanted) // 2
