"""Raw metrics, as a Prometheus server holds them: the port by which signals get their names.

The engine knows no engine profile; whoever composes the program says which raw series carry a signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from core.errors import BurnlineError
from core.matchers import Matcher
from slo_engine.specs.model import SignalMetric

RawKind = Literal["counter", "histogram", "gauge", "share", "time"]


class Inexpressible(BurnlineError):
    """An SLI has no equal in PromQL; the text says why and, where there is one, what to do."""


class Rename(NamedTuple):
    """The raw label that tells a dimension, and values by which it says that it has none."""

    dimension: str
    label: str
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawSeries:
    """Series that are counted together. Of `names` the first that a target shows is read.

    `scale` makes ledger units of the raw ones (of a histogram's bounds: seconds). `rest`: of a share, what, added to
    the value, makes the whole; all but the first may be missing. `renames`: applied in order, the last one wins.
    `totals`: labels by which parts stand beside their total; where a total is, it alone is read.
    `blank_from`: a value from there on says that there is none.
    """

    kind: RawKind
    names: tuple[str, ...]
    matchers: tuple[Matcher, ...] = ()
    scale: float = 1.0
    rest: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()
    totals: tuple[str, ...] = ()
    blank_from: float = float("inf")


class RawSignals(Protocol):
    """Which raw series carry a signal."""

    def series_of(self, metric: SignalMetric) -> tuple[RawSeries, ...]:
        """The series whose sum is the metric, at least one; Inexpressible where no engine tells it."""
        ...


class NoSignals:
    """Of no engine: only raw selectors and queries can be written."""

    def series_of(self, metric: SignalMetric) -> tuple[RawSeries, ...]:
        """None."""
        raise Inexpressible(
            f"{metric.signal} is a signal: name the engine whose raw metrics carry it, as --engine vllm"
        )
