"""From an SLO over judged samples to what the engine's memory keeps for it.

The five columns are the verdicts that are its bad ones, all that it counts, those that had nothing to judge, and the
generations drawn and made. The first three are kept by detector, revision and stratum, the last two by stratum.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from core.matchers import Matcher, matches_all
from core.measures import Group, project
from core.signals import SIGNALS
from slo_engine.book import Counts
from slo_engine.compile import CellRange, Formula, Pick, Term
from slo_engine.specs.model import EventRatio, SignalMetric, Slo
from storage.ledger.dictionary import Atom

FLAGGED, COUNTED, NOT_APPLICABLE, DRAWN, GENERATED = range(5)

JUDGED = "judged"
_OF_A_VERDICT = ("detector", "revision", "verdict")
_SPLIT = ("detector", "revision", "stratum")
"""What an account is kept by beside the dimensions of the SLO."""


class Tally(NamedTuple):
    """One window of one account."""

    flagged: int = 0
    judged: int = 0
    not_applicable: int = 0
    drawn: int = 0
    generated: int = 0


class Part(NamedTuple):
    """Whose counts an account holds; detector and revision are "" for what was drawn and made."""

    group: Group
    detector: str
    revision: str
    stratum: str


class SampledFormula(Formula):
    """A compiled SLO over `judged`; its accounts are those of `Part`."""

    def group_of(self, atom: Atom) -> Group:
        """The account that an atom counts in: the SLO's group, then detector, revision and stratum."""
        attrs = dict(atom.measure.attrs)
        return (*project(atom.group, self.slo.by), *((name, attrs.get(name, "")) for name in _SPLIT))


def part_of(account: Group) -> Part:
    """What an account's key says."""
    detector, revision, stratum = (value for _, value in account[-3:])
    return Part(account[:-3], detector, revision, stratum)


def tally_of(counts: Counts, *, part_is_good: bool) -> Tally:
    """The columns of a window by their meaning here."""
    found = Tally(*counts)
    return found._replace(flagged=max(0, found.judged - found.flagged)) if part_is_good else found


def compile_sampled(slo: Slo) -> SampledFormula:
    """The formula of an SLO whose `sampled` is true."""
    ratio = slo.indicator
    assert isinstance(ratio, EventRatio)
    part = _where(ratio.good or ratio.bad)
    total = _where(ratio.total)
    of_generations = _without(total, _OF_A_VERDICT)
    terms = (
        Term(FLAGGED, _pick(JUDGED, part)),
        Term(COUNTED, _pick(JUDGED, total)),
        Term(
            NOT_APPLICABLE, _pick(JUDGED, (*_without(total, ("verdict",)), Matcher("verdict", "=", "not_applicable")))
        ),
        Term(DRAWN, _pick("drawn", of_generations)),
        Term(GENERATED, _pick("generations", of_generations)),
    )
    return SampledFormula(slo, terms, part_is_good=ratio.good is not None)


def _where(metric: object) -> tuple[Matcher, ...]:
    assert isinstance(metric, SignalMetric)
    assert SIGNALS[metric.signal].sampled
    return metric.where


def _without(where: Sequence[Matcher], names: Collection[str]) -> tuple[Matcher, ...]:
    return tuple(matcher for matcher in where if matcher.name not in names)


def _pick(name: str, where: tuple[Matcher, ...]) -> Pick:
    def pick(atom: Atom) -> CellRange | None:
        if atom.measure.name != name:
            return None
        return (0, 1) if matches_all(where, {**dict(atom.group), **dict(atom.measure.attrs)}) else None

    return pick
