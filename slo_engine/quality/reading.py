"""What the samples of one group say in each window: the estimate, and what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from core.buckets import MINUTES
from core.measures import Group
from core.statistics.quality import Estimate, Stratum, estimate
from slo_engine.book import Account
from slo_engine.periods import period_seconds
from slo_engine.quality.formula import Part, SampledFormula, Tally, part_of, tally_of
from slo_engine.windows import BurnPolicy
from storage.quality import stratum_of


class Judge(NamedTuple):
    """A detector and the revision of it that is read; `since`: when its verdicts began (Unix seconds)."""

    detector: str
    revision: str
    since: float


class Verdicts(NamedTuple):
    """One stratum as one judge sees it; `tally` holds the counts of the stratum too."""

    judge: Judge
    stratum: str
    tally: Tally


@dataclass(frozen=True)
class Sample:
    """One window of one group."""

    estimate: Estimate
    verdicts: Sequence[Verdicts]

    @property
    def flagged(self) -> int:
        """Verdicts that are bad by the SLO."""
        return sum(one.tally.flagged for one in self.verdicts)

    @property
    def judged(self) -> int:
        """Verdicts that the SLO counts."""
        return self.estimate.judged


@dataclass(frozen=True)
class Reading:
    """One group of one SLO at one evaluation.

    `length`: seconds of the SLO's period that have passed. `made`: generations by window, whoever judged them.
    """

    formula: SampledFormula
    group: Group
    judges: Sequence[Judge]
    period: Sample
    length: int
    windows: Mapping[int, Sample]
    drawn: Mapping[int, int]
    made: Mapping[int, int]

    @property
    def since(self) -> float | None:
        """When counting began under the revisions that are read."""
        return max((judge.since for judge in self.judges), default=None)


Accounts = Mapping[Part, Account]


def by_group(accounts: Mapping[Group, Account]) -> dict[Group, dict[Part, Account]]:
    """The accounts of each group of the SLO."""
    found: dict[Group, dict[Part, Account]] = {}
    for key, account in accounts.items():
        part = part_of(key)
        found.setdefault(part.group, {})[part] = account
    return found


def read_group(formula: SampledFormula, group: Group, accounts: Accounts, end: int, policy: BurnPolicy) -> Reading:
    """Every window of the ticket rows and the period, all ending at `end`."""
    tickets = {w for row in policy.rows if row.severity == "ticket" for w in (row.long, row.short)}
    length = period_seconds(formula.slo, end)
    lengths = sorted({*tickets, length})
    tallies = {one: _tallies(formula, accounts, end, one) for one in lengths}
    judges = _judges(accounts, [tallies[one] for one in lengths])
    samples = {one: _sample(tallies[one], judges) for one in lengths}
    return Reading(
        formula,
        group,
        judges,
        samples[length],
        length,
        {one: samples[one] for one in sorted(tickets)},
        {seconds: sum(one.drawn for one in tallies[seconds].values()) for seconds in lengths},
        {seconds: sum(one.generated for one in tallies[seconds].values()) for seconds in lengths},
    )


def _tallies(formula: SampledFormula, accounts: Accounts, end: int, length: int) -> dict[Part, Tally]:
    windows = {part: account.window(end - length, end) for part, account in accounts.items()}
    return {part: tally_of(counts, part_is_good=formula.part_is_good) for part, counts in windows.items()}


def _judges(accounts: Accounts, tallies: Iterable[Mapping[Part, Tally]]) -> list[Judge]:
    """Of each detector the revision to read: of those that judged in the shortest window in which any did, the newest.

    So a new revision takes over with its first verdict, and an old one that was put back does so too.
    """
    judges: dict[str, Judge] = {}
    for window in tallies:
        revisions: dict[str, set[str]] = {}
        for part, tally in window.items():
            if tally.judged and part.detector not in judges:
                revisions.setdefault(part.detector, set()).add(part.revision)
        for detector, found in revisions.items():
            newest = max(found, key=lambda revision: _began(accounts, detector, revision))
            judges[detector] = Judge(detector, newest, _began(accounts, detector, newest)[0])
    return [judges[detector] for detector in sorted(judges)]


def _began(accounts: Accounts, detector: str, revision: str) -> tuple[float, float, str]:
    """Since when a revision counts; two that began in one hour are told apart by their minutes, then by name."""
    own = [account for part, account in accounts.items() if part[1:3] == (detector, revision)]
    minutes = [account.strips[MINUTES.width].since() for account in own]
    since = min((at for account in own if (at := account.since()) is not None), default=inf)
    return since, min((float(at) for at in minutes if at is not None), default=-inf), revision


def _sample(tallies: Mapping[Part, Tally], judges: Sequence[Judge]) -> Sample:
    strata = {part.stratum: tally for part, tally in tallies.items() if not part.detector}
    found = []
    for judge in judges:
        own = {part.stratum: tally for part, tally in tallies.items() if part[1:3] == judge[:2]}
        for stratum in sorted(strata.keys() | own.keys()):
            of, drawn = own.get(stratum, Tally()), strata.get(stratum, Tally())
            tally = of._replace(drawn=drawn.drawn, generated=drawn.generated)
            if any(tally):
                found.append(Verdicts(judge, stratum, tally))
    return Sample(estimate([_stratum(one.tally) for one in found]), found)


def _stratum(tally: Tally) -> Stratum:
    return stratum_of(tally.generated, tally.drawn, tally.flagged, tally.judged, tally.not_applicable)
