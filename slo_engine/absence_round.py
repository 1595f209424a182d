"""Judging what is absent, at every tick: the signs of `absence` as alerts with a life of their own."""

from __future__ import annotations

from collections.abc import Mapping

from core.buckets import MINUTES, start_of
from core.measures import Group, group_from_key
from slo_engine import absence, alerts
from slo_engine.alerts import Links
from slo_engine.book import Account
from slo_engine.conditions import Level, decide, retire
from slo_engine.departures import Departures
from slo_engine.outcome import Fleet, Outcome
from slo_engine.settings import AbsenceSettings

_OF_GROUPS = {
    absence.FLEET_DOWN: "FleetDown",
    absence.ENGINE_STUCK: "EngineStuck",
    absence.TRAFFIC_VANISHED: "TrafficVanished",
}
"""Alerts that end when their group has no target any more."""


class AbsenceRound:
    """Judges absence for one engine; `departures` is shared with the burn-rate alerts."""

    def __init__(self, settings: AbsenceSettings, links: Links, departures: Departures, started_at: float) -> None:
        self._settings = settings
        self._links = links
        self._departures = departures
        self._started_at = started_at

    def judge(self, traffic: Mapping[Group, Account], known: Fleet, now: float, outcome: Outcome) -> None:
        """Decide every absence alert. `traffic`: all requests by model."""
        blind = absence.blind_sign(known.pulse, self._started_at, now, self._settings)
        signs = [blind, absence.cap_sign(known.capped)]
        if blind.level is not Level.ABOVE:
            signs += absence.fleet_signs(known.targets, self._settings)
            signs += self._traffic_signs(traffic, known)
        for sign in signs:
            self._judge_sign(sign, now, outcome)
        self._retire(known, now, outcome)

    def _traffic_signs(self, traffic: Mapping[Group, Account], known: Fleet) -> list[absence.Sign]:
        if known.watermark is None:
            return []
        end, window = start_of(known.watermark, MINUTES.width), self._settings.traffic_window
        signs = []
        for group, account in traffic.items():
            if self._departures.retired(absence.TRAFFIC_VANISHED, group, end, known, account):
                continue
            recent = account.window(end - window, end)
            before = account.window(end - 3600, end).total - recent.total
            signs.append(absence.traffic_sign(group, before, recent.total, recent.coverage, self._settings))
        return signs

    def _judge_sign(self, sign: absence.Sign, now: float, outcome: Outcome) -> None:
        key = absence.key(sign)
        decision = decide(outcome.before(key), sign.level, sign.coverage, now, sign.hold)
        starts_at = outcome.move(key, decision)
        if decision.transition and starts_at is not None:
            outcome.events.append(
                alerts.sign_event(sign, decision.transition, starts_at, decision.reason, now, self._links)
            )

    def _retire(self, known: Fleet, now: float, outcome: Outcome) -> None:
        """Absence alerts of groups that have no targets any more."""
        for key in outcome.awake():
            if key in outcome.judged or key[0] not in _OF_GROUPS:
                continue
            group = group_from_key(key[1])
            if not self._departures.retired(key[0], group, now, known, None):
                continue
            decision = retire(outcome.before(key), now)
            starts_at = outcome.move(key, decision)
            if decision.transition and starts_at is not None:
                why = "Its targets left discovery."
                sign = absence.Sign(key[0], _OF_GROUPS[key[0]], group, key[2], Level.BELOW, 0.0, why, {})
                outcome.events.append(
                    alerts.sign_event(sign, decision.transition, starts_at, decision.reason, now, self._links)
                )
