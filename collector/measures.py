"""From a page's series to what they count: the layout of a page, made once for each shape it takes.

A layout says which raw values are counters (and which atoms of the ledger each feeds), which are gauges, which series
tells when the process began, and in which groups the target therefore counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isnan
from operator import itemgetter
from typing import NamedTuple, Protocol

from collector.increments import Reading, cumulative
from collector.profiles.identify import chosen
from collector.profiles.model import Part, Profile
from core.labels import Labels, make, render, with_target
from core.matchers import Selector
from core.measures import Group, Measure
from core.signals import SIGNALS
from storage.ledger.dictionary import Atom
from storage.plan import MeasurePlan, SelectorMeasure

_WORK = ("requests", "generation_tokens")
"""Signals that move while an engine works."""


class RawSeries(Protocol):
    """A series of a page: its metric name and its labels without `__name__`."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Labels: ...


class CounterSlot(NamedTuple):
    """A raw counter: where its values stand on the page (a histogram has several) and what its increments feed."""

    key: str
    indices: tuple[int, ...]
    scale: float
    atoms: tuple[Atom, ...]
    created: int | None

    def reading(self, raw: tuple[float, ...]) -> Reading | None:
        """Its raw values, `_created` last if it has one, as whole numbers; None where they are no counter's."""
        own = len(self.indices)
        numbers = cumulative(raw[:own], self.scale)
        return None if numbers is None else Reading(numbers, raw[own] if self.created is not None else None)


class GaugeSlot(NamedTuple):
    """A raw gauge: the value, or with `rest` its share of the whole that they make together, if the first is known."""

    at: int
    rest: tuple[int, ...]
    scale: float
    atom: Atom


class Coverage(NamedTuple):
    """A family of groups for which target-time is kept: those of a layer's signals, or those of one selector."""

    of: str
    layer: str
    groups: frozenset[Group]


@dataclass(frozen=True)
class Layout:
    """How one shape of page is read."""

    counters: tuple[CounterSlot, ...]
    gauges: tuple[GaugeSlot, ...]
    times: tuple[Atom, ...]
    process_start: int | None
    coverage: tuple[Coverage, ...]
    signals: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> Mapping[str, CounterSlot]:
        """The counters by their key."""
        return {slot.key: slot for slot in self.counters}

    @cached_property
    def work(self) -> frozenset[str]:
        """Keys of the counters that move while an engine works."""
        return frozenset(slot.key for slot in self.counters if any(a.measure.name in _WORK for a in slot.atoms))

    def read_counters(self, values: Sequence[float]) -> dict[str, Reading]:
        """The page's counters as whole numbers; one that is no number, or a histogram that shows more below a bound
        than above it, is left out, as if it were not there."""
        return CounterReader(self).read(values)

    def read_gauges(self, values: Sequence[float], blank_from: float) -> Iterable[tuple[Atom, float]]:
        """The page's gauges in their signal's unit; blanks and NaN are left out."""
        for slot in self.gauges:
            value = values[slot.at]
            if isnan(value) or value >= blank_from:
                continue
            if slot.rest:
                rest = [v for i in slot.rest if not isnan(v := values[i]) and v < blank_from]
                whole_ = value + sum(rest)
                if values[slot.rest[0]] not in rest or whole_ <= 0:
                    continue
                value /= whole_
            yield slot.atom, value * slot.scale


class CounterReader:
    """Reads a layout's counters page after page; what shows the same again is not worked out again."""

    def __init__(self, layout: Layout) -> None:
        self._slots = [(slot, _picker(slot)) for slot in layout.counters]
        self._before: list[tuple[tuple[float, ...], Reading | None]] = [((), None)] * len(self._slots)

    def read(self, values: Sequence[float]) -> dict[str, Reading]:
        """The page's counters by key, as `Layout.read_counters` says."""
        result: dict[str, Reading] = {}
        for place, (slot, pick) in enumerate(self._slots):
            raw = pick(values)
            before, reading = self._before[place]
            if raw != before:
                reading = slot.reading(raw)
                self._before[place] = raw, reading
            if reading is not None:
                result[slot.key] = reading
        return result


def _picker(slot: CounterSlot) -> Callable[[Sequence[float]], tuple[float, ...]]:
    """A counter's raw values of a page, `_created` last if there is one."""
    if len(slot.indices) == 1 and slot.created is None:
        (place,) = slot.indices
        return lambda values: (values[place],)
    return itemgetter(*slot.indices, *(() if slot.created is None else (slot.created,)))


