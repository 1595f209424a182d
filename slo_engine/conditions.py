"""Alert decisions: pure functions of what is known, with the reason why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

CALM_TICKS = 2
"""A firing alert resolves only after this many evaluations in a row below its threshold."""
RESOLVE_COVERAGE = 0.8
"""… each of them with at least this much of the recent target-time covered: never for want of data."""
RETIRED_AFTER = 900.0
"""A group whose targets left discovery by a successful refresh is retired after this many seconds."""


class Level(Enum):
    """What the windows say."""

    BELOW = "below"
    SHORT_ONLY = "short window above, long window not yet"
    ABOVE = "above"
    UNKNOWN = "unknown"


class State(Enum):
    """The life of an alert."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"


class Reason(Enum):
    """Why an alert moved, or did not."""

    THRESHOLD_EXCEEDED = "threshold exceeded"
    SHORT_WINDOW_EXCEEDED = "short window exceeded"
    HELD_FOR_LONG_ENOUGH = "held for long enough"
    WAITING = "exceeded, waiting"
    RECOVERED = "below the threshold on two evaluations"
    CALMING = "below the threshold, waiting for a second evaluation"
    COVERAGE_TOO_LOW = "below the threshold, but too little of the fleet is seen to say that it is over"
    UNKNOWN = "not known"
    STILL_ABOVE = "still above"
    CLEARED = "never reached the long window"
    RETIRED = "its targets left discovery"
    WITHDRAWN = "its SLO is no longer in force"
    ENDED = "the canary is over"
    GONE = "nothing was generated in its group for a whole long window"
    QUIET = "below"


@dataclass(frozen=True)
class Alert:
    """Where an alert stands; times in Unix seconds."""

    state: State = State.OK
    since: float = 0.0
    starts_at: float | None = None
    calm_ticks: int = 0


class Decision(NamedTuple):
    """The next state and why; `transition` names the event to append, if any."""

    alert: Alert
    reason: Reason
    transition: str | None


def decide(alert: Alert, level: Level, coverage: float | None, now: float, hold: float = 0.0) -> Decision:
    """One evaluation of one alert. `hold`: seconds that the condition must last before it fires."""
    if alert.state is State.FIRING:
        return _while_firing(alert, level, coverage, now)
    if level is Level.ABOVE:
        return _while_above(alert, now, hold)
    if level is Level.SHORT_ONLY:
        if alert.state is State.PENDING:
            return Decision(alert, Reason.WAITING, None)
        return Decision(Alert(State.PENDING, now), Reason.SHORT_WINDOW_EXCEEDED, "pending")
    if level is Level.UNKNOWN:
        return Decision(alert, Reason.UNKNOWN, None)
    if alert.state is State.PENDING:
        return Decision(Alert(State.OK, now), Reason.CLEARED, "cleared")
    return Decision(alert, Reason.QUIET, None)


def retire(alert: Alert, now: float, reason: Reason = Reason.RETIRED) -> Decision:
    """The group has no targets any more: what was awake goes to rest."""
    if alert.state is State.OK:
        return Decision(alert, reason, None)
    return Decision(Alert(State.OK, now), reason, "resolved" if alert.state is State.FIRING else "cleared")


def withdraw(alert: Alert, now: float) -> Decision:
    """Nothing speaks for the alert any more."""
    return retire(alert, now, Reason.WITHDRAWN)


def began(before: Alert, decision: Decision) -> float:
    """Since when the condition has held (when it ends: had held) that an event tells of."""
    if decision.transition == "pending":
        return decision.alert.since
    return decision.alert.starts_at or before.starts_at or before.since


def _while_above(alert: Alert, now: float, hold: float) -> Decision:
    began = alert.since if alert.state is State.PENDING else now
    if now - began >= hold:
        return Decision(
            Alert(State.FIRING, now, starts_at=began),
            Reason.HELD_FOR_LONG_ENOUGH if hold else Reason.THRESHOLD_EXCEEDED,
            "firing",
        )
    if alert.state is State.PENDING:
        return Decision(alert, Reason.WAITING, None)
    return Decision(Alert(State.PENDING, now), Reason.WAITING, "pending")


def _while_firing(alert: Alert, level: Level, coverage: float | None, now: float) -> Decision:
    if level is Level.UNKNOWN:
        return Decision(_calm(alert, 0), Reason.UNKNOWN, None)
    if level is Level.ABOVE:
        return Decision(_calm(alert, 0), Reason.STILL_ABOVE, None)
    if coverage is None or coverage < RESOLVE_COVERAGE:
        return Decision(_calm(alert, 0), Reason.COVERAGE_TOO_LOW, None)
    calm = alert.calm_ticks + 1
    if calm < CALM_TICKS:
        return Decision(_calm(alert, calm), Reason.CALMING, None)
    return Decision(Alert(State.OK, now), Reason.RECOVERED, "resolved")


def _calm(alert: Alert, ticks: int) -> Alert:
    return Alert(alert.state, alert.since, alert.starts_at, ticks)
