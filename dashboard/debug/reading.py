"""What the Debug and SLO pages read beside the snapshot, shared by all viewers of a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import streamlit as st
from altair import LayerChart

from dashboard import snapshot
from dashboard.debug import plots
from dashboard.debug.buckets import Buckets, Piece
from dashboard.debug.signals import Found, Panel, Seen, narrowed, own_layers, panels
from dashboard.debug.span import Span
from dashboard.filters import Filters
from storage import fleet

SHARED_FOR = 60.0
"""Seconds for which the buckets of one span serve all viewers: a new minute is a new span; only late counts wait."""
MINUTES_KEPT = 48 * 3600
"""For how long the rows of a single target are kept."""


class Drawn(NamedTuple):
    """Panels with a chart each, and the coverage by layer. Charts are kept, as making them costs more than reading."""

    panels: Sequence[Panel]
    seen: Sequence[Seen]
    charts: Mapping[str, LayerChart]


@st.cache_resource(show_spinner=False)
def buckets(database_url: str) -> Buckets:
    """The process's one reader of buckets."""
    return Buckets(snapshot.source(database_url).database)


def watermark(database_url: str) -> float | None:
    """Up to when counts are committed; None before the first."""
    with snapshot.source(database_url).database.read() as connection:
        return fleet.watermark(connection)


@st.cache_resource(show_spinner=False, ttl=SHARED_FOR, max_entries=64)
def of_group(database_url: str, group: tuple[tuple[str, str], ...], span: Span, signal: str | None = None) -> Drawn:
    """Every signal of the groups that agree with `group`, each in the layer that the fleet counts it in.

    With `signal` only that one has a chart.
    """
    reader, wanted = buckets(database_url), Filters(group=dict(group))
    cells = reader.rollups([Piece(span.read_width, span.start, span.end)])
    found = Found(cells, reader.atoms(cells), reader.layers())
    kept = narrowed(found, lambda atom: wanted.covers(dict(atom.group)))
    return _drawn(*panels(kept, span, list(wanted.group)), span, signal)


@st.cache_resource(show_spinner=False, ttl=SHARED_FOR, max_entries=64)
def of_target(database_url: str, url: str, span: Span, signal: str | None = None) -> Drawn:
    """Every signal of one target, from the minutes that it counted itself; with `signal` only that has a chart."""
    reader = buckets(database_url)
    cells = reader.of_source(url, span.start, span.end)
    atoms = reader.atoms(cells)
    return _drawn(*panels(Found(cells, atoms, own_layers(atoms.values())), span), span, signal)


def _drawn(found: Sequence[Panel], seen: Sequence[Seen], span: Span, signal: str | None) -> Drawn:
    by_layer = {one.layer: one for one in seen}
    wanted = [one for one in found if signal in (None, one.signal.name)]
    charts = {one.signal.name: plots.panel(one, span, by_layer.get(one.layer)) for one in wanted}
    return Drawn(found, seen, charts)
