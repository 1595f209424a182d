"""Recording rules of one SLO: what each window counted, its share, and what is left of the period's budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.durations import MINUTE, render
from slo_engine.rules import promql
from slo_engine.rules.sides import PartIs, Side, Sides
from slo_engine.specs.model import Slo

TOTAL, BAD, GOOD = "total", "bad", "good"


class Rule(NamedTuple):
    """A recording rule (`record`) or an alert (`alert`, then `keeps_firing` in seconds)."""

    name: str
    expression: str
    labels: Mapping[str, str]
    kind: str = "record"
    annotations: Mapping[str, str] = {}
    keeps_firing: int = 0


def record_of(what: str, window: int) -> str:
    """The name of a count over a window (seconds): `slo:bad:increase5m`."""
    return f"slo:{what}:increase{render(window)}"


def ratio_of(window: int) -> str:
    """The name of the bad share over a window; of a price, what one unit cost."""
    return f"slo:bad_per_total:ratio_increase{render(window)}"


def budget_left_of(period: int) -> str:
    """The name of the share of the period's budget that is left."""
    return f"slo:budget_left:ratio_increase{render(period)}"


def of(slo: Slo, record: str) -> str:
    """One SLO's series of a record."""
    return f'{record}{{slo="{slo.name}"}}'


def minute_rules(slo: Slo, sides: Sides) -> list[Rule]:
    """What is known minute by minute is recorded once, before every window."""
    rules = [Rule(helper.record, helper.expression, _labels(slo)) for helper in sides.helpers]
    for what, side in _sides(sides):
        if side.minute is not None:
            expression = side.minute
            if what != TOTAL and sides.total.minute is not None:
                expression = _or_none(slo, sides, expression, MINUTE)
            rules.append(Rule(record_of(what, MINUTE), expression, _labels(slo)))
    return rules


def window_rules(slo: Slo, sides: Sides, windows: Sequence[int]) -> list[Rule]:
    """Counts and the bad share of each window."""
    rules: list[Rule] = []
    for window in windows:
        rules += _counts(slo, sides, window)
        share = f"{of(slo, record_of(BAD, window))} / ({of(slo, record_of(TOTAL, window))} > 0)"
        rules.append(Rule(ratio_of(window), share, _labels(slo)))
    return rules


def period_rules(slo: Slo, sides: Sides) -> list[Rule]:
    """What is left of the budget."""
    period = slo.window_seconds
    bad, total = of(slo, record_of(BAD, period)), of(slo, record_of(TOTAL, period))
    left = f"1 - {bad} / ({promql.number(sides.budget)} * {total} > 0)"
    return [*_counts(slo, sides, period), Rule(budget_left_of(period), left, _labels(slo))]


def _sides(sides: Sides) -> Iterable[tuple[str, Side]]:
    yield TOTAL, sides.total
    yield (BAD if sides.part_is is PartIs.BAD else GOOD), sides.part


def _counts(slo: Slo, sides: Sides, window: int) -> list[Rule]:
    rules = []
    for what, side in _sides(sides):
        expression = _over(slo, what, side, window)
        if expression is None:
            continue
        if what == BAD and side.over is not None:
            expression = _or_none(slo, sides, expression, window)
        rules.append(Rule(record_of(what, window), expression, _labels(slo)))
    if sides.part_is is not PartIs.BAD:
        rules.append(Rule(record_of(BAD, window), _bad(slo, sides, window), _labels(slo)))
    return rules


def _or_none(slo: Slo, sides: Sides, expression: str, window: int) -> str:
    """Where there is a total, no series of a part is none of it."""
    return f"({expression}) or {promql.matching(sides.by)} {of(slo, record_of(TOTAL, window))} * 0"


def _over(slo: Slo, what: str, side: Side, window: int) -> str | None:
    """A side's sum over a window; None where the minute's own record is that already."""
    if side.over is not None:
        return side.over(render(window))
    if window == MINUTE:
        return None
    return f"sum_over_time({of(slo, record_of(what, MINUTE))}[{promql.within(window)}])"


def _bad(slo: Slo, sides: Sides, window: int) -> str:
    """What of the total is not good. A histogram without the bucket says nothing, and is not all bad."""
    total, good = of(slo, record_of(TOTAL, window)), of(slo, record_of(GOOD, window))
    if sides.part_is is PartIs.GOOD:
        good = f"({good} or {total} * 0)"
    return f"clamp_min({total} - {good}, 0)"


def _labels(slo: Slo) -> dict[str, str]:
    return {"service": slo.service, "slo": slo.name}
