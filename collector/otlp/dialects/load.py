"""The dialects, read once, and what they say together: for each field its sources, the newest dialect's first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple, TypeVar, get_args

from collector.otlp.dialects.model import Dialect, Documents, FieldName, Messages, Source
from core import yaml

_T = TypeVar("_T")


class Reading(NamedTuple):
    """How a span is read, whatever dialects it carries: each sequence in the order in which it is asked."""

    recognised_by: tuple[tuple[str, frozenset[str]], ...]
    """(dialect, attributes of which one is enough)."""
    operations: tuple[tuple[str, Mapping[str, str]], ...]
    """(attribute, what its values mean; empty: themselves)."""
    fields: Mapping[FieldName, tuple[Source, ...]]
    first_token_events: frozenset[str]
    prompt: tuple[Messages, ...]
    output: tuple[Messages, ...]
    system: tuple[Messages, ...]
    documents: tuple[Documents, ...]
    kept: frozenset[str]
    """Attributes that carry no content."""
    content: frozenset[str]
    """Attributes that carry prompts and answers, and in `content_below` the prefixes of such."""
    content_below: tuple[str, ...]
    retrieved: frozenset[str]
    """Attributes and events that carry documents, and in `retrieved_below` the prefixes of such attributes."""
    retrieved_below: tuple[str, ...]


@cache
def dialects() -> tuple[Dialect, ...]:
    """Every dialect, the newest first."""
    entries = [entry for entry in files(__package__).iterdir() if entry.name.endswith(".yaml")]
    found = [yaml.load_text(entry.read_text(encoding="utf-8"), entry.name)[0].value for entry in entries]
    return tuple(sorted((Dialect.model_validate(one) for one in found), key=lambda one: one.rank))


@cache
def reading() -> Reading:
    """All dialects at once."""
    return combined(dialects())


def combined(found: Sequence[Dialect]) -> Reading:
    """What dialects say together, in their order."""
    names: tuple[FieldName, ...] = get_args(FieldName)
    fields = {name: _once(Source.parse(s) for one in found for s in one.fields.get(name, ())) for name in names}
    plain = {source.attribute for sources in fields.values() for source in sources if not source.key}
    documents = _once(place for one in found for place in one.documents)
    texts = [place for one in found for place in (*one.prompt, *one.output, *one.system)]
    return Reading(
        tuple((one.dialect, frozenset(one.recognised_by)) for one in found),
        _once((one.operation.attribute, one.operation.values) for one in found),
        fields,
        frozenset(name for one in found for name in one.first_token_events),
        _once(place for one in found for place in one.prompt),
        _once(place for one in found for place in one.output),
        _once(place for one in found for place in one.system),
        documents,
        frozenset(plain | {name for one in found for name in one.keep}),
        frozenset(place.attribute for place in texts if place.attribute),
        tuple({f"{place.prefix}." for place in texts if place.prefix}),
        frozenset(name for place in documents for name in (place.attribute, *place.events, *place.on_events) if name),
        tuple({f"{place.prefix}." for place in documents if place.prefix}),
    )


def _once(found: Iterable[_T]) -> tuple[_T, ...]:
    result: list[_T] = []
    for one in found:
        if one not in result:  # dialects name the same places, and a place with a table in it has no hash
            result.append(one)
    return tuple(result)
