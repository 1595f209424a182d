"""What the page is narrowed to: the query parameters of its address, which alerts link to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

DIMENSIONS = ("model", "version", "region", "tenant")
NAMES = ("slo", *DIMENSIONS, "incident", "canary")
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True)
class Filters:
    """`slo` by name, `incident` and `canary` by id, `group` by dimension; what is not given does not narrow.

    `at` (Unix seconds): the moment that is looked at; None is now.
    """

    slo: str | None = None
    incident: int | None = None
    group: Mapping[str, str] = field(default_factory=dict)
    canary: str | None = None
    at: float | None = None

    def takes(self, slo: str) -> bool:
        """Whether an SLO is meant."""
        return self.slo is None or slo == self.slo

    def covers(self, group: Mapping[str, str]) -> bool:
        """Whether a group is meant; one that is not told apart by a dimension holds all of its values."""
        return all(group.get(name, value) == value for name, value in self.group.items())

    def pairs(self) -> list[tuple[str, str]]:
        """Names and values as they stand in the address, in the order of NAMES; the moment is none of them."""
        incident = None if self.incident is None else str(self.incident)
        given = {"slo": self.slo, **self.group, "incident": incident, "canary": self.canary}
        return [(name, value) for name in NAMES if (value := given.get(name)) is not None]


def from_query(query: Mapping[str, str]) -> Filters:
    """Filters of an address; an empty value, or an incident that is no number, does not narrow."""
    incident = query.get("incident", "")
    return Filters(
        slo=query.get("slo") or None,
        incident=int(incident) if incident.isascii() and incident.isdigit() and len(incident) < 16 else None,
        group={name: value for name in DIMENSIONS if (value := query.get(name))},
        canary=query.get("canary") or None,
        at=moment(query.get("at", "")),
    )


def moment(text: str) -> float | None:
    """Unix seconds of a time in an address, written as such or as RFC 3339 with its zone; None if it is neither."""
    if text.isascii() and text.isdigit() and len(text) < 12:
        at = float(text)
    else:
        try:
            read = datetime.fromisoformat(text)
            at = -1.0 if read.tzinfo is None else read.astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            return None
    return at if 0 <= at < _YEAR_10000 else None


def choices(slos: Iterable[str], groups: Iterable[Mapping[str, str]], chosen: Filters) -> list[tuple[str, str]]:
    """Every pair that can be chosen: those of the data, and those that are chosen though no data have them."""
    found = {("slo", slo) for slo in slos}
    found |= {(name, value) for group in groups for name, value in group.items() if name in DIMENSIONS}
    found |= set(chosen.pairs())
    return sorted(found, key=lambda pair: (NAMES.index(pair[0]), pair[1]))
