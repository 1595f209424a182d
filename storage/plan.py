"""The compiled measure plan: raw selectors and PromQL queries that must be counted beyond the signals.

The engine compiles it from the SLOs and writes it; the collectors read it and count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, func, insert, select

from core.histogram import Bounds
from core.matchers import Selector, parse_selector
from core.measures import Measure
from storage.database import Database
from storage.tables import measure_plan

SelectorKind = Literal["counter", "histogram", "gauge"]


class SelectorMeasure(BaseModel):
    """One selector that is counted, and the labels its groups are made of; `bounds` are a gauge's cells."""

    model_config = ConfigDict(frozen=True)

    selector: str
    by: tuple[str, ...] = ()
    kind: SelectorKind = "counter"
    bounds: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The measure's name in the ledger: equal selectors with equal groups share it."""
        return f"selector:{self.selector} by({','.join(self.by)})"

    def measure(self, bounds: Bounds | None = None) -> Measure:
        """Its atom, over the bounds of a page where it is a histogram."""
        return Measure(self.name, "", (), bounds)

    def parsed(self) -> Selector:
        """The selector, with a histogram's family as its metric."""
        selector = parse_selector(self.selector)
        if self.kind == "histogram":
            return Selector(selector.metric.removesuffix("_bucket"), selector.matchers)
        return selector


class QueryMeasure(BaseModel):
    """Two PromQL queries, a part and the total, that are asked together; `server` is "" for the only one."""

    model_config = ConfigDict(frozen=True)

    part: str
    total: str
    by: tuple[str, ...] = ()
    server: str = ""

    @property
    def name(self) -> str:
        """The measure's name in the ledger: equal queries with equal groups at one server share it."""
        return f"query:{self.server}:{self.part} / {self.total} by({','.join(self.by)})"

    def measure(self, count: Literal["part", "total"]) -> Measure:
        """The atom of one of the two."""
        return Measure(self.name, "", (("count", count),))


class MeasurePlan(BaseModel):
    """The selectors and queries of all SLOs that are in force."""

    model_config = ConfigDict(frozen=True)

    revision: int = 0
    selectors: tuple[SelectorMeasure, ...] = ()
    queries: tuple[QueryMeasure, ...] = ()


def current(database: Database) -> MeasurePlan:
    """The newest plan."""
    with database.read() as connection:
        return current_in(connection)


def current_in(connection: Connection) -> MeasurePlan:
    """The newest plan, in a transaction of the caller's; revision 0 is the empty plan before any was written."""
    row = connection.execute(select(measure_plan).order_by(measure_plan.c.revision.desc()).limit(1)).one_or_none()
    if row is None:
        return MeasurePlan()
    return MeasurePlan(
        revision=row.revision,
        selectors=tuple(SelectorMeasure.model_validate(item) for item in row.plan if "selector" in item),
        queries=tuple(QueryMeasure.model_validate(item) for item in row.plan if "selector" not in item),
    )


def put(
    connection: Connection, selectors: Sequence[SelectorMeasure], now: float, queries: Sequence[QueryMeasure] = ()
) -> MeasurePlan:
    """Write a new revision, unless the newest already says the same."""
    newest = current_in(connection)
    wanted = tuple(sorted(set(selectors), key=lambda s: (s.name, s.kind)))
    asked = tuple(sorted(set(queries), key=lambda q: q.name))
    if (newest.selectors, newest.queries) == (wanted, asked):
        return newest
    revision = int(connection.execute(select(func.coalesce(func.max(measure_plan.c.revision), 0))).scalar_one()) + 1
    plan = [item.model_dump(mode="json") for item in (*wanted, *asked)]
    connection.execute(insert(measure_plan).values(revision=revision, created_at=now, plan=plan))
    return MeasurePlan(revision=revision, selectors=wanted, queries=asked)
