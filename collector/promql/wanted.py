"""What is asked for: the raw series that profiles and the plan's selectors read, of the targets that are selected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from collector.profiles import profiles
from collector.profiles.model import Part, Profile
from core.matchers import Matcher, Selector, parse_selector
from storage.plan import MeasurePlan, SelectorMeasure

ALWAYS = ("up", "process_start_time_seconds")
_TOTAL = "_total"


def expressions(match: Sequence[str], plan: MeasurePlan, *, signals: bool = True) -> list[str]:
    """The selectors whose raw samples hold everything that is counted; `signals`: those of the profiles too.

    Names are factored by prefix: spelled out they are longer than VictoriaMetrics takes (16 KiB a query).
    """
    spelled = [pattern for profile in profiles() for pattern in _of_profile(profile)] if signals else []
    spelled += [*ALWAYS, *sorted({name for item in plan.selectors for name in _names(item)})]
    named = Matcher("__name__", "=~", "|".join(dict.fromkeys(spelled)))
    targets = [parse_selector(text).matchers for text in match]
    found = [Selector("", (named, *own)) for own in targets]
    for item in plan.selectors:
        if not item.parsed().metric:
            found += [Selector("", (*item.parsed().matchers, *own)) for own in targets]
    return list(dict.fromkeys(map(str, found)))


def up(match: Sequence[str]) -> list[str]:
    """Selectors of the targets that the server has."""
    return [str(Selector("up", parse_selector(text).matchers)) for text in match]


def _names(item: SelectorMeasure) -> Iterable[str]:
    """The names of a selector's series; none where it has no metric name."""
    metric = item.parsed().metric
    if metric and item.kind == "histogram":
        yield from (f"{metric}_bucket", f"{metric}_created")
    elif metric:
        yield metric
        if metric.endswith(_TOTAL):
            yield metric.removesuffix(_TOTAL) + "_created"


def _of_profile(profile: Profile) -> Iterable[str]:
    parts = [part for of_signal in profile.signals.values() for part in of_signal]
    if own := _alternatives((part.kind, name) for part in parts for name in (*part.names, *part.rest)):
        yield f"{_any(profile.prefixes)}{_any(own)}"
    yield from _alternatives(_raw(parts))


def _raw(parts: Iterable[Part]) -> Iterable[tuple[str, str]]:
    return ((part.kind, name) for part in parts for name in part.raw)


def _alternatives(named: Iterable[tuple[str, str]]) -> list[str]:
    """Patterns of the series of parts (kind, name): a histogram's buckets, a counter with and without `_total`."""
    pairs = list(dict.fromkeys(named))
    histograms = [name for kind, name in pairs if kind == "histogram"]
    counters = [name.removesuffix(_TOTAL) for kind, name in pairs if kind == "counter" and name.endswith(_TOTAL)]
    others = [name for kind, name in pairs if kind != "histogram" and not (kind == "counter" and name.endswith(_TOTAL))]
    found = list(others)
    if histograms:
        found.append(f"{_any(histograms)}_(bucket|created)")
    if counters:
        found.append(f"{_any(counters)}(_total|_created)?")
    return found


def _any(options: Sequence[str]) -> str:
    return options[0] if len(options) == 1 else f"({'|'.join(dict.fromkeys(options))})"
