"""Canaries, minute by minute: found, compared, judged, told and ended, from the ledger's minutes alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from core.buckets import MINUTES, start_of
from core.statistics import label_test
from slo_engine import alerts
from slo_engine.alerts import Links
from slo_engine.book import Account, Book
from slo_engine.canary import criteria, detect, telling
from slo_engine.canary.criteria import Criterion, Place, Table
from slo_engine.canary.detect import GONE_AFTER, Serving, Sightings
from slo_engine.canary.judge import Compared, Context, State, judge
from slo_engine.conditions import Reason, decide, retire
from slo_engine.outcome import Outcome
from slo_engine.settings import CanarySettings
from slo_engine.specs.model import Slo
from storage.canaries import Canary
from storage.deployments import Deployment
from storage.ledger.columns import Columns
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey

_SLACK = 7200.0
"""Minutes held beyond the longest canary: the hour that the baseline is chosen by, and late ticks."""
_BASELINE_BY = 3600
_NO_VERSION, _UNSEEN = -1, -2


class _Arm(NamedTuple):
    """A version's minutes by criterion, in one region."""

    tables: tuple[Table, ...]


class CanaryRound:
    """Judges the canaries of one engine. `load` before the first minute, `apply` each changed bucket."""

    def __init__(self, settings: CanarySettings, links: Links) -> None:
        self._settings = settings
        self._links = links
        self._criteria: tuple[Criterion, ...] = ()
        self._book = Book(())
        self._known: dict[str, Canary] = {}
        self._sightings = Sightings()
        self._numbers: dict[tuple[str, str], int] = {}
        """(model, version) → its number, in their order."""
        self._version_of = np.zeros(0, np.int64)
        """By series id: the number of its version."""

    @property
    def reach(self) -> float:
        """Seconds of minutes that are read and held."""
        return self._settings.max_duration + _SLACK

    def load(self, slos: Iterable[Slo], atoms: Iterable[Atom], now: float) -> None:
        """Compare by these SLOs; the buckets have to be applied anew."""
        self._criteria = criteria.criteria_of(slos, criteria.versioned_layers(atoms))
        self._book = Book([one.formula for one in self._criteria], {MINUTES.width: self.reach})
        self._book.trim(now)
        self._sightings = Sightings()
        self._version_of = np.zeros(0, np.int64)

    def remember(self, stored: Iterable[Canary]) -> None:
        """The canaries that there are already."""
        self._known = {one.id: one for one in stored}

    def apply(self, key: RowKey, content: Columns, atoms: Mapping[int, Atom]) -> None:
        """Take in a bucket: sightings at every width, counts by the minute."""
        for model, version in self._seen_in(content, atoms):
            self._sightings.note(model, version, key)
        if key.width == MINUTES.width:
            self._book.apply(key, content, atoms)

    def trim(self, now: float) -> None:
        """Forget minutes that no canary reaches."""
        self._book.trim(now)

    def judge(self, end: int, deployments: Sequence[Deployment], outcome: Outcome) -> None:
        """One complete minute that ends at `end`."""
        places = self._serving_places(end)
        for canary in self._active():
            self._end_if_over(canary, places, end, deployments)
        for model in sorted({place.model for place in places}):
            self._start(model, places, end, deployments)
        changed = [self._judged(canary, end) for canary in self._active() if canary.watermark < end]
        self._known |= {one.id: one for one in changed}
        outcome.canaries = [one for one in self._known.values() if one.watermark == end]
        self._tell(end, outcome)

    def _seen_in(self, content: Columns, atoms: Mapping[int, Atom]) -> list[tuple[str, str]]:
        """The versions of models that a bucket tells of."""
        ids = content.ids
        most = int(ids[-1]) if len(ids) else 0  # keys rise
        if most >= len(self._version_of):
            more = most + 256 - len(self._version_of)
            self._version_of = np.concatenate([self._version_of, np.full(more, _UNSEEN, np.int64)])
        for series_id in np.unique(ids[self._version_of[ids] == _UNSEEN]).tolist():
            place = criteria.place_of(atoms[series_id].group)
            number = _NO_VERSION if place is None else self._numbers.setdefault(place[:2], len(self._numbers))
            self._version_of[series_id] = number
        seen = np.zeros(len(self._numbers) + 1, bool)
        seen[self._version_of[ids]] = True  # none is -1: the last
        return [version for version, there in zip(self._numbers, seen[:-1].tolist(), strict=True) if there]

    def _active(self) -> list[Canary]:
        return [one for one in self._known.values() if one.ended_at is None]

    # Who serves.

    def _accounts(self) -> dict[Place, list[Account | None]]:
        """By place, the account of each criterion."""
        found: dict[Place, list[Account | None]] = {}
        for index, accounts in enumerate(self._book.accounts):
            for group, account in accounts.items():
                if (place := criteria.place_of(group)) is not None:
                    found.setdefault(place, [None] * len(self._criteria))[index] = account
        return found

    def _serving_places(self, end: int) -> dict[Place, int]:
        """Places with targets or requests in the last GONE_AFTER, and their requests of the last hour."""
        found = {}
        for place, accounts in self._accounts().items():
            recent = criteria.seen(_tables(accounts, end - int(GONE_AFTER), end))
            if recent.requests or recent.expected:
                found[place] = criteria.seen(_tables(accounts, end - _BASELINE_BY, end)).requests
        return found

    def _serving(self, model: str, places: Mapping[Place, int]) -> list[Serving]:
        versions = sorted({place.version for place in places if place.model == model})
        found = []
        for version in versions:
            own = {p.region: n for p, n in places.items() if (p.model, p.version) == (model, version)}
            first = self._sightings.first(model, version)
            if first is not None:
                found.append(Serving(version, first, frozenset(own), sum(own.values())))
        return found

    # Its life.

    def _end_if_over(
        self, canary: Canary, places: Mapping[Place, int], end: int, deployments: Sequence[Deployment]
    ) -> None:
        present = {place.version: True for place in places if place.model == canary.model}
        why = detect.over(canary, present, end, self._settings.max_duration)
        if why is not None:
            self._end(canary, why, end)
        elif canary.deployment_id is None:
            self._known[canary.id] = replace(canary, deployment_id=detect.deployment_of(canary, deployments))

    def _end(self, canary: Canary, why: str, end: int) -> None:
        ended = replace(canary, ended_at=float(end), watermark=float(end))
        self._known[canary.id] = telling.with_end(ended, why)

    def _start(self, model: str, places: Mapping[Place, int], end: int, deployments: Sequence[Deployment]) -> None:
        known = [one for one in self._known.values() if one.model == model]
        serving = self._serving(model, places)
        start = detect.start_of_canary(model, serving, known, deployments, end, self._settings.max_duration)
        if start is None:
            return
        new = detect.canary_id(model, start.version, start.at)
        for before in self._active():
            if before.model == model:
                self._end(before, f"{new} began", end)
        self._known[new] = Canary(
            id=new,
            model=model,
            region=start.region,
            version=start.version,
            baseline=start.baseline,
            started_at=start.at,
            ended_at=None,
            deployment_id=start.deployment_id,
            failed_at=None,
            state=State.NO_DATA.value,
            watermark=0.0,
            verdict={},
        )

    # Its verdict.

    def _judged(self, canary: Canary, end: int) -> Canary:
        arms = self._arms(canary, end)
        compared = [self._compared(index, one, arms) for index, one in enumerate(self._criteria)]
        failed_before = canary.failed_at is not None
        context = Context(canary.version, canary.baseline, _coverage(arms), failed_before)
        finding = judge(compared, context, self._settings)
        fails = finding.state is State.FAIL and not failed_before
        judged = replace(
            canary,
            state=finding.state.value,
            failed_at=float(end) if fails else canary.failed_at,
            watermark=float(end),
        )
        return replace(judged, verdict=telling.row(judged, finding, compared, self._settings))

    def _arms(self, canary: Canary, end: int) -> dict[str, tuple[_Arm, _Arm]]:
        """Both versions' minutes by region, (canary, baseline)."""
        accounts = self._accounts()
        both_versions = (canary.version, canary.baseline)
        regions = {p.region for p in accounts if p.model == canary.model and p.version in both_versions}
        begin = start_of(canary.started_at, MINUTES.width)
        found = {}
        for region in sorted(regions if canary.region is None else regions & {canary.region}):
            nobody: list[Account | None] = [None] * len(self._criteria)
            both = [
                _Arm(_tables(accounts.get(Place(canary.model, version, region), nobody), begin, end))
                for version in both_versions
            ]
            found[region] = (both[0], both[1])
        return found

    def _compared(self, index: int, criterion: Criterion, arms: Mapping[str, tuple[_Arm, _Arm]]) -> Compared:
        margin = self._settings.margin
        regions = {
            region: label_test.gather(criteria.buckets(criterion.formula, new.tables[index], old.tables[index]), margin)
            for region, (new, old) in arms.items()
        }
        whole = label_test.together(regions.values(), margin)
        return Compared(criterion.name, criterion.slo, criterion.allowed, whole, regions)

    # Telling.

    def _tell(self, end: int, outcome: Outcome) -> None:
        """The alerts of failed canaries; those of ended ones, or of a severity that is no longer set, are retired."""
        severity = self._settings.severity
        for canary in self._active() if severity != "off" else ():
            said = telling.sign(canary, severity)
            key = telling.key(said)
            decision = decide(outcome.before(key), said.level, said.coverage, end)
            starts_at = outcome.move(key, decision)
            if decision.transition and starts_at is not None:
                outcome.events.append(
                    alerts.sign_event(said, decision.transition, starts_at, decision.reason, end, self._links)
                )
        for key in outcome.awake():
            if key[0] == telling.CANARY and key not in outcome.judged:
                self._retire(key, end, outcome)

    def _retire(self, key: tuple[str, str, str], end: int, outcome: Outcome) -> None:
        decision = retire(outcome.before(key), end, Reason.ENDED)
        starts_at = outcome.move(key, decision)
        last = max(
            (one for one in self._known.values() if telling.key(telling.sign(one, key[2])) == key),
            key=lambda one: one.started_at,
            default=None,
        )
        if decision.transition and starts_at is not None and last is not None:
            said = telling.sign(last, key[2])
            outcome.events.append(
                alerts.sign_event(said, decision.transition, starts_at, decision.reason, end, self._links)
            )


def _tables(accounts: Sequence[Account | None], begin: int, end: int) -> tuple[Table, ...]:
    return tuple(criteria.table(account, MINUTES.width, begin, end) for account in accounts)


def _coverage(arms: Mapping[str, tuple[_Arm, _Arm]]) -> float | None:
    """That of the version that is seen less."""
    shares = [criteria.coverage(one for both in arms.values() for one in both[which].tables) for which in (0, 1)]
    known = [share for share in shares if share is not None]
    return min(known) if len(known) == len(shares) else None
