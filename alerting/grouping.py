"""When a group notifies, and why. Pure functions of what the receiver was told last and how things stand now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why a receiver is told, or is not. The values are Alertmanager's texts for `notification_reason`."""

    FIRST_NOTIFICATION = "first notification"
    NEW_ALERTS_IN_GROUP = "new alerts added"
    ALL_ALERTS_RESOLVED = "all alerts resolved"
    NEW_RESOLVED_ALERTS = "some alerts resolved"
    REPEAT_INTERVAL_ELAPSED = "repeat interval elapsed"
    ACKNOWLEDGED = "acknowledged, so not repeated"
    DETACHED = "the route tree no longer sends these alerts here"
    DO_NOT_NOTIFY = "none"

    @property
    def notifies(self) -> bool:
        """Whether it is a reason to tell."""
        return self not in (Reason.ACKNOWLEDGED, Reason.DETACHED, Reason.DO_NOT_NOTIFY)


@dataclass(frozen=True)
class Entry:
    """What the receiver was told last: alerts by fingerprint. One that failed to arrive counts as never told."""

    at: float
    firing: frozenset[str]


@dataclass(frozen=True)
class Picture:
    """How a group stands: fingerprints that fire, that fire under a silence, that have resolved,
    and those of the firing ones whose silence has just ended."""

    firing: frozenset[str]
    muted: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()
    unmuted: frozenset[str] = frozenset()
    acknowledged: bool = False
    detached: bool = False


@dataclass(frozen=True)
class Rules:
    """What the route and the receiver say."""

    repeat_interval: float
    send_resolved: bool = True


def decide(last: Entry | None, now_is: Picture, rules: Rules, now: float) -> Reason:
    """The first rule that fits:

    1. something fires that the receiver was not told of (or whose silence has ended): first or new alerts;
    2. nothing fires, silenced or not, and it was told of some: all resolved;
    3. something has resolved that it was told of: some resolved;
    4. something fires and the last word is `repeat_interval` old: repeat, unless a person has acknowledged it;
    5. otherwise nothing.

    A resolution is told under a silence, too: what was raised at a pager must not stay open there. An alert that has
    resolved before anybody was told of it is not mentioned. A detached group tells resolutions only.
    """
    told = last.firing if last is not None else frozenset()
    known = told - now_is.unmuted
    if not now_is.firing <= known:
        return _raise(known, now_is)
    if told and not now_is.firing and not now_is.muted:
        return Reason.ALL_ALERTS_RESOLVED
    if rules.send_resolved and now_is.resolved & told:
        return Reason.NEW_RESOLVED_ALERTS
    if last is not None and now_is.firing and now - last.at >= rules.repeat_interval:
        return _repeat(now_is)
    return Reason.DO_NOT_NOTIFY


def _raise(known: frozenset[str], now_is: Picture) -> Reason:
    if now_is.detached:
        return Reason.DETACHED
    return Reason.NEW_ALERTS_IN_GROUP if known else Reason.FIRST_NOTIFICATION


def _repeat(now_is: Picture) -> Reason:
    if now_is.detached:
        return Reason.DETACHED
    return Reason.ACKNOWLEDGED if now_is.acknowledged else Reason.REPEAT_INTERVAL_ELAPSED
