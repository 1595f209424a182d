"""Retrieved documents as they lie on a span: their ids, scores, age and, where it is told, their text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from collector.otlp import flattened
from collector.otlp.dialects import Documents, reading
from collector.otlp.messages import structured, value_at
from collector.otlp.spans import RawSpan, clean

_MOST = 200
"""Of one retrieval: none feeds more to a model, and a row of the database has an end."""
_LONGEST_ID = 200
_LONGEST_TIME = 64
_MILLISECONDS_FROM = 1e11
"""As seconds the year 5138, as milliseconds 1973."""
_LAST_YEAR = 4e9
"""Unix seconds of 2096: a later change is no change."""

Row = Mapping[str, Any]


class Document(NamedTuple):
    """A retrieved document; `text` only where the span told it, `changed_at` (Unix seconds) where its metadata did."""

    id: str
    score: float | None
    text: str | None
    changed_at: float | None = None

    def row(self) -> dict[str, Any]:
        """As a generation keeps it: without text."""
        return {"id": self.id, "score": self.score, "changed_at": self.changed_at}


class Retrieved(NamedTuple):
    """What a span retrieved; `last`: instead of what was retrieved before, as a reranker's choice."""

    documents: tuple[Document, ...]
    last: bool


def retrieved_by(span: RawSpan, times: Sequence[str]) -> Retrieved:
    """The documents that a span names, in its order. `times`: keys of metadata that tell when one was changed."""
    for place in reading().documents if _tells(span) else ():
        found = [_document(at, row, place, times) for at, row in enumerate(_rows(span, place)) if at < _MOST]
        if found:
            return Retrieved(tuple(found), place.last)
    return Retrieved((), last=False)


def _tells(span: RawSpan) -> bool:
    """Whether it is worth looking: hardly any span retrieved something."""
    read = reading()
    return (
        not read.retrieved.isdisjoint(span.attributes)
        or any(event.name in read.retrieved for event in span.events)
        or any(name.startswith(read.retrieved_below) for name in span.attributes)
    )


def _rows(span: RawSpan, place: Documents) -> Iterator[Row]:
    if place.on_events:
        yield from (event.attributes for event in span.events if event.name in place.on_events)
    elif place.prefix:
        for entry in flattened.entries(span.attributes, place.prefix):
            yield {path: values[0] for path, values in entry.items()}
    else:
        listed = structured(value_at(span, place))
        yield from (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))


def _document(at: int, row: Row, place: Documents, times: Sequence[str]) -> Document:
    id_, score, text = (_first(row, names) for names in (place.id, place.score, place.text))
    metadata = structured(_first(row, place.metadata))
    return Document(
        clean(str(id_))[:_LONGEST_ID] if _is_id(id_) else str(at),
        _score(score),
        text if isinstance(text, str) else None,
        _changed_at(metadata if isinstance(metadata, dict) else row, times),
    )


def _first(row: Row, names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _score(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if number else None


def _changed_at(metadata: Row, times: Sequence[str]) -> float | None:
    found = (_moment(metadata.get(key)) for key in times)
    return next((moment for moment in found if moment is not None), None)


def _moment(value: Any) -> float | None:
    """Unix seconds of a number (seconds or milliseconds) or of an ISO 8601 text; a text without zone is UTC."""
    if isinstance(value, str) and len(value) <= _LONGEST_TIME:
        value = _number(value) or _iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        return None
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else float(value)
    return seconds if seconds < _LAST_YEAR else None


def _number(text: str) -> float | None:
    return float(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else None


def _iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
