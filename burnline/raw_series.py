"""Which raw series carry a signal, by the engine profiles: for programs that read a Prometheus server and not us."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from collector.profiles.load import profiles
from collector.profiles.model import Part, Profile
from core.errors import ConfigError
from core.matchers import Matcher
from core.signals import LAYERS, OUTCOMES
from slo_engine.compile import OF_TRACES, signal_of, where_of
from slo_engine.rules.promql import quoted
from slo_engine.rules.raw import Inexpressible, RawSeries, Rename
from slo_engine.specs.model import SignalMetric
from slo_engine.specs.node import nearest

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


def signals_of_engines(engines: Sequence[str]) -> ProfileSignals:
    """The signals of these engines; ConfigError for a name that has no profile."""
    known = {profile.engine: profile for profile in profiles()}
    for engine in engines:
        if engine not in known:
            names = ", ".join(known)
            raise ConfigError(f"there is no engine {engine!r}, only {names}{nearest(engine, tuple(known))}")
    return ProfileSignals(tuple(known[engine] for engine in dict.fromkeys(engines)))


class ProfileSignals:
    """Signals by the profiles of a fleet's engines: each is read in the outermost layer that has it."""

    def __init__(self, engines: tuple[Profile, ...]) -> None:
        self._engines = engines

    def series_of(self, metric: SignalMetric) -> tuple[RawSeries, ...]:
        """The series whose sum is the metric; Inexpressible where no engine tells it."""
        signal = signal_of(metric)
        found = self._telling(signal, metric.layer)
        series = [one for profile in found for one in _series(profile, signal, metric)]
        if not series:
            where = ", ".join(map(str, metric.where))
            raise Inexpressible(f"no raw metric of {_names(found)} has {metric.signal} with {where or 'its outcome'}")
        return tuple(series)

    def _telling(self, signal: str, layer: str | None) -> list[Profile]:
        telling = [one for one in self._engines if signal in one.signals and layer in (None, one.layer)]
        if not telling:
            raise Inexpressible(self._why_not(signal, layer))
        outermost = min((one.layer for one in telling), key=LAYERS.index)
        return [one for one in telling if one.layer == outermost]

    def _why_not(self, signal: str, layer: str | None) -> str:
        if signal in OF_TRACES:
            return f"{signal} comes from applications' traces, which Prometheus does not hold"
        if not self._engines:
            return f"{signal} is a signal: name the engine whose raw metrics carry it, as --engine vllm"
        reasons = [one.cannot[signal] for one in self._engines if signal in one.cannot]
        inside = f" in the layer {layer}" if layer else ""
        said = f"no engine given tells {signal}{inside}"
        return " ".join([f"{said}:" if reasons else said, *reasons])


def _names(found: Iterable[Profile]) -> str:
    return ", ".join(one.engine for one in found)


def _series(profile: Profile, signal: str, metric: SignalMetric) -> Iterable[RawSeries]:
    for part in profile.signals[signal]:
        matchers = _matchers(profile, part, metric)
        if matchers is not None:
            yield RawSeries(
                part.kind,
                (*part.raw, *(profile.prefixes[0] + name for name in part.names)),
                matchers,
                part.scale,
                tuple(profile.prefixes[0] + name for name in part.rest),
                _renames(profile, part, metric),
                profile.totals,
                profile.blank_from,
            )


def _renames(profile: Profile, part: Part, metric: SignalMetric) -> tuple[Rename, ...]:
    """The dimensions that another label tells, the best label last."""
    for dimension in metric.by:
        _require_told(profile, part, dimension)
    return tuple(
        Rename(dimension, label, profile.absent)
        for dimension in metric.by
        for label in reversed(profile.dimensions.get(dimension, ()))
        if label != dimension or len(profile.dimensions[dimension]) > 1 or profile.absent
    )


def _require_told(profile: Profile, part: Part, dimension: str) -> None:
    if profile.join:
        raise Inexpressible(
            f"{profile.engine} tells no {dimension}: it is that of the pod which holds the device, a join that only "
            "Burnline makes"
        )
    http = [name for name in (*part.raw, *part.names) if name.startswith("http_")]
    if dimension in profile.one_a_page and http:
        raise Inexpressible(f"{http[0]} of {profile.engine} carries no {dimension}; Burnline takes that of its page")


