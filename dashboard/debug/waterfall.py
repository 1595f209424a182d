"""One trace: its spans as bars, each generation's tokens on a line, what it cost and what detectors said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import links, words
from dashboard.debug.address import link
from dashboard.debug.trace import MOST_ROWS, Frame, Row, Tokens, frame_of, rows, tokens
from dashboard.markup import Html, cell, row, table, tag
from dashboard.markup import link as anchor
from dashboard.sections.signs import heading, nothing, sign
from storage import generations, scores
from storage.database import Database
from storage.generations import Generation, Span
from storage.scores import Score

OUTCOMES = {"good": "ok", "bad": "failed", "excluded": "cancelled"}
"""Outcomes of a model call in words that have a sign of their own."""
_VERDICTS = {"flagged": "▲ flagged", "clear": "● clear", "failed": "▼ failed", "not_applicable": "○ not applicable"}


def show(db: Database, trace_id: str, query: Mapping[str, str], now: float) -> None:
    """Everything that is kept of a trace; what is not, with the reason."""
    spans, calls = generations.trace(db, trace_id)
    found = scores.of_trace(db, trace_id)
    st.html(heading(f"Trace {trace_id}", _note(spans, calls, now)))
    st.html(tag("p", anchor("Close the trace", link(query, links.DEBUG, trace=None)), cls="bl-line"))
    if spans:
        st.html(waterfall(spans))
    else:
        st.html(nothing(why_no_spans(calls)))
    by_id = {span.span_id: span for span in spans}
    for call in calls:
        mine = [score for score in found if score.span_id == call.span_id]
        st.html(generation(call, by_id.get(call.span_id), mine, now))


def _note(spans: Sequence[Span], calls: Sequence[Generation], now: float) -> str:
    if not spans and not calls:
        return ""
    began = frame_of(spans).start if spans else calls[0].at - calls[0].duration
    return f"{words.since(began, now)} · {_many(len(spans), 'span')} · {_many(len(calls), 'generation')}"


def _many(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def why_no_spans(calls: Sequence[Generation]) -> str:
    """Why there is no waterfall."""
    if not calls:
        return "Nothing is known of this trace: it was never received, or it is older than what is kept."
    call = max(calls, key=lambda one: one.probability)
    if any(one.sampled for one in calls):
        return "This trace was drawn, but none of its spans are kept any more."
    return (
        f"Not drawn: spans are kept with a probability of {words.percent(call.probability)} "
        f"(stratum {call.stratum}). What the model call itself told is below."
    )


def waterfall(spans: Sequence[Span]) -> Html:
    """The spans as a table of bars, children under their parents."""
    frame, drawn = frame_of(spans), rows(spans)
    lines = [_bar_row(one, frame) for one in drawn[:MOST_ROWS]]
    if len(drawn) > MOST_ROWS:
        lines.append(row(cell(f"{len(drawn) - MOST_ROWS} more spans are not drawn.", span=3)))
    return table(("Span", f"0 to {seconds(frame.length)}", "Lasted"), lines, cls="bl-waterfall")


def _bar_row(one: Row, frame: Frame) -> Html:
    span = one.span
    name = tag("span", span.name, style=f"padding-left:{min(one.depth, 12) * 0.9:.1f}rem")
    orphan = " · its parent was not received" if one.orphan else ""
    fault = [] if span.error is None else [tag("small", f"▲ {span.error}", cls="bl-error")]
    where = f"left:{one.left * 100:.3f}%;width:{one.width * 100:.3f}%"
    bar = tag("span", tag("i", style=where), cls="bl-track" + (" bl-failed" if span.error is not None else ""))
    begins = f"begins after {seconds(span.started_at - frame.start)}"
    return row(
        cell(name, tag("small", f"{span.service or 'service not told'}{orphan}"), *fault),
        cell(bar, title=begins),
        cell(seconds(span.ended_at - span.started_at), cls="bl-number"),
    )


def generation(call: Generation, own: Span | None, found: Sequence[Score], now: float) -> Html:
    """One model call: its tokens in time, its figures, its documents and the verdicts on it."""
    return tag(
        "div",
        tag(
            "h4",
            sign(OUTCOMES.get(call.outcome, call.outcome)),
            f"Generation {call.span_id} · {words.group(dict(call.group))}",
        ),
        tag("div", *timeline(call, tokens(call, own)), *_figures(call), cls="bl-half"),
        tag("div", *_documents(call), *verdicts(call, found, now), cls="bl-half"),
        cls="bl-generation",
    )


def timeline(call: Generation, known: Tokens) -> Iterable[Html]:
    """The wait for the first token and the tokens after it, as far as they are known."""
    parts = []
    if known.first is not None:
        parts.append(tag("i", cls="bl-wait", style=f"width:{known.first * 100:.3f}%"))
        parts.append(tag("i", cls="bl-decode", style=f"left:{known.first * 100:.3f}%;right:0"))
    parts += [tag("b", style=f"left:{tick * 100:.3f}%") for tick in known.ticks]
    yield tag("h5", "Tokens in time")
    yield tag("span", *parts, cls="bl-track bl-tokens")
    yield tag("p", tag("span", "0"), tag("span", seconds(call.duration)), cls="bl-ends")
    yield tag(
        "p", _key("bl-wait", f"first token {_after(call.ttft)}"), _key("bl-decode", _gaps(known)), cls="bl-legend"
    )


def _key(cls: str, text: str) -> Html:
    return tag("span", tag("i", cls=cls), text)


def _after(ttft: float | None) -> str:
    return f"{words.NOT_MEASURED}: the span tells no time to first token" if ttft is None else f"after {seconds(ttft)}"


def _gaps(known: Tokens) -> str:
    mean = (
        f"between two tokens {words.NOT_MEASURED}" if known.gap is None else f"{seconds(known.gap)} between two tokens"
    )
    if known.ticks:
        return f"{mean} on average; {_many(len(known.ticks), 'tick')}, one for each event that the application sent"
    return f"{mean} on average; single tokens were not told"


def _figures(call: Generation) -> Iterable[Html]:
    cost = None if call.cost_micros is None else f"${call.cost_micros / 1e6:.6f}"
    pairs = (
        ("Operation", " · ".join(part for part in (call.operation, call.provider) if part)),
        ("Ended", call.finish_reason or call.error_type),
        ("Error", call.error_type or "none"),
        ("Tokens in", _count(call.input_tokens) + _cached(call)),
        ("Tokens out", _count(call.output_tokens) + _reasoning(call)),
        ("Tools called", _tools(call)),
        ("Cost", cost or f"{words.NOT_MEASURED}: no price is set for this model, or tokens are not told"),
        ("Latency promises", _goodput(call)),
        ("Drawn", _drawn(call)),
        ("Told in", call.dialect),
    )
    yield tag("dl", *(part for name, text in pairs for part in (tag("dt", name), tag("dd", text or "not told"))))


def _count(n: int | None) -> str:
    return "not told" if n is None else words.count(n)


def _cached(call: Generation) -> str:
    parts = ((call.cached_tokens, "cached"), (call.cache_write_tokens, "written to the cache"))
    told = ", ".join(f"{words.count(n)} {what}" for n, what in parts if n is not None)
    return f", of them {told}" if told else ""


def _reasoning(call: Generation) -> str:
    return "" if call.reasoning_tokens is None else f", of them {words.count(call.reasoning_tokens)} reasoning"


def _tools(call: Generation) -> str | None:
    if not call.tool_calls:
        return None if call.tool_calls is None else "none"
    names = ", ".join(call.tool_names or ()) or "without a name"
    return names if call.tool_calls == 1 else f"{_many(call.tool_calls, 'call')}: {names}"


def _goodput(call: Generation) -> str:
    met = {"good": "● both met", "bad": "▲ not met"}
    return met.get(call.goodput, f"○ {words.NOT_MEASURED}: the call was cancelled or did not tell its times")


def _drawn(call: Generation) -> str:
    chance = f"with a probability of {words.percent(call.probability)}, stratum {call.stratum}"
    return f"{'yes' if call.sampled else 'no'}, {chance}"


def _documents(call: Generation) -> Iterable[Html]:
    yield tag("h5", "Retrieved documents")
    if call.retrieval is None:
        yield nothing("None were told.")
        return
    if not call.retrieval:
        yield nothing("The retrieval found none.")
        return
    yield table(("Document", "Score", "Last changed"), (_document(one, call.at) for one in call.retrieval))


def _document(one: Mapping[str, Any], at: float) -> Html:
    changed = one.get("changed_at")
    before = at - changed if isinstance(changed, int | float) else None
    age = None if before is None else f"{words.age(before)} before" if before >= 0 else "after the call"
    return row(_text(one.get("id")), _text(one.get("score")), _text(age))


def _text(value: object) -> str:
    return "not told" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def verdicts(call: Generation, found: Sequence[Score], now: float) -> Iterable[Html]:
    """What detectors said, or why they said nothing."""
    yield tag("h5", "Verdicts of detectors", tag("small", "uncorrected: no person has checked them"))
    if not found:
        why = "it waits for the evaluator, or none runs" if call.sampled else "it was not drawn"
        yield nothing(f"{words.NOT_MEASURED}: {why}.")
        return
    yield table(("Verdict", "Detector", "Score", "Where and why", "Judged"), (_verdict(one, now) for one in found))


def _verdict(one: Score, now: float) -> Html:
    places = [f"{place.get('type', 'span')} at {place.get('start')} to {place.get('end')}" for place in one.spans]
    detector = cell(one.detector, tag("small", f"revision {one.revision}"))
    score = "none" if one.score is None else f"{one.score:.3f}"
    why = "; ".join([*([one.reason] if one.reason else []), *places]) or "no reason given"
    cls = "bl-verdict bl-error" if one.verdict in ("flagged", "failed") else "bl-verdict"
    return row(
        cell(_VERDICTS.get(one.verdict, one.verdict), cls=cls), detector, score, why, words.clock(one.judged_at, now)
    )


def seconds(length: float) -> str:
    """A duration as traces have it: `870 µs`, `42 ms`, `1.34 s`, then minutes."""
    if length < 0:
        return "less than nothing: its clock went back"
    if length >= 120:
        return words.age(length)
    unit, scale = ("s", 1.0) if length >= 1 else ("ms", 1e3) if length >= 1e-3 else ("µs", 1e6)
    return f"{length * scale:.3g}\u202f{unit}"
