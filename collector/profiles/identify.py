"""Which engine wrote a page, and which raw metric carries which signal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from collector.profiles.load import profiles
from collector.profiles.model import Part, Profile
from collector.profiles.versions import version_of

_SUFFIXES = ("_bucket", "_count", "_sum")


class Identity(NamedTuple):
    """The engine of a page (None: unknown), how sure (0 to 1), the raw names of each signal, and its version.

    `version` is a range such as "after 0.28"; None where the page does not tell it, and then `version_reason` says why.
    """

    engine: str | None
    confidence: float
    signals: dict[str, list[str]]
    unmapped: list[str]
    version: str | None
    version_reason: str | None


def recognise(names: Iterable[str]) -> tuple[Profile | None, float]:
    """The profile with the most metrics on the page; each metric with its prefix halves the doubt that is left.

    Where none of its own prefixes is there, only spellings that others may use, a signal must be there too. A page of
    two layers is that of the profile that knows the other beside it.
    """
    present = set(names)
    found = [(own, p) for p in profiles() if (own := _own(p, present)) and _speaks(p, present)]
    inner = {engine for _, p in found for engine in p.beside}
    outer = [(own, p) for own, p in found if p.engine not in inner]
    most, best = max(outer, key=lambda one: one[0], default=(0, None))
    return best, round(1 - 0.5**most, 3)


def _own(profile: Profile, present: set[str]) -> int:
    return sum(1 for name in present if profile.short(name) is not None)


def layers_of(profile: Profile, names: Iterable[str]) -> tuple[Profile, ...]:
    """The profile of a page, and those of the engines beside it that have a signal there."""
    present = set(names)
    beside = (other for other in profiles() if other.engine in profile.beside)
    return (profile, *(other for other in beside if _speaks(other, present)))


def _speaks(profile: Profile, present: set[str]) -> bool:
    if any(profile.is_own(name) for name in present):
        return True
    return any(chosen(profile, part, present) for parts in profile.signals.values() for part in parts)


def chosen(profile: Profile, part: Part, present: set[str]) -> list[str]:
    """The raw names on the page that a part reads: those of the first of its names that is there."""
    for name in part.raw:
        if name in present or f"{name}_bucket" in present:
            return [name]
    for short in part.names:
        for name in (prefix + spelled for prefix in profile.prefixes for spelled in _spellings(part, short)):
            if name in present or f"{name}_bucket" in present:
                return [name]
    return []


def _spellings(part: Part, short: str) -> tuple[str, ...]:
    """A counter may stand without `_total` (old Ray); the first spelling that is there wins by being asked first."""
    if part.kind == "counter" and short.endswith("_total"):
        return (short, short.removesuffix("_total"))
    return (short,)


def identify(names: Iterable[str], types: dict[str, str]) -> Identity:
    """The identity of a page from its sample names and its TYPE lines."""
    present = set(names)
    profile, confidence = recognise(present)
    families = sorted({family_of(name, types) for name in present})
    if profile is None:
        return Identity(None, 0.0, {}, families, None, "The page is of no engine with a profile.")
    signals: dict[str, list[str]] = {}
    for one in layers_of(profile, present):
        for signal, raw in _signals(one, present):
            signals.setdefault(signal, []).extend(raw)
    mapped = {family_of(name, types) for raw in signals.values() for name in raw}
    unmapped = [family for family in families if family not in mapped]
    return Identity(profile.engine, confidence, signals, unmapped, *version_of(profile, present))


def _signals(profile: Profile, present: set[str]) -> Iterable[tuple[str, list[str]]]:
    """The signals of a profile that a page has, aliases too, with their raw names."""
    for signal, parts in profile.signals.items():
        raw = [name for part in parts for name in (*chosen(profile, part, present), *_rest(profile, part, present))]
        if raw:
            yield signal, raw
        for part in parts:
            names = chosen(profile, part, present)
            yield from ((alias, names) for alias in part.aliases(signal) if names)


def _rest(profile: Profile, part: Part, present: set[str]) -> list[str]:
    return [name for short in part.rest for prefix in profile.prefixes if (name := prefix + short) in present]


def family_of(name: str, types: dict[str, str]) -> str:
    """A histogram's or summary's samples go by the family's name; anything else by its own."""
    for suffix in _SUFFIXES:
        base = name.removesuffix(suffix)
        if base != name and types.get(base) in ("histogram", "summary", "gaugehistogram"):
            return base
    return name
