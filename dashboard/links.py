"""Addresses of the pages, for links from one to another; `slo_engine.alerts.Links` writes the same into alerts.

They are relative to any page, so that they hold behind a proxy that serves the dashboard under a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from dashboard.filters import Filters

ON_CALL, EXECUTIVE, DEBUG, SLO = "./", "executive", "debug", "slo"
"""Path of each page, as app.py gives it."""


_ALL = Filters()


def address(page: str, chosen: Filters = _ALL, **more: str) -> str:
    """The page with these filters and, on top, parameters of its own (`trace`, `target`, `range`)."""
    pairs = [*chosen.pairs(), *(() if chosen.at is None else (("at", rfc3339(chosen.at)),)), *more.items()]
    return f"{page}?{urlencode(pairs, safe=':')}" if pairs else page


def of_group(page: str, group: Mapping[str, str], at: float | None = None, slo: str | None = None) -> str:
    """The page narrowed to one group, and to a moment if there is one."""
    return address(page, Filters(slo=slo, group=group, at=at))


def trace(trace_id: str) -> str:
    """A trace's waterfall."""
    return address(DEBUG, trace=trace_id)


def rfc3339(at: float) -> str:
    """Whole seconds in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
