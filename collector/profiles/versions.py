"""Which versions of an engine may have written a page, by the metric names on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from collector.profiles.model import Marker, Profile


class Version(NamedTuple):
    """A range of versions, or None and why it is not known."""

    text: str | None
    reason: str | None


class _Bounds(NamedTuple):
    """What must hold of the version: each a version as text."""

    at_least: list[str]
    after: list[str]
    before: list[str]


def version_of(profile: Profile, names: Iterable[str]) -> Version:
    """The versions that have the names which are there, and lack those that a whole page would have."""
    present = set(names)
    short = {found for name in present if (found := profile.short(name)) is not None}
    told = profile.versions
    bounds = _Bounds([], [], [])
    whole = bool(told.whole_with) and present.issuperset(told.whole_with)
    for marker in told.markers:
        if marker.name in short or f"{marker.name}_bucket" in short:
            _note_present(marker, bounds)
        elif whole and marker.always:
            bounds.before.extend(filter(None, [marker.since]))
    return _range(bounds, told.reason)


def _note_present(marker: Marker, bounds: _Bounds) -> None:
    if marker.after:
        bounds.after.append(marker.after)
    elif marker.since:
        bounds.at_least.append(marker.since)
    if marker.gone:
        bounds.before.append(marker.gone)


def _range(bounds: _Bounds, reason: str) -> Version:
    lower = _best(max, [*bounds.at_least, *bounds.after])
    upper = _best(min, bounds.before)
    if lower and upper and (_key(lower) > _key(upper) or lower == upper):
        return Version(None, f"Names of versions after {lower} and before {upper} stand on one page.")
    if not (lower or upper):
        return Version(None, reason)
    begins = "after" if lower in bounds.after else "from"
    parts = ([f"{begins} {lower}"] if lower else []) + ([f"before {upper}"] if upper else [])
    return Version(", ".join(parts), None)


def _best(pick: Callable[..., str], versions: list[str]) -> str | None:
    return pick(versions, key=_key) if versions else None


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
