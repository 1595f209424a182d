"""The verdict on a canary: pure functions of its evidence, with the reason why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from math import ceil, log
from typing import NamedTuple

from core.statistics import label_test
from core.statistics.label_test import Evidence
from slo_engine.conditions import RESOLVE_COVERAGE
from slo_engine.settings import CanarySettings

MIN_EVENTS = 20
"""Requests of each version below which nothing is said of them but a fail."""
_FORECASTS = (1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many times as much traffic is tried when asking how much would decide."""


class State(Enum):
    """A canary's verdict."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


class Compared(NamedTuple):
    """One criterion's evidence, whole and by region. `allowed`: how much higher the bad share may surely be."""

    name: str
    slo: str
    allowed: float
    whole: Evidence
    regions: Mapping[str, Evidence]


class Finding(NamedTuple):
    """A verdict. `log_e`: of all criteria together; `leading`: the one with the largest e-value; `needs`: requests."""

    state: State
    reason: str
    log_e: float
    leading: Compared | None
    needs: int | None


class Context(NamedTuple):
    """What is known beside the evidence: the names, the seen share of target-time, and whether it failed before."""

    version: str
    baseline: str
    coverage: float | None
    failed_before: bool


def judge(compared: Sequence[Compared], context: Context, settings: CanarySettings) -> Finding:
    """Decide. A fail needs no minimum of requests: its e-value is valid at any number."""
    log_e = combined([one.whole for one in compared])
    leading = max(measured(compared) or compared, key=lambda one: label_test.log_e(one.whole), default=None)
    state, reason = _decide(compared, leading, log_e, context, settings)
    needs = _needs(compared, state, settings)
    return Finding(state, reason, log_e, leading, needs)


def combined(evidence: Sequence[Evidence]) -> float:
    """Log of the mean e-value."""
    return label_test.mean_log_e(label_test.log_e(one) for one in evidence)


def _decide(
    compared: Sequence[Compared],
    leading: Compared | None,
    log_e: float,
    context: Context,
    settings: CanarySettings,
) -> tuple[State, str]:
    if leading is None:
        state = State.FAIL if context.failed_before else State.NO_DATA
        return state, "no SLO in force has one event a request: nothing to compare"
    if log_e >= log(1 / settings.alpha):
        return State.FAIL, _worse(leading, context)
    if context.failed_before:
        return State.FAIL, f"it failed before; now: {_worse(leading, context)}"
    if missing := _no_data(compared, context):
        return State.NO_DATA, missing
    doubts = _doubts(compared, context, settings)
    return (State.INCONCLUSIVE, doubts[0]) if doubts else (State.PASS, _harmless(compared, context, settings))


def _no_data(compared: Sequence[Compared], context: Context) -> str | None:
    if context.coverage is None:
        return "not known how much of the two versions was seen"
    if any(min(one.whole.total_canary, one.whole.total_baseline) >= MIN_EVENTS for one in compared):
        return None
    most = max(compared, key=lambda one: (one.whole.total_canary, one.whole.total_baseline)).whole
    return (
        f"{most.total_canary:.0f} requests of {context.version} and {most.total_baseline:.0f} of {context.baseline}: "
        f"both need {MIN_EVENTS}"
    )


def _doubts(compared: Sequence[Compared], context: Context, settings: CanarySettings) -> list[str]:
    """Everything that keeps a canary from passing, the weightiest first."""
    found = [f"{one.slo}: {_unsure(one, settings)}" for one in measured(compared) if not passes(one, settings)]
    requests = _requests(compared)
    if requests < settings.min_requests:
        found.append(f"{requests} requests of {context.version}: it can pass from {settings.min_requests} on")
    if context.coverage is not None and context.coverage < RESOLVE_COVERAGE:
        found.append(
            f"only {context.coverage:.0%} of the target-time was seen: it can pass from {RESOLVE_COVERAGE:.0%} on"
        )
    return found


def measured(compared: Sequence[Compared]) -> list[Compared]:
    """Criteria that at least one version reports."""
    return [one for one in compared if one.whole.total_canary or one.whole.total_baseline]


def passes(one: Compared, settings: CanarySettings) -> bool:
    """Whether a criterion can surely not be much worse."""
    _, high = label_test.ratio_interval(one.whole, settings.alpha)
    difference = label_test.delta_interval(one.whole, settings.alpha)
    small = difference is not None and difference[1] < _allowed(one, settings)
    return small or (high is not None and high < settings.pass_ratio)


def _allowed(one: Compared, settings: CanarySettings) -> float:
    return one.allowed if settings.allowed_delta is None else settings.allowed_delta


def _requests(compared: Sequence[Compared]) -> int:
    return int(max((one.whole.total_canary for one in compared), default=0))


def _needs(compared: Sequence[Compared], state: State, settings: CanarySettings) -> int | None:
    """How many more requests of the canary would decide, at the shares seen so far; None: no forecast."""
    requests = _requests(compared)
    if state not in (State.INCONCLUSIVE, State.NO_DATA):
        return None
    for factor in _FORECASTS:
        if requests * factor >= settings.min_requests and _decided(compared, factor, settings):
            return ceil(requests * (factor - 1))
    return None


def _decided(compared: Sequence[Compared], factor: float, settings: CanarySettings) -> bool:
    later = [one._replace(whole=one.whole.times(factor)) for one in measured(compared)]
    enough = bool(later) and all(min(one.whole.total_canary, one.whole.total_baseline) >= MIN_EVENTS for one in later)
    fails = label_test.mean_log_e(
        [*(label_test.log_e(one.whole) for one in later), *[0.0] * (len(compared) - len(later))]
    ) >= log(1 / settings.alpha)
    return enough and (fails or all(passes(one, settings) for one in later))


def _worse(leading: Compared, context: Context) -> str:
    whole = leading.whole
    return (
        f"{leading.slo} ({leading.name}): {whole.bad_canary:.0f} of {whole.total_canary:.0f} requests of "
        f"{context.version} were bad, {whole.bad_baseline:.0f} of {whole.total_baseline:.0f} of {context.baseline}"
    )


def _unsure(one: Compared, settings: CanarySettings) -> str:
    interval = label_test.delta_interval(one.whole, settings.alpha)
    if interval is None:
        return "the two versions never served in the same minute and region"
    return (
        f"the share of bad events differs by {interval[0]:+.2%} to {interval[1]:+.2%}, "
        f"and {_allowed(one, settings):+.2%} is allowed"
    )


def _harmless(compared: Sequence[Compared], context: Context, settings: CanarySettings) -> str:
    names = ", ".join(one.slo for one in measured(compared))
    return (
        f"{context.version} is surely not worse than {context.baseline} by what is allowed "
        f"(or by a factor of {settings.pass_ratio:g}): {names}"
    )
