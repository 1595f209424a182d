"""`burnline ledger query`: the question as it is typed, and its answer as JSON-ready rows."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from typing import Any

from burnline.settings import Settings
from burnline.times import parse_time
from burnline.views import time_text
from core.buckets import TIERS
from core.errors import ConfigError
from slo_engine.catalogue import SloFiles
from slo_engine.history import history, width_for
from slo_engine.metrics import EngineMetrics
from slo_engine.specs.model import Slo
from storage.database import Database

_WIDTHS = tuple(tier.width for tier in TIERS)


def query(
    settings: Settings,
    opened: Callable[[Settings], Database],
    sli: str,
    groups: Sequence[str],
    start: str,
    end: str,
    step: int | None,
) -> list[dict[str, Any]]:
    """Rows `{bucket, group, good, total, coverage, numerator}` by group and time; ConfigError says what is wrong."""
    if step is not None and step not in _WIDTHS:
        raise ConfigError(f"--step is one of {', '.join(map(str, _WIDTHS))}")
    applied = settings.engine.slo_source == "applied"
    files = SloFiles(settings.engine, EngineMetrics(), opened(settings) if applied else None)
    slo = _named(files.slos, sli)
    first, last = parse_time(start), parse_time(end)
    width = step or width_for(first, time.time())
    found = history(opened(settings), slo, first, last, width, dict(map(_pair, groups)))
    return [one._asdict() | {"bucket": time_text(one.bucket), "group": dict(one.group)} for one in found]


def _named(slos: Sequence[Slo], name: str) -> Slo:
    found = next((slo for slo in slos if slo.name == name), None)
    if found is None:
        names = [slo.name for slo in slos]
        close = difflib.get_close_matches(name, names, n=1)
        raise ConfigError(
            f"no SLO in force is named {name!r}"
            + (f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(names))}")
        )
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigError(f"--group {text!r}: write label=value")
    return name, value
