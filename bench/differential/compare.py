"""The comparison: one fleet, judged by the truth, by Burnline and by Prometheus."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from bench.differential.subject import SEVERITIES, fleet_in_trouble, promise
from bench.differential.truth import Truth
from bench.fleets import BEGIN, REGIONS, Fleet
from bench.prometheus import Prometheus, inlined, serving
from bench.replayed import Replayed, replay
from slo_engine.rules import RulePolicy, generate
from slo_engine.rules.recording import BAD, TOTAL, record_of
from slo_engine.specs.model import Slo

WINDOWS = (300, 1800, 3600, 7200, 21_600)
"""Those of the burn rows that fit into a history of hours."""
STEP = 300
"""Windows are compared at every fifth minute."""
Course = Mapping[int, float]
"""Values by second since the beginning."""


class Count(NamedTuple):
    """One window's bad and total requests by all three; `straddling` was gained across its edges."""

    truth: tuple[int, int]
    burnline: tuple[int, int]
    prometheus: tuple[float, float]
    straddling: int


class Windows(NamedTuple):
    """All windows of one length, both ends in pauses of traffic (`quiet`) or anywhere."""

    quiet: bool
    length: int
    counts: tuple[Count, ...]

    @property
    def exact(self) -> int:
        """In how many Burnline has both true counts."""
        return sum(count.burnline == count.truth for count in self.counts)

    @property
    def beyond(self) -> int:
        """In how many Burnline is off by more than what was gained across the edges."""
        return sum(abs(c.burnline[n] - c.truth[n]) > c.straddling for c in self.counts for n in (0, 1))

    def worst(self, who: str) -> float:
        """The largest error of a total, as a share of the true one."""
        return max((_error(c, getattr(c, who)[1]) for c in self.counts), default=0.0)

    def usual(self, who: str) -> float:
        """The mean error of a total."""
        return mean(_error(c, getattr(c, who)[1]) for c in self.counts) if self.counts else 0.0


def _error(count: Count, total: float) -> float:
    return abs(total - count.truth[1]) / count.truth[1] if count.truth[1] else 0.0


class Timeline(NamedTuple):
    """The minutes at whose end an alert fires, by each judge (`backtest`: Burnline's, over its ledger at the end)."""

    region: str
    severity: str
    truth: frozenset[int]
    burnline: frozenset[int]
    backtest: frozenset[int]
    prometheus: frozenset[int]


@dataclass(frozen=True)
class Comparison:
    """`shares`: the bad share over five minutes, by region and judge."""

    seed: int
    fleet: Fleet
    slo: Slo
    windows: tuple[Windows, ...]
    timelines: tuple[Timeline, ...]
    shares: Mapping[str, Mapping[str, Course]]


def compare(seed: int, hours: int = 10, targets: int = 6, *, live: bool = True) -> Comparison:
    """Judge one fleet three times. `live`: by Burnline's engine minute by minute, not by its backtest alone."""
    fleet, slo = fleet_in_trouble(seed, hours, targets), promise()
    text = fleet.openmetrics()
    replayed = replay(text, [slo], live=live)
    truths = {region: Truth(fleet, region) for region in REGIONS}
    with tempfile.TemporaryDirectory(prefix="burnline-differential-") as folder, serving(text, Path(folder)) as server:
        asked = _Asked(server, slo, fleet)
        windows = tuple(_windows(fleet, replayed, truths, asked))
        timelines = tuple(
            _timeline(slo, fleet, replayed, truths[region], asked, region, severity)
            for region in REGIONS
            for severity in SEVERITIES
        )
        shares = {region: _shares(fleet, replayed, truths[region], asked, region) for region in REGIONS}
    return Comparison(seed, fleet, slo, windows, timelines, shares)


class _Asked:
    """What Prometheus says of the generated rules at every minute."""

    def __init__(self, server: Prometheus, slo: Slo, fleet: Fleet) -> None:
        self._server, self._end = server, BEGIN + fleet.seconds
        self._rules = inlined(generate([slo], policy=RulePolicy.BURNLINE).groups)
        self._known: dict[tuple[str, str], dict[str, Course]] = {}

    def course(self, name: str, region: str, severity: str = "") -> Course:
        """One rule of one region."""
        key = name, severity
        if key not in self._known:
            found = self._server.course(self._rules[key], BEGIN + 60, self._end)
            self._known[key] = {
                dict(labels)["region"]: {at - BEGIN: value for at, value in values.items()}
                for labels, values in found.items()
            }
        return self._known[key].get(region, {})


def _windows(fleet: Fleet, replayed: Replayed, truths: Mapping[str, Truth], asked: _Asked) -> Iterable[Windows]:
    for quiet in (True, False):
        for length in WINDOWS:
            ends = list(_ends(fleet, length, quiet=quiet))
            counts = (
                _count(fleet, replayed, truths[region], asked, region, end - length, end)
                for region in REGIONS
                for end in ends
            )
            if ends:
                yield Windows(quiet, length, tuple(counts))


def _ends(fleet: Fleet, length: int, *, quiet: bool) -> Iterable[int]:
    edges = set(fleet.quiet_edges())
    for end in range(length, fleet.seconds, STEP):
        if (end in edges and (end - length in edges or end == length)) is quiet:
            yield end


def _count(fleet: Fleet, replayed: Replayed, truth: Truth, asked: _Asked, region: str, begin: int, end: int) -> Count:
    ours = replayed.counts("success", (("region", region),), BEGIN + begin, BEGIN + end)
    theirs = (asked.course(record_of(what, end - begin), region).get(end, 0.0) for what in (BAD, TOTAL))
    bad, total = theirs
    return Count(truth.window(begin, end), (ours.part, ours.total), (bad, total), fleet.straddling(region, begin, end))


def _timeline(
    slo: Slo, fleet: Fleet, replayed: Replayed, truth: Truth, asked: _Asked, region: str, severity: str
) -> Timeline:
    group = (("region", region),)
    minutes = range(60, fleet.seconds + 1, 60)
    ours, again = (replayed.firing(slo.name, group, severity, again=which) for which in (False, True))
    holds = asked.course("ErrorBudgetBurn", region, severity)
    return Timeline(
        region,
        severity,
        truth.firing(slo, severity, minutes),
        frozenset(minute - BEGIN for minute in ours if minute - BEGIN <= fleet.seconds),
        frozenset(minute - BEGIN for minute in again if minute - BEGIN <= fleet.seconds),
        # keep_firing_for: a minute more than the condition
        frozenset(minute for minute in minutes if minute in holds or minute - 60 in holds),
    )


def _shares(fleet: Fleet, replayed: Replayed, truth: Truth, asked: _Asked, region: str) -> Mapping[str, Course]:
    minutes = range(300, fleet.seconds + 1, 60)
    ours = {m: replayed.counts("success", (("region", region),), BEGIN + m - 300, BEGIN + m) for m in minutes}
    true = {minute: truth.window(minute - 300, minute) for minute in minutes}
    return {
        "truth": {minute: bad / total for minute, (bad, total) in true.items() if total},
        "Burnline": {minute: counts.part / counts.total for minute, counts in ours.items() if counts.total},
        "Prometheus": asked.course("slo:bad_per_total:ratio_increase5m", region),
    }
