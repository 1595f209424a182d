"""The neutral model that the engine compiles from; it knows no file format.

Amounts are in the units of the ledger: seconds for latencies, micro-dollars for cost, shares from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

from core.errors import Place
from core.matchers import Matcher, Selector
from core.signals import SIGNALS

Op = Literal["lt", "lte", "gt", "gte"]


@dataclass(frozen=True)
class SignalMetric:
    """A part of one of Burnline's signals; without a layer it is counted in the outermost that the fleet has."""

    signal: str
    where: tuple[Matcher, ...] = ()
    by: tuple[str, ...] = ()
    layer: str | None = None


@dataclass(frozen=True)
class SelectorMetric:
    """Raw series by a PromQL instant selector."""

    selector: Selector
    by: tuple[str, ...] = ()


Metric = SignalMetric | SelectorMetric


@dataclass(frozen=True)
class EventRatio:
    """Events that are good (or bad) among all; exactly one of the two is set."""

    total: Metric
    good: Metric | None = None
    bad: Metric | None = None


@dataclass(frozen=True)
class QueryRatio:
    """What two PromQL queries say of each minute: good (or bad) events among all. Never exact.

    `server` names the Prometheus-compatible server; "" is the only one. `minutes`: what is good are minutes, each
    counted in so many parts; 0: events.
    """

    part: str
    total: str
    part_is_good: bool
    by: tuple[str, ...] = ()
    server: str = ""
    minutes: int = 0


@dataclass(frozen=True)
class Latency:
    """Values of a histogram at or below `threshold` (seconds) are good."""

    metric: Metric
    threshold: float


@dataclass(frozen=True)
class GaugeThreshold:
    """Target-seconds in which a gauge is `op` `value` are good."""

    metric: SignalMetric
    op: Op
    value: float


@dataclass(frozen=True)
class While:
    """Only slices in which a gauge is `op` `value` are counted."""

    signal: str
    op: Op
    value: float


@dataclass(frozen=True)
class RateSlices:
    """Slices of `slice_seconds` in which a counter's rate (units a second) is `op` `value` are good."""

    metric: SignalMetric
    op: Op
    value: float
    condition: While | None = None
    slice_seconds: int = 60


@dataclass(frozen=True)
class SumRatio:
    """At most `allowed` ledger units of the numerator for each ledger unit of the denominator.

    The budget of a window is `allowed` times the denominator, all of which may be spent: the objective of such an SLO
    is 0. `scale` is the amount of denominator that people quote the price for (cost of 1000 tokens).
    """

    numerator: SignalMetric
    denominator: SignalMetric
    scale: int
    allowed: Fraction


Counted = EventRatio | QueryRatio | Latency | GaugeThreshold | RateSlices | SumRatio
"""What is counted event by event."""


@dataclass(frozen=True)
class TimeSlices:
    """Slices of `seconds`, aligned to UTC, of what `of` counts.

    With a `target` each slice is good or bad as a whole: good from this share of good events on (Timeslices). Without
    one each slice counts by its own share of good events (RatioTimeslices). `owner` is the SLO whose exclusions hold in
    them; slices of SLOs that exclude nothing are shared.
    """

    of: Counted
    seconds: int
    target: Fraction | None
    owner: str = ""


@dataclass(frozen=True)
class Component:
    """A part of a composite: the SLO `slo`, whose burn rate counts `weight` times. `objective` chooses a burn table."""

    slo: str
    weight: Fraction
    objective: Fraction


@dataclass(frozen=True)
class Composite:
    """Burns at the sum of its components' burn rates, each times its weight. It counts nothing itself."""

    parts: tuple[Component, ...]


Indicator = Counted | TimeSlices | Composite


@dataclass(frozen=True)
class Calendar:
    """Periods of `count` units (OpenSLO's m h d w M Q Y) from `start` on, a time that the clocks of `zone` show."""

    start: datetime
    zone: str
    count: int
    unit: str


@dataclass(frozen=True)
class Exclude:
    """What an SLO does not count: announced maintenance, and so many seconds after each deployment (0: none)."""

    maintenance: bool = False
    deployments: int = 0


