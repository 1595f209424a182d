"""The engine's tick: roll up what was committed, read the windows, decide, and write states and events together.

Burn rates are judged once for each complete minute at or before the watermark, and only the newest: alerts are never
evaluated in retrospect. What is absent is judged at every tick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from core.buckets import MINUTES, TIERS, start_of
from core.clock import Clock
from core.errors import Place
from core.labels import make
from core.measures import Group, group_from_key, group_key
from slo_engine import absence, alerts, slices
from slo_engine.alerts import Links
from slo_engine.book import KEEP, Book
from slo_engine.burn import Revision, budget_of
from slo_engine.compile import Formula, compile_slo, layers_present, selectors_of, signals_of
from slo_engine.conditions import RETIRED_AFTER, Alert, Decision, Level, State, decide, retire
from slo_engine.evaluate import Stand, policy_of, read_group, revisions_of, severities, stand
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.specs.model import Alerting, EventRatio, RateSlices, SignalMetric, Slo
from slo_engine.status import Reading, row, unmeasured
from storage import fleet, leases, plan
from storage import slo as store
from storage.database import Database
from storage.fleet import TargetHealth
from storage.ledger import rollups, rows
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rollups import Changes
from storage.ledger.rows import RowKey, SourceFlush
from storage.slo import AlertEvent, AlertRow, StoredRevision

LEASE = "slo_engine"
SLICES = "engine:slices"
_TRAFFIC_BY = ("model",)
_EVALUATIONS_KEPT = 30 * 86_400.0

Key = tuple[str, str, str]


class Fleet(NamedTuple):
    """What an evaluation knows of the fleet."""

    watermark: float | None
    targets: Sequence[TargetHealth]
    left: Sequence[TargetHealth]
    capped: Sequence[str]
    signals: frozenset[str]


@dataclass
class _Outcome:
    """What a tick has to write."""

    alerts: dict[Key, AlertRow]
    events: list[AlertEvent]
    status: list[tuple[str, str, Mapping[str, Any]]] | None = None
    minute: int | None = None


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
        self._links = Links(dashboard_url, settings.runbook_url)
        self._dictionary = Dictionary()
        self._atoms: dict[int, Atom] = {}
        self._layers: dict[str, str] = {}
        self._slos = tuple(slos)
        self._book = Book((), keep)
        self._evaluated = 0
        self._alerts: dict[Key, AlertRow] = {}
        self._revisions: dict[str, tuple[Revision, ...]] = {}
        self._epoch = 0
        self._unjudged: dict[RowKey, Cells] = {}
        self._started_at = clock.now()

    # Becoming the leader, and what it decides with.

    def lead(self, epoch: int) -> None:
        """Take over: read alert states, revisions and the roll-ups of all widths."""
        self._epoch = epoch
        self._alerts = {(r.slo, r.group_key, r.severity): r for r in store.alert_rows(self._db)}
        self._evaluated = max(store.evaluations(self._db), default=0)
        self._open_slices()
        self.use(self._slos)

    def use(self, slos: Sequence[Slo]) -> None:
        """Put these SLOs in force: revisions, the measure plan, and a book over the same ledger."""
        self._slos = tuple(slos)
        now = self._clock.now()
        with self._db.write() as connection:
            leases.verify(connection, LEASE, self._epoch)
            plan.put(connection, [s for slo in slos if not slo.unsupported for s in selectors_of(slo)], now)
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
            digest = hashlib.sha256(
                repr((slo.objective_exact, slo.window_seconds, slo.indicator)).encode()
            ).hexdigest()[:16]
            if slo.name not in newest or newest[slo.name].digest != digest:
                budget = budget_of(compile_slo(slo, {}))
                fresh.append(StoredRevision(slo.name, now, digest, str(1 - budget), slo.window_seconds))
        with self._db.write() as connection:
            leases.verify(connection, LEASE, self._epoch)
            for revision in fresh:
                store.add_revision(connection, revision, {"objective": revision.objective})
        by_slo: dict[str, list[Revision]] = {}
        for revision in [*stored, *fresh]:
            by_slo.setdefault(revision.slo, []).append(Revision(revision.since, 1 - Fraction(revision.objective)))
        self._revisions = {name: tuple(found) for name, found in by_slo.items()}

    def _load(self) -> None:
        """Fill a new book from the roll-ups."""
        buckets = [
            entry
            for width, seconds in self._keep.items()
            for entry in rollups.read(self._db, width, self._clock.now() - seconds)
        ]
        self._learn(cells for _, cells in buckets)
        self._layers = layers_present(self._atoms.values())
        self._book = Book(
            [compile_slo(slo, self._layers) for slo in self._slos if not slo.unsupported] + [_traffic(self._layers)],
            self._keep,
        )
        for key, cells in buckets:
            self._book.apply(key, cells, self._atoms)

    def _learn(self, contents: Iterable[Cells]) -> bool:
        """Know what every series id stands for; true when one is new."""
        unknown = {series_id for cells in contents for series_id, _ in cells} - set(self._atoms)
        for series_id in unknown:
            self._atoms[series_id] = self._dictionary.atom(self._db, series_id)
        return bool(unknown)

    # One round.

    def tick(self) -> None:
        """Roll up, evaluate, write. LeaseLost when another engine leads."""
        changes = self._roll_up()
        known = self._fleet()
        self._take_in(changes)
        if self._judge_slices(changes, known.watermark):
            self._take_in(self._roll_up())
        now = self._clock.now()
        self._book.trim(now)
        outcome = _Outcome({}, [])
        self._judge_absence(known, now, outcome)
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
            watermark = fleet.watermark(connection)
            capped = fleet.capped(connection)
        targets = fleet.targets(self._db, with_left=True)
        return Fleet(
            watermark,
            [target for target in targets if target.left_at is None],
            [target for target in targets if target.left_at is not None],
            capped,
            frozenset(signal for target in targets for signal in target.signals),
        )

    def _take_in(self, changes: Changes) -> None:
        if self._learn(changes.buckets.values()):
            layers = layers_present(self._atoms.values())
            if layers != self._layers:
                self._load()
                return
        for key, cells in changes.buckets.items():
            self._book.apply(key, cells, self._atoms)

    # Time slices.

    def _open_slices(self) -> None:
        self._slices_mark = rows.open_source(self._db, "engine", SLICES, self._clock.now())

    def _judge_slices(self, changes: Changes, watermark: float | None) -> bool:
        definitions = [
            slo.indicator for slo in self._slos if isinstance(slo.indicator, RateSlices) and not slo.unsupported
        ]
        if not definitions or watermark is None:
            return False
        self._unjudged |= {key: cells for key, cells in changes.buckets.items() if key.width == MINUTES.width}
        minutes = {k: c for k, c in self._unjudged.items() if k.bucket + MINUTES.width <= watermark}
        if not minutes:
            return False
        self._unjudged = {k: c for k, c in self._unjudged.items() if k not in minutes}
        judged = slices.judge(definitions, minutes, self._atoms, self._layers)
        flush = SourceFlush(self._slices_mark, b"", {key: content for key, content in judged.items() if content})
        if not flush.rows:
            return False
        won, _ = rows.commit(self._db, self._dictionary, [flush], self._clock.now())
        self._slices_mark = won.get(self._slices_mark.source_id) or self._slices_mark
        if self._slices_mark.version == flush.checkpoint.version:
            self._open_slices()
        return True

    # Deciding.

    def _judge_burn(self, end: int, known: Fleet, outcome: _Outcome) -> None:
        if end <= self._evaluated:
            return
        outcome.minute, outcome.status = end, []
        for formula, accounts in zip(self._book.formulas[:-1], self._book.accounts[:-1], strict=True):
            if missing := signals_of(formula.slo) - known.signals:
                self._say_unmeasured(
                    formula.slo, f"not measured: no target reports {', '.join(sorted(missing))}", outcome
                )
                continue
            policy = policy_of(formula)
            revisions = revisions_of(formula, self._revisions)
            readings = [
                read_group(formula, group, account, end, policy, revisions)
                for group, account in sorted(accounts.items())
            ]
            for reading in readings:
                stands = {severity: stand(reading, policy, severity) for severity in severities(formula.slo)}
                self._judge_group(reading, stands, readings, end, known, outcome)
            if not readings:
                self._say_unmeasured(formula.slo, "no counts yet: no target carries this SLI's series", outcome)
        for slo in self._slos:
            if slo.unsupported:
                self._say_unmeasured(slo, slo.unsupported, outcome)

    def _judge_group(
        self,
        reading: Reading,
        stands: Mapping[str, Stand],
        siblings: Sequence[Reading],
        end: int,
        known: Fleet,
        outcome: _Outcome,
    ) -> None:
        slo, group = reading.formula.slo, reading.group
        gone = _left_since(group, known)
        worst = State.OK
        for severity, stand_ in stands.items():
            key = (slo.name, group_key(group), severity)
            before = self._alert(key)
            retired = gone is not None and end - gone >= RETIRED_AFTER
            decision = retire(before, end) if retired else decide(before, stand_.level, stand_.coverage, end)
            if decision.transition:
                starts_at = decision.alert.starts_at or before.starts_at or before.since or end
                outcome.events.append(
                    alerts.burn_event(
                        reading,
                        stand_,
                        severity,
                        decision.transition,
                        starts_at,
                        decision.reason,
                        end,
                        siblings,
                        self._links,
                    )
                )
            self._move(key, before, decision, outcome)
            worst = max(worst, decision.alert.state, key=list(State).index)
        assert outcome.status is not None
        outcome.status.append((slo.name, group_key(group), row(reading, worst)))

    def _say_unmeasured(self, slo: Slo, reason: str, outcome: _Outcome) -> None:
        assert outcome.status is not None
        outcome.status.append(
            (slo.name, group_key(()), unmeasured(slo.name, slo.objective, slo.window_seconds, reason))
        )

    def _judge_absence(self, known: Fleet, now: float, outcome: _Outcome) -> None:
        settings = self._settings.absence
        blind = absence.blind_sign(known.watermark, self._started_at, now, settings)
        signs = [blind, absence.cap_sign(known.capped)]
        if blind.level is not Level.ABOVE:
            signs += absence.fleet_signs(known.targets, settings)
            signs += self._traffic_signs(known.watermark)
        for sign in signs:
            self._judge_sign(sign, now, outcome)
        self._retire_signs({absence.key(sign) for sign in signs}, known, now, outcome)

    def _traffic_signs(self, watermark: float | None) -> list[absence.Sign]:
        if watermark is None:
            return []
        end, window = start_of(watermark, MINUTES.width), self._settings.absence.traffic_window
        signs = []
        for group, account in self._book.accounts[-1].items():
            recent = account.window(end - window, end)
            before = account.window(end - 3600, end)
            signs.append(
                absence.traffic_sign(
                    group, before.total - recent.total, recent.total, recent.coverage, self._settings.absence
                )
            )
        return signs

    def _judge_sign(self, sign: absence.Sign, now: float, outcome: _Outcome) -> None:
        key = absence.key(sign)
        before = self._alert(key)
        decision = decide(before, sign.level, sign.coverage, now, sign.hold)
        if decision.transition:
            starts_at = decision.alert.starts_at or before.starts_at or before.since or now
            outcome.events.append(
                alerts.sign_event(sign, decision.transition, starts_at, decision.reason, now, self._links)
            )
        self._move(key, before, decision, outcome)

    def _retire_signs(self, judged: set[Key], known: Fleet, now: float, outcome: _Outcome) -> None:
        """Absence alerts of groups that have no targets any more."""
        for key, stored in list(self._alerts.items()):
            if (
                key in judged
                or stored.state == State.OK.value
                or key[0] not in (absence.FLEET_DOWN, absence.ENGINE_STUCK)
            ):
                continue
            group = group_from_key(key[1])
            gone = _left_since(group, known)
            if gone is None or now - gone < RETIRED_AFTER:
                continue
            before = self._alert(key)
            decision = retire(before, now)
            sign = absence.Sign(
                key[0], _ALERTNAMES[key[0]], group, key[2], Level.BELOW, 0.0, "Its targets left discovery.", {}
            )
            if decision.transition:
                outcome.events.append(
                    alerts.sign_event(
                        sign, decision.transition, before.starts_at or before.since, decision.reason, now, self._links
                    )
                )
            self._move(key, before, decision, outcome)

    def _alert(self, key: Key) -> Alert:
        stored = self._alerts.get(key)
        if stored is None:
            return Alert()
        return Alert(State(stored.state), stored.since, stored.starts_at, stored.calm_ticks)

    def _move(self, key: Key, before: Alert, decision: Decision, outcome: _Outcome) -> None:
        after = decision.alert
        if after != before:
            outcome.alerts[key] = AlertRow(*key, after.state.value, after.since, after.starts_at, after.calm_ticks)

    # Writing.

    def _write(self, outcome: _Outcome, watermark: float | None, now: float) -> None:
        if outcome.alerts or outcome.events or outcome.status is not None:
            with self._db.write() as connection:
                leases.verify(connection, LEASE, self._epoch)
                store.put_alerts(connection, outcome.alerts.values())
                store.append_events(connection, outcome.events)
                if outcome.status is not None and outcome.minute is not None:
                    store.put_status(connection, outcome.status, watermark or 0.0)
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


_ALERTNAMES = {absence.FLEET_DOWN: "FleetDown", absence.ENGINE_STUCK: "EngineStuck"}


def _left_since(group: Group, known: Fleet) -> float | None:
    """When the last target of a group left discovery; None while one is there, or when none is remembered."""
    wanted = set(group)
    if not wanted or any(wanted <= set(make(g)) for target in known.targets for g in target.groups):
        return None
    times = [t.left_at for t in known.left if t.left_at is not None and any(wanted <= set(make(g)) for g in t.groups)]
    return max(times, default=None)


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
