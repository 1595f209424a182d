"""What the series of a target's pages are called in the end: relabelled, and within the limits of labels.

A page that shows the series of the page before costs nothing but its values: what became of each series is kept, and
handed out as the same list of the same objects again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collector.exposition import Reading, Series
from collector.relabel import Rule, is_label_name, may_change, relabel
from collector.settings import ScrapeJob
from core.errors import ScrapeError
from core.labels import Labels, make, with_target, without_target


class LabelLimits(NamedTuple):
    """As in Prometheus, of a series after relabelling, its name included; 0 is no limit. Lengths are in bytes."""

    labels: int = 0
    name_length: int = 0
    value_length: int = 0

    def check(self, labels: Mapping[str, str]) -> None:
        """ScrapeError where a series is over a limit: it refuses the page."""
        series = f"a series of {labels.get('__name__', '')[:50]}"
        if self.labels and len(labels) > self.labels:
            raise ScrapeError("label_limit", f"{series} has {len(labels)} labels, over the limit of {self.labels}")
        for name, value in labels.items():
            if self.name_length and len(name.encode()) > self.name_length:
                raise ScrapeError(
                    "label_name_length_limit",
                    f"{series} has the label {name[:50]}, whose name is over the limit of {self.name_length} bytes",
                )
            if self.value_length and len(value.encode()) > self.value_length:
                raise ScrapeError(
                    "label_value_length_limit",
                    f"{series} has a label {name[:50]} whose value is over the limit of {self.value_length} bytes",
                )


NO_LIMITS = LabelLimits()


def limits_of(job: ScrapeJob) -> LabelLimits:
    """A job's limits of labels."""
    return LabelLimits(job.label_limit, job.label_name_length_limit, job.label_value_length_limit)


class PageLabels:
    """Names the series of one target, as long as its labels are the same.

    `fixed`: those labels of the target that no rule can change. A series' own labels are told without them, so that
    with them it is exactly what the rules made of it.
    """

    def __init__(self, rules: Sequence[Rule], limits: LabelLimits, target: Labels) -> None:
        self._rules = rules
        self._limits = limits
        self._target = dict(target)
        self.fixed: Labels = tuple(pair for pair in target if not may_change(rules, pair[0]))
        self._series: Sequence[Series] = ()
        self._named: dict[Series, Series | None] = {}
        self._result: list[Series] = []
        self._places: list[int] | None = None
        self._repeated = 0

    @property
    def revision(self) -> str:
        """Another one where rules or labels are others; empty without rules."""
        return repr(([rule.given for rule in self._rules], self._target)) if self._rules else ""

    def page(self, reading: Reading) -> Reading:
        """The page with its series as they are called in the end; ScrapeError where one is over a limit."""
        if not self._rules and not any(self._limits):
            return reading
        if reading.series is not self._series:
            self._adopt(reading.series)
        if not self._rules:
            return reading
        numbers, stamps = reading.numbers, reading.timestamps
        if self._places is not None:
            numbers = numbers[self._places]
            stamps = stamps and list(map(stamps.__getitem__, self._places))
        return reading._replace(
            series=self._result, numbers=numbers, timestamps=stamps, duplicates=reading.duplicates + self._repeated
        )

    def _adopt(self, series: Sequence[Series]) -> None:
        by_labels = {(one.name, one.labels): one for one in self._result}
        known, named = self._named, {}
        for one in series:
            named[one] = known[one] if one in known else self._name(one, by_labels)
        kept = [place for place, one in enumerate(series) if named[one] is not None]
        first: dict[Series | None, int] = {}
        for place in kept:
            first.setdefault(named[series[place]], place)
        places = list(first.values())
        self._named, self._repeated = named, len(kept) - len(places)
        self._result = [one for one in first if one is not None]
        self._places = places if len(places) < len(series) else None
        self._series = series

    def _name(self, one: Series, by_labels: dict[tuple[str, Labels], Series]) -> Series | None:
        """What a series is called; None where a rule drops it. One object for those that end alike."""
        final = relabel({**with_target(one.labels, self._target), "__name__": one.name}, self._rules)
        if not final:
            return None
        _check_names(one, final)
        self._limits.check(final)
        name = final.pop("__name__")
        identity = (name, without_target(make(final), dict(self.fixed)))
        return by_labels.setdefault(identity, Series(*identity))


def _check_names(before: Series, final: Mapping[str, str]) -> None:
    """ScrapeError where rules made something that is no series: it refuses the page, as in Prometheus."""
    name = final.get("__name__", "")
    known = {"__name__", *(label for label, _ in before.labels)}
    wrong = [label for label in final if label not in known and not is_label_name(label)]
    if not name or wrong or (name != before.name and not is_label_name(name.replace(":", "_"))):
        raise ScrapeError("relabel", f"rules made of a series of {before.name} what has no valid names: {dict(final)}")
