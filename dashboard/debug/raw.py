"""One metric of one target as it was scraped: values of gauges, rates of counters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st
from sqlalchemy.engine import make_url

from core.durations import HOUR
from core.labels import Labels
from core.matchers import Matcher, Selector
from dashboard.debug.span import Span
from storage.fleet import TargetHealth
from storage.series import SeriesData, SeriesReader

LONGEST = 6 * HOUR
"""Raw samples come every few seconds: a longer stretch is more points than a screen has columns."""
MOST = 8
_LOOK_BACK = 300.0
_SERIES_ON_A_PAGE = 5000
_COUNTERS = ("_total", "_count", "_sum", "_bucket")
_OWN = ("instance", "job")


class Curve(NamedTuple):
    """One series: times in Unix seconds; None breaks the line."""

    name: str
    times: Sequence[float]
    values: Sequence[float | None]


class Raw(NamedTuple):
    """The series of one metric; `rate`: values are changes a second; `more`: there are others beside those drawn."""

    curves: Sequence[Curve]
    rate: bool
    more: bool


def folder_of(database_url: str) -> Path | None:
    """Where the collector keeps recent series: beside a SQLite database; unknown for any other."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    folder = Path(url.database).parent / "series"
    return folder if folder.is_dir() else None


@st.cache_resource(show_spinner=False)
def reader(folder: Path) -> SeriesReader:
    """The process's one reader of a folder."""
    return SeriesReader(folder)


def metrics(series: SeriesReader, target: TargetHealth, span: Span) -> list[str]:
    """The metrics of a target's last page in the span."""
    end = round(span.end * 1000)
    found = series.select(_of(target, ""), end - round(_LOOK_BACK * 1000), end, _SERIES_ON_A_PAGE)
    return sorted({dict(one.labels).get("__name__", "") for one in found} - {""})


def read(series: SeriesReader, target: TargetHealth, metric: str, span: Span) -> Raw:
    """The series of one metric over the last hours of the span, those that vary most first."""
    start = max(span.start, span.end - LONGEST)
    found = series.select(_of(target, metric), start * 1000, span.end * 1000)
    is_counter = metric.endswith(_COUNTERS)
    curves = [_curve(one, dict(target.labels), target.interval, is_counter) for one in found]
    curves.sort(key=lambda curve: (-_variation(curve), curve.name))
    return Raw(curves[:MOST], is_counter, len(curves) > MOST)


def increments(values: Sequence[float]) -> list[float]:
    """Changes of a counter from sample to sample; after a fall it began anew from 0."""
    return [now - before if now >= before else now for before, now in pairwise(values)]


def _of(target: TargetHealth, metric: str) -> Selector:
    return Selector(metric, tuple(Matcher(name, "=", target.labels[name]) for name in _OWN if name in target.labels))


def _curve(one: SeriesData, target: dict[str, str], interval: float, is_counter: bool) -> Curve:
    fresh = one.without_stale()
    times, values = (fresh.times / 1000).tolist(), fresh.values.tolist()
    if is_counter:
        spans = np.diff(times).tolist()
        values = [change / span for change, span in zip(increments(values), spans, strict=True)]
        times = times[1:]
    return Curve(_name(one.labels, target), *_with_gaps(times, values, 3 * interval))


def _with_gaps(
    times: Sequence[float], values: Sequence[float], longest: float
) -> tuple[list[float], list[float | None]]:
    """A value that is None where samples are further apart than they should be, so that no line bridges silence."""
    with_gaps: tuple[list[float], list[float | None]] = ([], [])
    for index, (time, value) in enumerate(zip(times, values, strict=True)):
        if index and time - times[index - 1] > longest:
            with_gaps[0].append(times[index - 1] + longest / 3)
            with_gaps[1].append(None)
        with_gaps[0].append(time)
        with_gaps[1].append(value if isfinite(value) else None)
    return with_gaps


def _name(labels: Labels, target: dict[str, str]) -> str:
    own = {name: value for name, value in labels if name != "__name__" and target.get(name) != value}
    return ", ".join(f"{name}={value}" for name, value in own.items()) or "value"


def _variation(curve: Curve) -> float:
    known = [value for value in curve.values if value is not None]
    return max(known) - min(known) if known else -1.0
