"""The engine's tick: roll up what was committed, read the windows, decide, and write states and events together.

Burn rates are judged once for each complete minute at or before the watermark, and only the newest: alerts are never
evaluated in retrospect. What is absent is judged at every tick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import inf

import numpy as np

from core.buckets import MINUTES, TIERS, start_of
from core.clock import Clock
from core.errors import Place
from core.matchers import parse_matchers
from slo_engine import absence, dependencies, slices
from slo_engine.absence_round import AbsenceRound
from slo_engine.alerts import Links
from slo_engine.beside import StatusBeside
from slo_engine.book import KEEP, Book
from slo_engine.burn import Revision, budget_of
from slo_engine.burn_round import BurnRound, Minute
from slo_engine.canary.criteria import versioned_layers
from slo_engine.canary.round import CanaryRound
from slo_engine.compile import Formula, compile_slo, layers_present, queries_of, selectors_of, slices_name, told_by
from slo_engine.composites.round import CompositeRound
from slo_engine.conditions import State
from slo_engine.departures import Departures
from slo_engine.describe import describe, policy
from slo_engine.evaluation import Measured
from slo_engine.exclusions.round import ExclusionRound
from slo_engine.metrics import EngineMetrics
from slo_engine.outcome import Fleet, Key, Outcome
from slo_engine.quality.round import QualityRound
from slo_engine.resets import Resets
from slo_engine.settings import EngineSettings
from slo_engine.specs.model import Alerting, EventRatio, Override, RateSlices, SignalMetric, Slo
from slo_engine.timeslices.round import SliceRound
from storage import canaries, deployments, fleet, leases, plan, slo_sets, status_blocks
from storage import slo as store
from storage.alerts import AlertEvent, append
from storage.database import Database
from storage.ledger import rollups, rows
from storage.ledger.columns import Columns
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rollups import Changes
from storage.ledger.rows import RowKey, SourceFlush
from storage.slo import AlertRow, StoredRevision

LEASE = "slo_engine"
SLICES = "engine:slices"
_TRAFFIC_BY = ("model",)
_DEPLOYMENTS = 10_000
"""Registered deployments that are read; the newest are the last of them."""
_EVALUATIONS_KEPT = 30 * 86_400.0
_JUDGED_AGAIN = 600.0
"""A new leader judges the slices of these last seconds again: the one before may have rolled them up and gone."""


class Engine:
    """Decides for one fleet. `lead` opens it for an epoch of the lease; `tick` does one round."""

    def __init__(
        self,
        database: Database,
        settings: EngineSettings,
        dashboard_url: str,
        slos: Sequence[Slo],
        clock: Clock,
        metrics: EngineMetrics,
        keep: Mapping[int, float] = KEEP,
    ) -> None:
        self._keep = keep
        self._db = database
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._dictionary = Dictionary()
        self._atoms: dict[int, Atom] = {}
        self._learned = np.zeros(0, bool)
        self._layers: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._slos = tuple(slos)
        self._book = Book((), keep)
        self._evaluated = 0
        self._alerts: dict[Key, AlertRow] = {}
        self._revisions: dict[str, tuple[Revision, ...]] = {}
        self._epoch = 0
        self._unjudged: dict[RowKey, Columns] = {}
        self._started_at = clock.now()
        departures = Departures()
        links = Links(dashboard_url, settings.runbook_url)
        self._absence = AbsenceRound(settings.absence, links, departures, self._started_at)
        self._quality = QualityRound(links, keep)
        self._canaries = CanaryRound(settings.canary, links)
        self._exclusions = ExclusionRound(database, self._dictionary)
        self._timeslices = SliceRound(database, self._dictionary, self._exclusions.why)
        self._beside = StatusBeside(self._timeslices, self._exclusions, keep)
        self._burn = BurnRound(links, departures, self._last_told, self._beside)
        self._composites = CompositeRound(links, departures, self._beside)

    # Becoming the leader, and what it decides with.

    def lead(self, epoch: int, slos: Sequence[Slo] | None = None) -> None:
        """Take over: read alert states, revisions and the roll-ups of all widths. `slos`: those in force by now."""
        self._epoch = epoch
        self._alerts = {(r.slo, r.group_key, r.severity): r for r in store.alert_rows(self._db)}
        self._evaluated = max(store.evaluations(self._db), default=0)
        self._open_slices()
        self._timeslices.lead()
        self._exclusions.lead()
        self._unjudged = {}
        recently = self._clock.now() - 2 * self._canaries.reach
        self._canaries.remember(canaries.since(self._db, 0.0, active_only=True) + canaries.since(self._db, recently))
        self.use(self._slos if slos is None else slos)

    def use(self, slos: Sequence[Slo]) -> None:
        """Put these SLOs in force: revisions, the measure plan, and a book over the same ledger."""
        self._slos = tuple(slos)
        now = self._clock.now()
        with self._db.write() as connection:
            leases.verify(connection, LEASE, self._epoch)
            served = [slo for slo in slos if not slo.unsupported]
            selectors = [one for slo in served for one in selectors_of(slo)]
            plan.put(connection, selectors, now, [one for slo in served for one in queries_of(slo)])
        self._put_revisions(now)
        self._load()
        measured = sum(1 for slo in slos if not slo.unsupported)
        self._metrics.slos.labels("measured").set(measured)
        self._metrics.slos.labels("unsupported").set(len(slos) - measured)

    def _put_revisions(self, now: float) -> None:
        stored = store.revisions(self._db)
        newest = {revision.slo: revision for revision in stored}
        fresh = []
        for slo in self._slos:
            if slo.unsupported:
                continue
            digest = hashlib.sha256(repr(_said(slo)).encode()).hexdigest()[:16]
            if slo.name not in newest or newest[slo.name].digest != digest:
                budget = budget_of(compile_slo(slo, {}))
                spec = {"objective": str(1 - budget), "sli": describe(slo), "policy": policy(slo)}
                others = tuple((one.text, str(one.objective)) for one in slo.overrides)
                revision = StoredRevision(slo.name, now, digest, str(1 - budget), slo.window_seconds, others)
                fresh.append((revision, spec))
        with self._db.write() as connection:
            leases.verify(connection, LEASE, self._epoch)
            for revision, spec in fresh:
                store.add_revision(connection, revision, spec)
        self._revisions = by_name([*stored, *(revision for revision, _ in fresh)])

    def _load(self) -> None:
        """Fill a new book from the roll-ups."""
        if not self._fill(self._dictionary.every(self._db)):
            self._fill(self._atoms)

    def _fill(self, atoms: Mapping[int, Atom]) -> bool:
        """Fill a book for the layers of these series; false when those that the roll-ups hold have others."""
        layers, now = _layers_of(atoms), self._clock.now()
        self._book = Book(
            [compile_slo(slo, layers[0]) for slo in self._slos if slo.booked] + [_traffic(layers[0])],
            self._keep,
        )
        self._book.trim(now)
        self._quality.use(self._slos, now)
        self._beside.use(self._slos, now)
        self._canaries.load(self._slos, atoms.values(), now)
        since = self._judge_since(atoms)
        for width, seconds in self._keep.items():
            for key, content in rollups.read_columns(self._db, width, now - self._read_back(width, seconds)):
                self._learn(content)
                self._remember(key, content)
                if key.width == MINUTES.width and key.bucket >= since:
                    self._unjudged[key] = content
        self._exclusions.use(self._slos, layers[0])
        self._timeslices.use(self._slos, layers[0], told_by(self._atoms.values()), self._evaluated, now)
        self._layers = _layers_of(self._atoms)
        return self._layers == layers

    def _remember(self, key: RowKey, content: Columns) -> None:
        self._book.apply(key, content, self._atoms)
        self._quality.apply(key, content, self._atoms)
        self._beside.apply(key, content, self._atoms)
        self._canaries.apply(key, content, self._atoms)

    def _read_back(self, width: int, seconds: float) -> float:
        """Seconds of a width to read: canaries are compared by the minute for longer than windows are."""
        return max(seconds, self._canaries.reach) if width == MINUTES.width else seconds

    def _judge_since(self, atoms: Mapping[int, Atom]) -> float:
        """From when on minutes of the past have slices to judge: all of them where a definition was never judged."""
        definitions = self._definitions()
        if not definitions:
            return inf
        names = {atom.measure.name for atom in atoms.values()}
        fresh = any(slices_name(definition) not in names for definition in definitions)
        return -inf if fresh else self._evaluated - _JUDGED_AGAIN

    def _learn(self, content: Columns) -> bool:
        """Know what every series id stands for; true when one is new."""
        ids = content.ids
        most = int(ids[-1]) if len(ids) else 0  # keys rise
        if most >= len(self._learned):
            self._learned = np.concatenate([self._learned, np.zeros(most + 256 - len(self._learned), bool)])
        unknown = np.unique(ids[~self._learned[ids]]).tolist()
        for series_id in unknown:
            self._atoms[series_id] = self._dictionary.atom(self._db, series_id)
        self._learned[unknown] = True
        return bool(unknown)

    # One round.

    def tick(self) -> None:
        """Roll up, evaluate, write. LeaseLost when another engine leads."""
        changes = self._roll_up()
        known = self._fleet()
        now = self._clock.now()
        self._book.trim(now)
        self._quality.trim(now)
        self._beside.trim(now)
        self._canaries.trim(now)
        self._take_in(changes)
        self._judge_all_slices(changes, known.watermark)
        outcome = Outcome(self._alerts)
        self._absence.judge(self._book.accounts[-1], known, now, outcome)
        if known.watermark is not None:
            self._judge_burn(start_of(known.watermark, MINUTES.width), known, outcome)
        self._write(outcome, known.watermark, now)
        self._metrics.watermark_age.set(now - (known.watermark or self._started_at))

    def _roll_up(self) -> Changes:
        with self._db.read() as connection:
            changes = rollups.compute(connection)
        if changes.rows:
            with self._db.write() as connection:
                leases.verify(connection, LEASE, self._epoch)
                rollups.store(connection, changes)
        return changes

    def _fleet(self) -> Fleet:
        with self._db.read() as connection:
            watermark, pulse = fleet.watermark(connection), fleet.pulse(connection)
            capped = fleet.capped(connection)
        targets = fleet.targets(self._db, with_left=True)
        return Fleet(
            watermark,
            pulse,
            [target for target in targets if target.left_at is None],
            [target for target in targets if target.left_at is not None],
            capped,
            frozenset(signal for target in targets for signal in target.signals),
        )

    def _take_in(self, changes: Changes) -> None:
        learned = [self._learn(content) for content in changes.buckets.values()]
        if any(learned) and _layers_of(self._atoms) != self._layers:
            self._load()
            return
        for key, content in changes.buckets.items():
            self._remember(key, content)

    # Time slices.

    def _open_slices(self) -> None:
        self._slices_mark = rows.open_source(self._db, "engine", SLICES, self._clock.now())

    def _definitions(self) -> list[RateSlices]:
        return [slo.counted for slo in self._slos if isinstance(slo.counted, RateSlices) and not slo.unsupported]

    def _judge_all_slices(self, changes: Changes, watermark: float | None) -> None:
        """First the minutes of rates, which time slices may be made of; what is excluded; then slices without it."""
        now, fresh = self._clock.now(), set(_minutes_of(changes))
        if self._judge_slices(changes, watermark):
            judged = self._roll_up()
            self._take_in(judged)
            fresh |= set(_minutes_of(judged))
        self._timeslices.changed(fresh | self._exclusions.refresh(now))
        self._exclusions.changed(fresh)
        excluded, sliced = self._exclusions.write(now), self._timeslices.judge(watermark, now)
        if excluded or sliced:
            self._take_in(self._roll_up())

    def _judge_slices(self, changes: Changes, watermark: float | None) -> bool:
        definitions = self._definitions()
        if not definitions or watermark is None:
            return False
        self._unjudged |= {key: cells for key, cells in changes.buckets.items() if key.width == MINUTES.width}
        minutes = {k: c for k, c in self._unjudged.items() if k.bucket + MINUTES.width <= watermark}
        if not minutes:
            return False
        self._unjudged = {k: c for k, c in self._unjudged.items() if k not in minutes}
        contents = {key: content.as_cells() for key, content in minutes.items()}
        judged = slices.judge(definitions, contents, self._atoms, self._layers[0])
        flush = SourceFlush(self._slices_mark, b"", judged)
        won, _ = rows.commit(self._db, self._dictionary, [flush], self._clock.now())
        self._slices_mark = won.get(self._slices_mark.source_id) or self._slices_mark
        if self._slices_mark.version == flush.checkpoint.version:
            self._open_slices()
        return True

    # Deciding.

    def _judge_burn(self, end: int, known: Fleet, outcome: Outcome) -> None:
        if end <= self._evaluated:
            return
        measured = [Measured(self._book, index) for index in range(len(self._book.formulas) - 1)]
        resets = Resets(slo_sets.resets(self._db))
        minute = Minute(end, known, told_by(self._atoms.values()), self._revisions, resets)
        self._quality.judge(minute, outcome)
        self._composites.judge(self._slos, measured, minute, outcome)
        self._burn.judge(measured, [slo for slo in self._slos if slo.unsupported], minute, outcome)
        dependencies.tell(self._slos, outcome)
        registered = deployments.since(self._db, end - self._settings.canary.max_duration, _DEPLOYMENTS)
        self._canaries.judge(end, registered, outcome)

    def _last_told(self, key: Key) -> AlertEvent | None:
        told = [event for event in store.events(self._db, slo=key[0]) if (event.group_key, event.severity) == key[1:]]
        return told[-1] if told else None

    # Writing.

    def _write(self, outcome: Outcome, watermark: float | None, now: float) -> None:
        blocks = [(block.slo, status_blocks.encode(block)) for block in outcome.blocks]
        if outcome.alerts or outcome.events or outcome.status is not None:
            with self._db.write() as connection:
                leases.verify(connection, LEASE, self._epoch)
                store.put_alerts(connection, outcome.alerts.values())
                for event in outcome.events:
                    append(connection, event)
                canaries.put(connection, outcome.canaries)
                if outcome.status is not None and outcome.minute is not None:
                    store.put_status(connection, outcome.status, watermark or 0.0, blocks)
                    store.add_evaluation(connection, outcome.minute, now)
        self._alerts.update(outcome.alerts)
        self._evaluated = max(self._evaluated, outcome.minute or 0)
        for event in outcome.events:
            self._metrics.events.labels(event.transition).inc()
        self._count_alerts()

    def _count_alerts(self) -> None:
        for state in State:
            self._metrics.alerts.labels(state.value).set(
                sum(1 for a in self._alerts.values() if a.state == state.value)
            )
        self._metrics.groups.set(sum(len(accounts) for accounts in self._book.accounts[:-1]))

    def clean(self) -> None:
        """Delete roll-ups beyond their retention."""
        now = self._clock.now()
        with self._db.write() as connection:
            leases.verify(connection, LEASE, self._epoch)
            for tier in TIERS:
                rollups.prune(connection, tier.width, now - tier.retention - 3600)
            store.forget_evaluations(connection, now - _EVALUATIONS_KEPT)


def _layers_of(atoms: Mapping[int, Atom]) -> tuple[dict[str, str], dict[str, str]]:
    """The layer of each signal, for SLOs and for canaries: one that tells the version."""
    return layers_present(atoms.values()), versioned_layers(atoms.values())


def _said(slo: Slo) -> tuple[object, ...]:
    """What begins a revision when it changes; what an SLO has not is left out, so that new words begin none."""
    more = filter(None, (slo.calendar, slo.overrides, slo.exclude, slo.conditions))
    return (slo.objective_exact, slo.window_seconds, slo.indicator, *more)


def _minutes_of(changes: Changes) -> list[int]:
    return [key.bucket for key in changes.buckets if key.width == MINUTES.width]


def by_name(stored: Iterable[StoredRevision]) -> dict[str, tuple[Revision, ...]]:
    """What was in force of each SLO, oldest first."""
    found: dict[str, list[Revision]] = {}
    for revision in stored:
        own = tuple(Override(parse_matchers(where), Fraction(goal)) for where, goal in revision.overrides)
        found.setdefault(revision.slo, []).append(Revision(revision.since, 1 - Fraction(revision.objective), own))
    return {name: tuple(revisions) for name, revisions in found.items()}


def stored_revisions(database: Database) -> dict[str, tuple[Revision, ...]]:
    """What was in force of each SLO, as the database has it."""
    return by_name(store.revisions(database))


def _traffic(layers: Mapping[str, str]) -> Formula:
    """All requests by model: what `traffic vanished` watches. An SLO of the engine's own, never reported."""
    metric = SignalMetric("requests", by=_TRAFFIC_BY)
    slo = Slo(
        name=absence.TRAFFIC_VANISHED,
        group=absence.TRAFFIC_VANISHED,
        service="fleet",
        description="",
        indicator=EventRatio(total=metric, bad=metric),
        objective=0.0,
        objective_exact=Fraction(0),
        threshold=None,
        op=None,
        window_seconds=3600,
        by=_TRAFFIC_BY,
        alerting=Alerting(),
        annotations={},
        source=Place("burnline", 0),
    )
    return compile_slo(slo, layers)
