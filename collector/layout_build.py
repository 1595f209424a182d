"""Making the layout of a page: which of its series feed which atoms, by the profile and the plan's selectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from types import MappingProxyType
from typing import NamedTuple

from collector.counters import CounterSlot
from collector.measures import Coverage, GaugeSlot, Layout, RawSeries
from collector.pods import Pods, place_of
from collector.profiles.identify import chosen, layers_of
from collector.profiles.model import Part, Profile
from core.labels import Labels, make, render, with_target
from core.matchers import Selector
from core.measures import Group, Measure
from core.signals import SIGNALS
from storage.ledger.dictionary import Atom
from storage.plan import MeasurePlan, SelectorMeasure

_PROCESS = "pid"
"""The label by which prometheus_client tells the processes of one server apart (its multiprocess mode)."""


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


class _Found(NamedTuple):
    """A part of a signal and the raw name by which the page has it."""

    signal: str
    part: Part
    name: str

    @property
    def series(self) -> str:
        """The name of its series."""
        return f"{self.name}_bucket" if self.part.kind == "histogram" else self.name


class LayoutBuilder:
    """Makes layouts for one target: its profile, its labels, the fleet's dimensions and the plan of selectors."""

    def __init__(
        self,
        profile: Profile | None,
        target_labels: Mapping[str, str],
        dimensions: tuple[str, ...],
        plan: MeasurePlan,
        pods: Pods = MappingProxyType({}),
    ) -> None:
        self._profile = profile
        self._target = target_labels
        self._dimensions = dimensions
        self._plan = plan
        self._pods = pods
        self._alone: dict[str, str] = {}

    def build(self, series: Sequence[RawSeries]) -> Layout:
        """The layout of a page with exactly these series."""
        return self.build_and_tell(series)[0]

    def build_and_tell(self, series: Sequence[RawSeries]) -> tuple[Layout, frozenset[str]]:
        """The layout, and the names whose series it depends on; of all others it depends on the name alone."""
        page = _Page(series, self._target)
        slots = _Slots()
        layers = layers_of(self._profile, page.by_name) if self._profile is not None else ()
        coverage = [Coverage("", one.layer, frozenset(self._signals(page, one, slots))) for one in layers]
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
            tuple(sorted(slots.per_pid)),
        )
        return layout, frozenset(page.asked)

    def fallback_group(self) -> Group:
        """The group of a target that was never read: what its own labels tell."""
        return make((dim, self._target.get(dim, "")) for dim in self._dimensions)

    def _signals(self, page: _Page, profile: Profile, slots: _Slots) -> set[Group]:
        groups: set[Group] = set()
        present = set(page.by_name)
        found = [
            _Found(signal, part, name)
            for signal, parts in profile.signals.items()
            for part in parts
            for name in chosen(profile, part, present)
        ]
        self._alone = self._said_alone(page, profile, found)
        for one in found:
            slots.signals |= {one.signal} | one.part.aliases(one.signal)
            groups |= self._part(page, profile, one, slots)
        return {group for group in groups if not any(set(group) < set(other) for other in groups)} or {
            self.fallback_group()
        }

    def _said_alone(self, page: _Page, profile: Profile, found: Sequence[_Found]) -> dict[str, str]:
        """Dimensions of which the engine has one value, as its page tells: it is that of series that tell none."""
        self._alone = {}  # what they tell themselves, not what a page before made of it
        values: dict[str, set[str]] = {}
        for one in found:
            for index in _read(page, profile, one.part, one.series):
                for dim, value in self._group(page, profile, index):
                    values.setdefault(dim, set()).add(value)
        return {dim: next(iter(own)) for dim, own in values.items() if dim in profile.one_a_page and len(own) == 1}

    def _part(self, page: _Page, profile: Profile, found: _Found, slots: _Slots) -> set[Group]:
        signal, part, name = found
        groups: set[Group] = set()
        if part.kind == "histogram":
            for histogram in _histograms(page, name, among=_read(page, profile, part, found.series)):
                group = self._group(page, profile, histogram.indices[0])
                measure = Measure(signal, profile.layer, (), _scaled(histogram.bounds, part.scale))
                slots.count(page, histogram.key, histogram.indices, 1.0, Atom(measure, group), histogram.created)
                groups.add(group)
            return groups
        read = _read(page, profile, part, name)
        if any(_has(page, index, _PROCESS) for index in read):
            slots.per_pid.add(name)
        for index, *others in _by_process(page, read) if part.kind == "gauge" else ([index] for index in read):
            group = self._group(page, profile, index)
            groups.add(group)
            self._scalar(page, profile, found, index, group, slots)
            if others:
                slots.gauges[-1] = slots.gauges[-1]._replace(others=tuple(others))
        return groups

    def _scalar(self, page: _Page, profile: Profile, found: _Found, index: int, group: Group, slots: _Slots) -> None:
        signal, part, _ = found
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
        held = self._pods.get(place_of(own, profile.join), {}) if profile.join else {}
        return make(
            (
                dim,
                next(
                    (own[n] for n in profile.dimensions.get(dim, ()) if own.get(n) and own[n] not in profile.absent),
                    held.get(dim) or self._target.get(dim, own.get(dim, self._alone.get(dim, ""))),
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
    per_pid: set[str] = field(default_factory=set)

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


def _read(page: _Page, profile: Profile, part: Part, name: str) -> list[int]:
    """The series of a name that a part reads: none beside a total that holds it already."""
    found = [index for index in page.at(name) if profile.fits(part, dict(page.series[index].labels))]
    for label in profile.totals:
        wholes = {page.series[index].labels for index in found if not _has(page, index, label)}
        found = [index for index in found if not _has(page, index, label) or _without(page, index, label) not in wholes]
    return found


def _by_process(page: _Page, found: Sequence[int]) -> list[list[int]]:
    """The series, those together that differ in their process alone."""
    same: dict[Labels, list[int]] = {}
    for index in found:
        same.setdefault(_without(page, index, _PROCESS), []).append(index)
    return list(same.values())


def _has(page: _Page, index: int, label: str) -> bool:
    return any(name == label for name, _ in page.series[index].labels)


def _without(page: _Page, index: int, label: str) -> Labels:
    return tuple(pair for pair in page.series[index].labels if pair[0] != label)


def _scaled(bounds: tuple[float, ...], scale: float) -> tuple[float, ...]:
    """Bounds in the signal's unit: 300 ms are 0.3 s, and not 0.30000000000000004."""
    return bounds if scale == 1.0 else tuple(float(f"{bound * scale:.12g}") for bound in bounds)


def _histograms(
    page: _Page, family: str, selector: Selector | None = None, among: Sequence[int] | None = None
) -> Iterable[_Histogram]:
    """The classic histograms of a family: one for each set of labels without `le`, bounds rising, +Inf last."""
    parts: dict[Labels, dict[float, int]] = {}
    for index in page.at(f"{family}_bucket") if among is None else among:
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
        return make({part.attribute: part.told(value) or part.reason}) if part.label or part.reason else ()
    if not part.outcome and not part.knows(value):
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
