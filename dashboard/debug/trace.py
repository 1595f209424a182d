"""A trace as rows of a waterfall, and a generation as a line of tokens. Pure: from stored times to shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.generations import Generation, Span

MOST_ROWS = 200
"""Rows drawn: a trace may have thousands of spans, and a person reads the first screens."""
MOST_TICKS = 512
_TOKEN_WORDS = ("token", "chunk")
"""Applications name the events of a stream as they like: `gen_ai.token`, `First Token Stream Event`, `chunk`."""


class Row(NamedTuple):
    """One bar: `left` and `width` are shares of the trace's length. `orphan`: its parent was not received."""

    span: Span
    depth: int
    left: float
    width: float
    orphan: bool


class Frame(NamedTuple):
    """From when on, and for how many seconds, a trace lasts."""

    start: float
    length: float

    def share(self, time: float) -> float:
        """Where a time stands, from 0 to 1."""
        return min(1.0, max(0.0, (time - self.start) / self.length)) if self.length > 0 else 0.0


class Tokens(NamedTuple):
    """One generation over its own length, as shares of it. `first` is None where TTFT is not known; `ticks` are the
    moments of tokens that the application told; `gap` is the mean time between two tokens in seconds."""

    first: float | None
    ticks: Sequence[float]
    gap: float | None


def frame_of(spans: Sequence[Span]) -> Frame:
    """From the first beginning to the last end."""
    start = min(span.started_at for span in spans)
    return Frame(start, max(span.ended_at for span in spans) - start)


def rows(spans: Sequence[Span]) -> list[Row]:
    """Depth first, children by their start. Each span stands once, even where parents make a circle."""
    by_id = {span.span_id: span for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in sorted(spans, key=lambda one: (one.started_at, one.span_id)):
        children.setdefault(span.parent_id if span.parent_id in by_id else None, []).append(span)
    frame, done = frame_of(spans), set[str]()
    found = [row for root in children.get(None, ()) for row in _below(root, children, frame, done)]
    for span in spans:
        # What is left hangs below itself: a circle of parents, which a broken clock of ids can make.
        found += _below(span, children, frame, done)
    return found


def _below(root: Span, children: dict[str | None, list[Span]], frame: Frame, done: set[str]) -> Iterable[Row]:
    waiting = [(root, 0)]
    while waiting:
        span, depth = waiting.pop()
        if span.span_id in done:
            continue
        done.add(span.span_id)
        left, right = frame.share(span.started_at), frame.share(span.ended_at)
        orphan = span.parent_id is not None and depth == 0
        yield Row(span, depth, left, right - left, orphan)
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, ()))]


def tokens(call: Generation, own: Span | None) -> Tokens:
    """What is known of when tokens came. Ticks need the generation's own span, which only drawn traces have."""
    length = call.duration
    if length <= 0:
        return Tokens(None, (), call.itl)
    first = None if call.ttft is None else min(1.0, call.ttft / length)
    return Tokens(first, _ticks(own, length), call.itl)


def _ticks(own: Span | None, length: float) -> Sequence[float]:
    if own is None:
        return ()
    times = [float(event["at"]) - own.started_at for event in own.events if _is_token(str(event.get("name", "")))]
    return [time / length for time in times if 0 <= time <= length][:MOST_TICKS]


def _is_token(name: str) -> bool:
    return any(word in name.lower() for word in _TOKEN_WORDS)
