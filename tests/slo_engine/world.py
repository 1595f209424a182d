"""A small world for the engine: traffic at times, ticks at minutes, on a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import event

from collector.replay import Replayer
from collector.target import Counting
from core.clock import ManualClock
from core.measures import TARGET_TIME, Measure, group_from_key
from slo_engine.compile import selectors_of
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.specs import load
from slo_engine.specs.model import Slo
from slo_engine.tick import LEASE, Engine
from storage import fleet, leases
from storage import slo as store
from storage.alerts import AlertEvent
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.ledger import rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, RowKey, SourceFlush
from storage.plan import MeasurePlan
from storage.tables import metadata
from tests.schemas import check

START = 1_767_571_200
"""A whole hour and day: 2026-01-05T00:00:00Z."""
DIMENSIONS = ("model", "version", "region", "tenant")

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: {name}
  annotations: {{burnline/page: "{page}", burnline/ticket: "{ticket}"{extra}}}
spec:
  service: chat
  indicator:
    metadata: {{name: {name}}}
    spec: {indicator}
  timeWindow: [{{duration: {window}, isRolling: true}}]
  budgetingMethod: {method}
  objectives: [{objective}]
"""


def source(spec: str) -> str:
    """A metric of Burnline's own source, as flow YAML."""
    return f"{{metricSource: {{type: burnline, spec: {{{spec}}}}}}}"


def ratio(part: str, total: str, which: str = "good") -> str:
    """The indicator of a share of events."""
    return f"{{ratioMetric: {{counter: true, {which}: {source(part)}, total: {source(total)}}}}}"


def threshold(spec: str) -> str:
    """The indicator of a threshold."""
    return f"{{thresholdMetric: {source(spec)}}}"


GOOD_REQUESTS = ratio("signal: requests, where: 'outcome=\"good\"', by: [model]", "signal: requests, by: [model]")


def spec(
    indicator: str = GOOD_REQUESTS,
    target: float = 99.9,
    name: str = "success",
    window: str = "30d",
    at_most: float | None = None,
    op: str = "lte",
    page: str = "true",
    ticket: str = "true",
    extra: str = "",
    method: str = "Occurrences",
) -> str:
    """The text of one SLO."""
    objective = f"{{targetPercent: {target}}}" if target else "{target: 0}"
    if at_most is not None:
        objective = objective[:-1] + f", op: {op}, value: {at_most}}}"
    return SLO.format(
        name=name,
        indicator=indicator,
        window=window,
        objective=objective,
        page=page,
        ticket=ticket,
        extra=extra,
        method=method,
    )


@dataclass
class World:
    """A database, an engine, targets that are scraped and counts that are written straight into the ledger."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    _files: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.clock.set(START)
        self.db = Database(sqlite_url(self.folder / "burnline.db"))

        @event.listens_for(self.db.engine, "connect")
        def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")

        metadata.create_all(self.db.engine)
        self.dictionary = Dictionary()
        self.settings = EngineSettings(packs=())
        self._sources: dict[str, rows.Checkpoint] = {}
        self._content: dict[str, dict[RowKey, AtomCells]] = {}
        self.slos: tuple[Slo, ...] = ()
        self.replayer: Replayer | None = None
        self.signals: set[str] = set()

    def read(self, *texts: str) -> tuple[Slo, ...]:
        """SLOs by their own reader."""
        path = self.folder / f"slos-{next(self._files)}.yaml"
        path.write_text("---\n".join(texts))
        catalogue = load([path])
        assert catalogue.problems == ()
        return catalogue.slos

    def lead(self, *texts: str, holder: str = "one", ttl: float = 1e9) -> Engine:
        """A new engine that leads, with these SLOs in force (without any: those before)."""
        self.slos = self.read(*texts) if texts else self.slos
        epoch = leases.acquire(self.db, LEASE, holder, self.clock.now(), ttl)
        assert epoch is not None
        self.engine = Engine(self.db, self.settings, "", self.slos, self.clock, EngineMetrics())
        self.engine.lead(epoch)
        if self.replayer is None:
            plan = MeasurePlan(selectors=tuple({s for slo in self.slos for s in selectors_of(slo)}))
            self.replayer = Replayer(self.db, Counting(DIMENSIONS, plan))
        return self.engine

    # Traffic.

    def count(
        self,
        minutes: Iterable[int],
        amounts: Mapping[tuple[Measure, tuple[tuple[str, str], ...]], int | Mapping[int, int]],
        source_name: str = "straight",
        layer: str = "engine",
        coverage: float | None = 1.0,
        spread: bool = False,
    ) -> None:
        """Write the same counts into each minute (Unix seconds): measure and group → count, or cell → count.

        Every group gets a minute of expected target-time, and `coverage` of it covered (None: nothing of either).
        """
        cells: AtomCells = {}
        for (measure, group), n in amounts.items():
            for cell, amount in n.items() if isinstance(n, Mapping) else ((0, n),):
                cells[Atom(measure, group), cell] = amount
            self.signals.add(measure.name)
            if coverage is not None:
                cells |= self._target_time(group, measure.layer or layer, coverage, spread=spread)
        content = {RowKey(60, minute): cells for minute in minutes}
        self._content.setdefault(source_name, {}).update(content)
        if source_name not in self._sources:
            self._sources[source_name] = rows.open_source(self.db, "test", source_name, self.clock.now())
        mark = self._sources[source_name]
        won, _ = rows.commit(self.db, self.dictionary, [SourceFlush(mark, b"", content)], self.clock.now())
        self._sources[source_name] = won[mark.source_id]

    @staticmethod
    def _target_time(group: tuple[tuple[str, str], ...], layer: str, coverage: float, *, spread: bool) -> AtomCells:
        amounts = {"expected": 60_000, "covered": int(60_000 * coverage), "spread": 60_000 if spread else 0}
        return {
            (Atom(Measure(TARGET_TIME, layer, (("state", state),)), group), 0): n for state, n in amounts.items() if n
        }

    def tick(self, minute: int, *, now: float | None = None) -> None:
        """Everything before `minute` is committed; the engine does a round."""
        self.clock.set(float(minute) if now is None else now)
        with self.db.write() as connection:
            fleet.put_shard(connection, "test", minute, START, self.clock.now(), {})
            if self.signals:
                health = TargetHealth("straight", "test", "job", {}, 15.0, START, [], sorted(self.signals), up=True)
                fleet.put_targets(connection, [health])
        self.engine.tick()

    # What is said.

    def status(self, slo: str = "success", **group: str) -> dict[str, Any]:
        """The one row of an SLO and group; all of them are what docs/schemas says."""
        rows = store.status(self.db)
        check("slo-status", rows)
        found = [row for row in rows if row["slo"] == slo and (not group or row["group"] == group)]
        assert len(found) == 1, found
        return found[0]

    def events(self, slo: str | None = None) -> list[AlertEvent]:
        """Every alert event in order."""
        return store.events(self.db, slo=slo)

    def told(self, slo: str | None = None) -> list[str]:
        """Every event as `HH:MM transition severity slo{group}`."""
        return [describe(one) for one in self.events(slo)]


def describe(one: AlertEvent) -> str:
    """An event as `HH:MM transition severity slo{group}`."""
    group = ",".join(f"{name}={value}" for name, value in group_from_key(one.group_key))
    return f"{clock_text(one.at)} {one.transition} {one.severity} {one.slo}{{{group}}}"


def clock_text(at: float) -> str:
    """Hours and minutes since START."""
    minutes, seconds = divmod(round(at - START), 60)
    return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