@dataclass
class _Page:
    series: Sequence[RawSeries]
    target: Mapping[str, str]
    by_name: dict[str, list[int]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for index, one in enumerate(self.series):
            self.by_name.setdefault(one.name, []).append(index)

    def at(self, name: str) -> list[int]:
        self.asked.add(name)
        return self.by_name.get(name, [])

    def labels(self, index: int) -> dict[str, str]:
        return with_target(self.series[index].labels, self.target)

    def key(self, index: int) -> str:
        one = self.series[index]
        return one.name + render(one.labels)

    def twin(self, index: int, name: str) -> int | None:
        """The series of another metric with the same labels."""
        labels = self.series[index].labels
        return next((i for i in self.at(name) if self.series[i].labels == labels), None)


class LayoutBuilder:
    """Makes layouts for one target: its profile, its labels, the fleet's dimensions and the plan of selectors."""

    def __init__(
        self,
        profile: Profile | None,
        target_labels: Mapping[str, str],
        dimensions: tuple[str, ...],
        plan: MeasurePlan,
    ) -> None:
        self._profile = profile
        self._target = target_labels
        self._dimensions = dimensions
        self._plan = plan

    def build(self, series: Sequence[RawSeries]) -> Layout:
        """The layout of a page with exactly these series."""
        return self.build_and_tell(series)[0]

    def build_and_tell(self, series: Sequence[RawSeries]) -> tuple[Layout, frozenset[str]]:
        """The layout, and the names whose series it depends on; of all others it depends on the name alone."""
        page = _Page(series, self._target)
        slots = _Slots()
        groups: set[Group] = set()
        if self._profile is not None:
            groups = self._signals(page, self._profile, slots)
        coverage = [Coverage("", self._profile.layer, frozenset(groups))] if self._profile is not None else []
        for item in self._plan.selectors:
            family = _selector(page, item, slots)
            if family not in coverage:  # two lists of bounds over one selector are one family
                coverage.append(family)
        start = page.at("process_start_time_seconds")
        layout = Layout(
            tuple(CounterSlot(*slot) for slot in slots.merged()),
            tuple(slots.gauges),
            tuple(slots.times),
            start[0] if len(start) == 1 else None,  # several processes' pages in one tell of none when it began
            tuple(coverage),
            tuple(sorted(slots.signals)),
            tuple(sorted(slots.unmapped)),
        )
        return layout, frozenset(page.asked)

    def fallback_group(self) -> Group:
        """The group of a target that was never read: what its own labels tell."""
        return make((dim, self._target.get(dim, "")) for dim in self._dimensions)

    def _signals(self, page: _Page, profile: Profile, slots: _Slots) -> set[Group]:
        groups: set[Group] = set()
        present = set(page.by_name)
        for signal, parts in profile.signals.items():
            for part in parts:
                for name in chosen(profile, part, present):
                    slots.signals.add(signal)
                    groups |= self._part(page, profile, signal, part, name, slots)
        return {group for group in groups if not any(set(group) < set(other) for other in groups)} or {
            self.fallback_group()
        }

    def _part(self, page: _Page, profile: Profile, signal: str, part: Part, name: str, slots: _Slots) -> set[Group]:
        groups: set[Group] = set()
        if part.kind == "histogram":
            for histogram in _histograms(page, name):
                group = self._group(page, profile, histogram.indices[0])
                measure = Measure(signal, profile.layer, (), histogram.bounds)
                slots.count(page, histogram.key, histogram.indices, part.scale, Atom(measure, group), histogram.created)
                groups.add(group)
            return groups
        for index in page.at(name):
            group = self._group(page, profile, index)
            groups.add(group)
            self._scalar(page, profile, signal, part, index, group, slots)
        return groups

    def _scalar(
        self, page: _Page, profile: Profile, signal: str, part: Part, index: int, group: Group, slots: _Slots
    ) -> None:
        if part.kind == "counter":
            value = dict(page.series[index].labels).get(part.label, "")
            measure = Measure(signal, profile.layer, _attributes(part, value, slots))
            slots.count(page, page.key(index), (index,), part.scale, Atom(measure, group), _created(page, index))
        elif part.kind == "time":
            slots.times.append(Atom(Measure(signal, profile.layer), group))
        else:
            twins = [_twin(page, profile, index, short) for short in part.rest]
            if twins and twins[0] is None:
                return
            rest = tuple(twin for twin in twins if twin is not None)
            atom = Atom(Measure(signal, profile.layer, (), SIGNALS[signal].bounds), group)
            slots.gauges.append(GaugeSlot(index, rest, part.scale, atom))

    def _group(self, page: _Page, profile: Profile, index: int) -> Group:
        own = dict(page.series[index].labels)
        return make(
            (
                dim,
                next(
                    (own[n] for n in profile.dimensions.get(dim, ()) if own.get(n)),
                    self._target.get(dim, own.get(dim, "")),
                ),
            )
            for dim in self._dimensions
        )


@dataclass
class _Slots:
    counters: dict[tuple[str, float], tuple[tuple[int, ...], list[Atom], int | None]] = field(default_factory=dict)
    gauges: list[GaugeSlot] = field(default_factory=list)
    times: list[Atom] = field(default_factory=list)
    unmapped: set[str] = field(default_factory=set)
    signals: set[str] = field(default_factory=set)

    def count(
        self, page: _Page, key: str, indices: tuple[int, ...], scale: float, atom: Atom, created: int | None
    ) -> None:
        """Feed an atom from a raw counter; a counter that feeds several is differenced once."""
        slot = self.counters.setdefault((key, scale), (indices, [], created))
        if atom not in slot[1]:
            slot[1].append(atom)

    def merged(self) -> Iterable[tuple[str, tuple[int, ...], float, tuple[Atom, ...], int | None]]:
        for (key, scale), (indices, atoms, created) in self.counters.items():
            yield (key if scale == 1.0 else f"{key} * {scale!r}", indices, scale, tuple(atoms), created)


class _Histogram(NamedTuple):
    key: str
    indices: tuple[int, ...]
    bounds: tuple[float, ...]
    created: int | None


def _histograms(page: _Page, family: str, selector: Selector | None = None) -> Iterable[_Histogram]:
    """The classic histograms of a family: one for each set of labels without `le`, bounds rising, +Inf last."""
    parts: dict[Labels, dict[float, int]] = {}
    for index in page.at(f"{family}_bucket"):
        labels = page.series[index].labels
        bound = _bound(dict(labels).get("le", ""))
        if bound is None or (selector is not None and not _fits(page, index, family, selector)):
            continue
        parts.setdefault(tuple(p for p in labels if p[0] != "le"), {}).setdefault(bound, index)
    for labels, buckets in parts.items():
        bounds = sorted(buckets)
        if bounds[-1] != inf:
            continue
        created = next((i for i in page.at(f"{family}_created") if page.series[i].labels == labels), None)
        finite = tuple(bounds[:-1])
        key = f"{family}{render(labels)} le={','.join(map(repr, finite))}"
        yield _Histogram(key, tuple(buckets[b] for b in bounds), finite, created)


def _twin(page: _Page, profile: Profile, index: int, short: str) -> int | None:
    twins = (page.twin(index, prefix + short) for prefix in profile.prefixes)
    return next((twin for twin in twins if twin is not None), None)


def _fits(page: _Page, index: int, family: str, selector: Selector) -> bool:
    labels = page.labels(index)
    del labels["le"]
    return Selector("", selector.matchers).matches(family, labels)


def _bound(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if isnan(value) else value


def _created(page: _Page, index: int) -> int | None:
    name = page.series[index].name
    return page.twin(index, name.removesuffix("_total") + "_created") if name.endswith("_total") else None


def _attributes(part: Part, value: str, slots: _Slots) -> Labels:
    if not part.counts_outcomes:
        return make({part.attribute: value}) if part.label else ()
    if not part.outcome and value not in (*part.good, *part.bad, *part.excluded):
        slots.unmapped.add(f"{part.label}={value}")
    return make({"outcome": part.outcome_of(value), part.attribute: value or part.reason})


def _selector(page: _Page, item: SelectorMeasure, slots: _Slots) -> Coverage:
    selector = item.parsed()
    groups: set[Group] = set()
    if item.kind == "histogram":
        for family in _families(page, selector):
            for found in _histograms(page, family, selector):
                group = _by(page, found.indices[0], item.by)
                atom = Atom(item.measure(found.bounds), group)
                slots.count(page, found.key, found.indices, 1.0, atom, found.created)
                groups.add(group)
        return Coverage(item.name, "", frozenset(groups))
    for index in _matching(page, selector):
        group = _by(page, index, item.by)
        groups.add(group)
        if item.kind == "gauge":
            slots.gauges.append(GaugeSlot(index, (), 1.0, Atom(item.measure(item.bounds), group)))
        else:
            slots.count(page, page.key(index), (index,), 1.0, Atom(item.measure(), group), _created(page, index))
    return Coverage(item.name, "", frozenset(groups))


def _families(page: _Page, selector: Selector) -> list[str]:
    names = [name.removesuffix("_bucket") for name in page.by_name if name.endswith("_bucket")]
    return [name for name in names if not selector.metric or name == selector.metric]


def _matching(page: _Page, selector: Selector) -> Iterable[int]:
    names = [selector.metric] if selector.metric else list(page.by_name)
    for name in names:
        for index in page.at(name):
            if selector.matches(name, page.labels(index)):
                yield index


def _by(page: _Page, index: int, by: tuple[str, ...]) -> Group:
    labels = page.labels(index)
    return make((name, labels.get(name, "")) for name in by)