def _matchers(profile: Profile, part: Part, metric: SignalMetric) -> tuple[Matcher, ...] | None:
    """What of a part is counted; None where nothing of it is."""
    found = [_one_of(label, values) for where in (profile.where, part.where) for label, values in where.items()]
    found += [Matcher(label, "!~", _any(values)) for label, values in profile.without.items()]
    for matcher in where_of(metric):
        if matcher.name == "outcome" and part.counts_outcomes:
            more = _outcomes(part, matcher)
        elif matcher.name in ("outcome", part.attribute):
            more = _attribute(part, matcher)
        else:
            more = (_dimension(profile, part, matcher),)
        if more is None:
            return None
        found += more
    return tuple(found)


def _one_of(label: str, values: Sequence[str]) -> Matcher:
    return Matcher(label, "=", values[0]) if len(values) == 1 else Matcher(label, "=~", _any(values))


def _any(values: Sequence[str]) -> str:
    """A regular expression for any of them; one that ends in * stands for all that begin so."""
    return "|".join(f"{quoted(value[:-1])}.*" if value.endswith("*") else quoted(value) for value in values)


def _outcomes(part: Part, matcher: Matcher) -> tuple[Matcher, ...] | None:
    wanted = [outcome for outcome in OUTCOMES if matcher.accepts(outcome)]
    if part.outcome:
        return () if part.outcome in wanted else None
    listed = {"good": part.good, "bad": part.bad, "excluded": part.excluded}
    # A value that no list has is excluded.
    inside = "excluded" not in wanted
    values = [value for outcome in OUTCOMES if (outcome in wanted) is inside for value in listed[outcome]]
    if not values:
        return None if inside else ()
    others = [value for outcome in OUTCOMES if (outcome in wanted) is not inside for value in listed[outcome]]
    if not inside and "*" in values:  # every value is listed, so what is wanted is what is listed as wanted
        values, others, inside = others, values, True
    if not values:
        return None
    _require_plain(part, values, others)
    return (Matcher(part.label, "=~" if inside else "!~", _any(values)), *_named_apart(part, values, others, inside))


def _named_apart(part: Part, values: Sequence[str], others: Sequence[str], inside: bool) -> tuple[Matcher, ...]:
    """Values that are named themselves, and also begin as a pattern of the wanted ones does."""
    stems = [value[:-1] for value in values if value.endswith("*")]
    apart = [value for value in others if not value.endswith("*") and value.startswith(tuple(stems))] if stems else []
    if apart and not inside:
        raise Inexpressible(f"the values of {part.label} cannot be told apart by one matcher")
    return (Matcher(part.label, "!~", _any(apart)),) if apart else ()


def _require_plain(part: Part, values: Sequence[str], others: Sequence[str]) -> None:
    stems, other_stems = ([v[:-1] for v in side if v.endswith("*")] for side in (values, others))
    if any(a.startswith(b) or b.startswith(a) for a in stems for b in other_stems):
        raise Inexpressible(f"the values of {part.label} cannot be told apart by one matcher")


def _attribute(part: Part, matcher: Matcher) -> tuple[Matcher, ...] | None:
    """A part of a signal by its reason or code."""
    if not part.label or matcher.name != part.attribute:
        told = part.reason if matcher.name == part.attribute else ""
        return () if matcher.accepts(told) else None
    if part.status_class:
        wanted = [one for one in _CLASSES if matcher.accepts(one)]
        return (Matcher(part.label, "=~", "|".join(f"{c[0]}[0-9][0-9]|{c}" for c in wanted)),) if wanted else None
    return (Matcher(part.label, matcher.op, matcher.value),)


def _dimension(profile: Profile, part: Part, matcher: Matcher) -> Matcher:
    _require_told(profile, part, matcher.name)
    labels = profile.dimensions.get(matcher.name, (matcher.name,))
    if len(labels) > 1 or (profile.absent and matcher.name in profile.dimensions):
        raise Inexpressible(
            f"{matcher.name} is told by one of the labels {', '.join(labels)} on {profile.engine}'s page: no matcher "
            "can say which"
        )
    return Matcher(labels[0], matcher.op, matcher.value)
