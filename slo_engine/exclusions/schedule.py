"""Which minutes of which group are excluded, and why: from what people announced and registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.buckets import MINUTES, end_of_window, start_of
from core.matchers import Matcher, matches_all
from core.measures import Group
from slo_engine.specs.model import Slo
from storage.deployments import Deployment
from storage.maintenance import Maintenance


class Span(NamedTuple):
    """[start, end) in Unix seconds, whole minutes that hold it; groups that fit `where`; `why` for people."""

    start: int
    end: int
    where: tuple[Matcher, ...]
    why: str

    @property
    def minutes(self) -> range:
        """Where its minutes begin."""
        return range(self.start, self.end, MINUTES.width)


class Schedule(NamedTuple):
    """What is excluded in a stretch of time."""

    maintenance: tuple[Span, ...] = ()
    deployments: tuple[Deployment, ...] = ()

    def why(self, slo: Slo, group: Group, minute: int) -> str | None:
        """Why an SLO does not count the minute that begins at `minute` in a group; None when it does."""
        return next(iter(self.reasons(slo, group, minute, minute + MINUTES.width)), None)

    def reasons(self, slo: Slo, group: Group, start: float, end: float) -> list[str]:
        """Why an SLO does not count some of [start, end) in a group."""
        if slo.exclude is None:
            return []
        labels = {**dict(group), "slo": slo.name, "service": slo.service}
        spans = self.maintenance if slo.exclude.maintenance else ()
        found = [span.why for span in spans if _touches(span.minutes, start, end) and matches_all(span.where, labels)]
        for one in self.deployments:
            if _touches(deployed(one, slo.exclude.deployments), start, end) and concerns(one, labels):
                found.append(f"deployment of {one.version}")
        return list(dict.fromkeys(found))

    def minutes(self, slos: Iterable[Slo]) -> set[int]:
        """Every minute that any of these SLOs may exclude."""
        found = {minute for span in self.maintenance for minute in span.minutes}
        lengths = {slo.exclude.deployments for slo in slos if slo.exclude}
        return found | {minute for one in self.deployments for length in lengths for minute in deployed(one, length)}


def spans_of(found: Sequence[Maintenance], low: float, high: float) -> tuple[Span, ...]:
    """The occurrences of maintenance windows that touch [low, high)."""
    return tuple(_span(one, begin, end) for one in found for begin, end in one.between(low, high))


def _span(one: Maintenance, begin: float, end: float) -> Span:
    start, last = start_of(begin, MINUTES.width), end_of_window(end, MINUTES.width)
    return Span(start, last, one.matchers, f"maintenance: {one.reason}")


def deployed(one: Deployment, seconds: int) -> range:
    """The minutes that a deployment may take."""
    if not seconds:
        return range(0)
    start, end = start_of(one.at, MINUTES.width), end_of_window(one.at + seconds, MINUTES.width)
    return range(start, end, MINUTES.width)


def _touches(minutes: range, start: float, end: float) -> bool:
    return bool(minutes) and minutes.start < end and minutes.stop > start


def concerns(one: Deployment, labels: Mapping[str, str]) -> bool:
    """Whether a deployment may have touched a group: no label that both have differs."""
    told = (("model", one.model), ("version", one.version), ("region", one.region))
    return all(value is None or labels.get(name, value) == value for name, value in told)
