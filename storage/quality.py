"""How many generations were drawn, judged and flagged in a time, by group, detector, revision and stratum.

Read from the ledger's roll-ups, at the width that the length of the time is read from: `since` begins at the next
bucket's edge, and the bucket that holds `until` counts whole, so a running one is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.buckets import end_of_window, tier_of_window
from core.measures import Group, project
from core.signals import VERDICTS
from core.statistics.quality import Stratum
from storage.database import Database
from storage.ledger import rollups
from storage.ledger.dictionary import Atom, Dictionary

GENERATIONS, DRAWN, JUDGED = "generations", "drawn", "judged"


@dataclass(frozen=True)
class QualityCounts:
    """One detector's revision in one stratum of a group, in generations.

    `generated` and `drawn` are of the stratum, whoever judges it: equal in the rows of all detectors.
    """

    detector: str
    revision: str
    group: Group
    stratum: str
    generated: int = 0
    drawn: int = 0
    flagged: int = 0
    clear: int = 0
    failed: int = 0
    not_applicable: int = 0

    @property
    def judged(self) -> int:
        """Verdicts that say something: flagged and clear."""
        return self.flagged + self.clear

    def sample(self) -> Stratum:
        """What the estimate is made from."""
        return stratum_of(self.generated, self.drawn, self.flagged, self.judged, self.not_applicable)


def stratum_of(generated: int, drawn: int, flagged: int, judged: int, not_applicable: int) -> Stratum:
    """A stratum weighted by the generations that the detector can speak of.

    Which of those that were not drawn are applicable is estimated from the sample, with half a verdict on each side, so
    that a stratum in which none has been applicable yet keeps a small weight. What was judged before its generation was
    counted (the two have writers of their own) is in the population too.
    """
    population = max(generated, drawn, judged + not_applicable)
    applicable = (judged + 0.5) / (judged + not_applicable + 1) if not_applicable else 1.0
    return Stratum(population * applicable, min(flagged, judged), judged, max(0, drawn - not_applicable))


def counts(db: Database, since: float, until: float, by: tuple[str, ...] = ("model", "version")) -> list[QualityCounts]:
    """The counts between two times (Unix seconds), by group, detector, revision and stratum.

    Where a revision judged anything in a group, it has a row for every stratum of the group, also of those in which it
    judged nothing. The strata of a group that nobody judged have rows with detector and revision "". A time that is
    shorter than 6 h is read from minutes, which are kept for 48 h; up to 3 d from five minutes, kept for 7 d.
    """
    width = tier_of_window(until - since).width
    start = end_of_window(since, width)
    dictionary = Dictionary()
    sums: dict[int, int] = {}
    for key, cells in rollups.read(db, width, start):
        if key.bucket < until:
            for (series_id, _), n in cells.items():
                sums[series_id] = sums.get(series_id, 0) + n
    return _rows(((dictionary.atom(db, series_id), n) for series_id, n in sums.items()), by)


_Part = tuple[Group, str]
"""A group and a stratum."""


@dataclass
class _Sums:
    generated: dict[_Part, int] = field(default_factory=dict)
    drawn: dict[_Part, int] = field(default_factory=dict)
    verdicts: dict[tuple[Group, str, str], dict[str, dict[str, int]]] = field(default_factory=dict)
    """(group, detector, revision) → stratum → verdict → n."""

    def add(self, atom: Atom, n: int, by: tuple[str, ...]) -> None:
        attrs, group = dict(atom.measure.attrs), project(atom.group, by)
        stratum, verdict = attrs.get("stratum", ""), attrs.get("verdict", "")
        if atom.measure.name in (GENERATIONS, DRAWN):
            into = self.generated if atom.measure.name == GENERATIONS else self.drawn
            into[group, stratum] = into.get((group, stratum), 0) + n
        elif atom.measure.name == JUDGED and verdict in VERDICTS:
            judge = (group, attrs.get("detector", ""), attrs.get("revision", ""))
            of = self.verdicts.setdefault(judge, {}).setdefault(stratum, {})
            of[verdict] = of.get(verdict, 0) + n


def _rows(amounts: Iterable[tuple[Atom, int]], by: tuple[str, ...]) -> list[QualityCounts]:
    sums = _Sums()
    for atom, n in amounts:
        sums.add(atom, n, by)
    strata: dict[Group, set[str]] = {}
    for group, stratum in (*sums.generated, *sums.drawn):
        strata.setdefault(group, set()).add(stratum)
    judges = dict(sums.verdicts)
    for group in strata.keys() - {group for group, _, _ in judges}:
        judges[group, "", ""] = {}
    rows = [
        _row(sums, (detector, revision, group), stratum, own.get(stratum, {}))
        for (group, detector, revision), own in judges.items()
        for stratum in strata.get(group, set()) | own.keys()
    ]
    return sorted(rows, key=lambda one: (one.group, one.detector, one.revision, one.stratum))


def _row(sums: _Sums, who: tuple[str, str, Group], stratum: str, own: Mapping[str, int]) -> QualityCounts:
    part = (who[2], stratum)
    verdicts = (own.get(verdict, 0) for verdict in VERDICTS)
    return QualityCounts(*who, stratum, sums.generated.get(part, 0), sums.drawn.get(part, 0), *verdicts)