@dataclass(frozen=True)
class BudgetPolicy:
    """Shares of the budget below which somebody is notified, a ticket opens (None: never), and changes are frozen.

    They are frozen at the level `freeze` itself, too: a budget of which nothing is left is spent.
    """

    notify: Fraction | None
    ticket: Fraction | None
    freeze: Fraction

    @property
    def told(self) -> Mapping[str, Fraction]:
        """Those that an alert tells of, by name."""
        both = {"notify": self.notify, "ticket": self.ticket}
        return {name: level for name, level in both.items() if level is not None}

    @property
    def levels(self) -> Mapping[str, float]:
        """Every level by name, as status tells it."""
        return {name: float(level) for name, level in {**self.told, "freeze": self.freeze}.items()}


@dataclass(frozen=True)
class AlertCondition:
    """Alerts, if `breaching`, when the burn rate of `window` (seconds) is above `factor` for `hold` seconds.

    `inclusive`: at the factor too. `no_data`: a ticket tells that nothing is known.
    """

    name: str
    severity: Literal["page", "ticket"]
    factor: Fraction
    inclusive: bool
    window: int
    hold: int
    breaching: bool
    no_data: bool


@dataclass(frozen=True)
class Override:
    """Another target for the groups that fit every matcher."""

    where: tuple[Matcher, ...]
    objective: Fraction

    @property
    def text(self) -> str:
        """Its matchers in Alertmanager's notation."""
        return ",".join(str(matcher) for matcher in self.where)


@dataclass(frozen=True)
class Alerting:
    """What an SLO alerts with; an SLO that is not enabled is read and listed, but not measured."""

    enabled: bool = True
    page: bool = True
    ticket: bool = True
    runbook: str | None = None


@dataclass(frozen=True)
class Slo:
    """One objective. `group` is the name of the SLO it was written in; siblings share it.

    `indicator` is None only where `unsupported` says why nothing can be measured.
    `notes` tell what was read but has no effect. With a `calendar`, `window_seconds` is about how long a period is.
    Of `overrides`, the first that fits a group sets its target.
    """

    name: str
    group: str
    service: str
    description: str
    indicator: Indicator | None
    objective: float
    objective_exact: Fraction
    threshold: float | None
    op: Op | None
    window_seconds: int
    by: tuple[str, ...]
    alerting: Alerting
    annotations: Mapping[str, str]
    source: Place
    unsupported: str | None = None
    notes: tuple[str, ...] = ()
    calendar: Calendar | None = None
    overrides: tuple[Override, ...] = ()
    exclude: Exclude | None = None
    conditions: tuple[AlertCondition, ...] = ()
    budget_policy: BudgetPolicy | None = None

    @property
    def counted(self) -> Counted | None:
        """What is counted, also where its budget is kept in time slices; None of a composite."""
        if isinstance(self.indicator, Composite):
            return None
        return self.indicator.of if isinstance(self.indicator, TimeSlices) else self.indicator

    @property
    def sampled(self) -> bool:
        """Whether it is about a sample that detectors judged: its rate has an interval, and it never pages."""
        total = self.counted.total if isinstance(self.counted, EventRatio) else None
        return isinstance(total, SignalMetric) and total.signal in SIGNALS and SIGNALS[total.signal].sampled

    @property
    def composite(self) -> bool:
        """Whether it is made of other SLOs, and counts nothing itself."""
        return isinstance(self.indicator, Composite)

    @property
    def booked(self) -> bool:
        """Whether it has accounts in a book: it is served, and neither about a sample nor made of others."""
        return not self.unsupported and not self.sampled and not self.composite

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The SLOs that it needs, by name."""
        names = self.annotations.get("burnline/depends-on", "").split(",")
        return tuple(name.strip() for name in names if name.strip())

    @property
    def exact(self) -> bool:
        """Whether its events are counted one by one, and not asked of a query."""
        return not isinstance(self.counted, QueryRatio)

    @property
    def budget(self) -> Fraction:
        """Share of events that may be bad, exactly."""
        return 1 - self.objective_exact


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in a file; `line` counts from 1, 0 means the whole file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Catalogue:
    """Every SLO that could be read, and every problem, both in the order of file and line."""

    slos: tuple[Slo, ...]
    problems: tuple[Problem, ...]
