"""What the Debug and SLO pages are asked for: the query parameters of their addresses, and links that change some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from dashboard.debug.span import RANGES
from dashboard.filters import DIMENSIONS

CALLS = ("all", "failed", "slow", "drawn")
NAMES = ("slo", "target", *DIMENSIONS, "signal", "metric", "calls", "trace", "at", "range")


@dataclass(frozen=True)
class Asked:
    """One address. `at` in Unix seconds; `range` is None where the page may choose; what is None narrows nothing."""

    slo: str | None = None
    target: str | None = None
    group: Mapping[str, str] = field(default_factory=dict)
    signal: str | None = None
    metric: str | None = None
    calls: str = CALLS[0]
    trace: str | None = None
    at: float | None = None
    range: str | None = None


def from_query(query: Mapping[str, str]) -> Asked:
    """The address as it is meant; what cannot be read is as if it were not given."""
    calls, length = query.get("calls", ""), query.get("range", "")
    return Asked(
        slo=query.get("slo") or None,
        target=query.get("target") or None,
        group={name: value for name in DIMENSIONS if (value := query.get(name))},
        signal=query.get("signal") or None,
        metric=query.get("metric") or None,
        calls=calls if calls in CALLS else CALLS[0],
        trace=query.get("trace") or None,
        at=read_time(query.get("at", "")),
        range=length if length in RANGES else None,
    )


def read_time(text: str) -> float | None:
    """Unix seconds or RFC 3339 as Unix seconds; None for anything else, or for a time that no calendar has."""
    try:
        time = float(text)
    except ValueError:
        return _read_rfc3339(text)
    return time if 0 <= time < datetime.max.replace(tzinfo=UTC).timestamp() - 86_400 else None


def link(query: Mapping[str, str], page: str = "", **changes: str | None) -> str:
    """The address of a page (this one by default) with some parameters changed, and those that are None taken away."""
    kept = {name: value for name in NAMES if (value := {**query, **changes}.get(name))}
    return f"{page}?{urlencode(kept)}"


def _read_rfc3339(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
