"""The Debug page's signals as small charts, with the coverage of each layer above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from altair import LayerChart

from core.signals import SIGNALS
from dashboard import links, words
from dashboard.charts import DASH_STYLES, draw
from dashboard.debug import controls, plots
from dashboard.debug.address import Asked, link
from dashboard.debug.reading import Drawn
from dashboard.debug.signals import Panel
from dashboard.debug.span import Span
from dashboard.markup import Html, tag
from dashboard.markup import link as anchor
from dashboard.sections.signs import heading, nothing

COLUMNS = 3
_TITLES: Mapping[str, str] = {
    "requests": "Requests",
    "http_responses": "HTTP answers",
    "ttft": "Time to first token",
    "itl": "Time between tokens",
    "e2e": "Time to last token",
    "queue_time": "Time in the queue",
    "queue_depth": "Requests that wait",
    "running": "Requests that run",
    "prompt_tokens": "Prompt tokens",
    "generation_tokens": "Generated tokens",
    "kv_cache": "KV cache in use",
    "preemptions": "Preemptions",
    "retries": "Retries",
    "model_load": "Loading the model",
    "gpu_memory": "GPU memory in use",
    "gpu_utilisation": "GPU busy",
    "gpu_time": "GPUs",
    "cost": "Cost",
    "generations": "Model calls told",
    "goodput": "Goodput",
    "drawn": "Drawn to be scored",
    "judged": "Verdicts (uncorrected)",
}


def show(drawn: Drawn, span: Span, asked: Asked, what: str) -> None:
    """Coverage, then a chart a signal, or the one that is asked for; those that nothing tells in one line."""
    seen = drawn.seen
    wanted = [one for one in drawn.panels if asked.signal in (None, one.signal.name)]
    st.html(heading("Signals", f"of {what}"))
    if not seen and not wanted:
        st.html(nothing(f"Nothing was counted of {what} between these times: {words.NOT_MEASURED}, which is not zero."))
        return
    if seen:
        st.html(plots.seen_title())
        draw(plots.strip(seen, span), key="debug-coverage", text="Coverage of each layer")
    st.html(_legend())
    columns = COLUMNS if asked.signal is None else 1
    for start in range(0, len(wanted), columns):
        for column, one in zip(st.columns(columns), wanted[start : start + columns], strict=False):
            with column:
                _panel(one, drawn.charts[one.signal.name], asked)
    if missing := _missing(drawn.panels, asked):
        st.html(nothing(f"{words.NOT_MEASURED.capitalize()}: {missing}. Nothing told them in this stretch of time."))


def _legend() -> Html:
    """What is the same in every chart of a distribution."""
    keys = zip(("p50, mean", "p95", "p99"), plots.colours_of(("p50", "p95", "p99")), DASH_STYLES, strict=False)
    parts = [tag("span", tag("i", style=f"border-top: 3px {dash} {colour}"), name) for name, colour, dash in keys]
    more = "band: between the bounds of the bucket that holds it · ▲ above the last bound · grey ground: not seen"
    return tag("p", *parts, tag("span", more), cls="bl-legend")


def _panel(one: Panel, chart: LayerChart, asked: Asked) -> None:
    title = _TITLES.get(one.signal.name, one.signal.name)
    alone = None if asked.signal else one.signal.name
    way = anchor("all signals" if asked.signal else "in full", link(controls.query(), links.DEBUG, signal=alone))
    whole = f" · of every {' and '.join(one.lacks)}" if one.lacks else ""
    note = tag("small", f"{one.unit} · {one.layer}{whole}")
    st.html(tag("p", title, note, tag("small", way), cls="bl-chart-title", title=one.signal.help))
    draw(chart, key=f"debug-{one.signal.name}", text=f"{title}, {one.unit}")


def _missing(drawn: Sequence[Panel], asked: Asked) -> str:
    told = {one.signal.name for one in drawn}
    names = [name for name in SIGNALS if name not in told and asked.signal in (None, name)]
    return ", ".join(_TITLES.get(name, name).lower() for name in names)
