"""Pages for what is not there: a fleet that is down, an engine that is stuck, lost traffic, a blind collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from core.labels import make
from core.measures import Group, group_key
from slo_engine.conditions import Level
from slo_engine.settings import AbsenceSettings
from storage.fleet import OWN_JOB, TargetHealth

FLEET_DOWN = "fleet down"
ENGINE_STUCK = "engine stuck"
TRAFFIC_VANISHED = "traffic vanished"
COLLECTOR_BLIND = "collector blind"
GROUP_CAP = "group cap reached"

_SURELY = 14.0
"""Requests expected in the window before their absence means something: by chance none come once in e^14 times."""


class Sign(NamedTuple):
    """One thing that is missing, or is there again: the condition of one alert. `hold`: seconds before it fires."""

    name: str
    alertname: str
    group: Group
    severity: str
    level: Level
    hold: float
    summary: str
    evidence: Mapping[str, Any]
    coverage: float | None = 1.0


def fleet_signs(targets: Sequence[TargetHealth], settings: AbsenceSettings) -> list[Sign]:
    """`fleet down` and `engine stuck` for every group that has targets."""
    signs: list[Sign] = []
    for group, members in _by_group(targets).items():
        signs.append(_fleet_down(group, members, settings))
        if any(member.progress_at is not None for member in members):
            signs.append(_engine_stuck(group, members, settings))
    return signs


def blind_sign(watermark: float | None, started_at: float, now: float, settings: AbsenceSettings) -> Sign:
    """`collector blind`: no counts are committed any more, so nothing else can be said."""
    age = now - (watermark if watermark is not None else started_at)
    blind = age > settings.collector_blind_after
    what = "never committed anything" if watermark is None else f"last committed counts {age:.0f} s ago"
    return Sign(
        COLLECTOR_BLIND,
        "CollectorBlind",
        (),
        "page",
        Level.ABOVE if blind else Level.BELOW,
        0.0,
        f"The collector {what}: no SLO can be judged until it is back.",
        {"watermark": watermark, "age_seconds": round(age, 1)},
    )


def cap_sign(capped: Sequence[str]) -> Sign:
    """`group cap reached`: totals stay exact, parts are lumped under __other__."""
    return Sign(
        GROUP_CAP,
        "GroupCapReached",
        (),
        "ticket",
        Level.ABOVE if capped else Level.BELOW,
        0.0,
        f"Measures with more groups than the cap, counted under __other__ beyond it: {', '.join(capped)}.",
        {"measures": list(capped)},
    )


def traffic_sign(
    group: Group, hour_total: int, recent_total: int, coverage: float | None, settings: AbsenceSettings
) -> Sign:
    """`traffic vanished`: none now, where the hour before makes it all but impossible by chance."""
    window = settings.traffic_window
    expected = hour_total * window / (3600 - window)
    seen = coverage is not None and coverage >= 0.8
    gone = seen and recent_total == 0 and expected >= _SURELY
    level = Level.ABOVE if gone else Level.BELOW if recent_total else Level.UNKNOWN
    return Sign(
        TRAFFIC_VANISHED,
        "TrafficVanished",
        group,
        "page",
        level,
        0.0,
        f"No request of {_name(group)} finished in the last {window:.0f} s, where {expected:.0f} were to be expected.",
        {"expected_requests": round(expected, 1), "window_seconds": window},
        coverage,
    )


def _by_group(targets: Iterable[TargetHealth]) -> dict[Group, list[TargetHealth]]:
    groups: dict[Group, list[TargetHealth]] = {}
    for target in targets:
        if target.job != OWN_JOB and target.layer != "hardware" and target.last_scrape_at is not None:
            for group in target.groups:
                groups.setdefault(make(group), []).append(target)
    return groups


def _fleet_down(group: Group, members: Sequence[TargetHealth], settings: AbsenceSettings) -> Sign:
    up = sum(1 for member in members if member.up)
    errors = {member.url: f"{member.error_reason}: {member.error}" for member in members if not member.up}
    return Sign(
        FLEET_DOWN,
        "FleetDown",
        group,
        "page",
        Level.ABOVE if up * 2 < len(members) else Level.BELOW,
        settings.fleet_down_for,
        f"{up} of {len(members)} targets of {_name(group)} are up.",
        {"up": up, "targets": len(members), "errors": errors},
    )


def _engine_stuck(group: Group, members: Sequence[TargetHealth], settings: AbsenceSettings) -> Sign:
    stuck = [m.url for m in members if _stuck_for(m) >= settings.engine_stuck_for]
    unseen = all(not member.up for member in members)
    level = Level.ABOVE if stuck else Level.UNKNOWN if unseen else Level.BELOW
    return Sign(
        ENGINE_STUCK,
        "EngineStuck",
        group,
        "page",
        level,
        0.0,
        f"Work waits at {_name(group)}, and {len(stuck)} of {len(members)} engines gave no token and finished nothing "
        f"for {settings.engine_stuck_for:.0f} s.",
        {"stuck": stuck, "targets": len(members)},
    )


def _stuck_for(member: TargetHealth) -> float:
    if not member.up or member.last_success_at is None or member.progress_at is None:
        return 0.0
    return member.last_success_at - member.progress_at


def _name(group: Group) -> str:
    return " ".join(f"{name}={value}" for name, value in group) or "the fleet"


def key(sign: Sign) -> tuple[str, str, str]:
    """An alert's identity: (slo, group, severity); the name of what is absent stands for the SLO."""
    return sign.name, group_key(sign.group), sign.severity
