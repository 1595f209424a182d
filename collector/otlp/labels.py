"""Labels of a generation by which strata choose, beyond those that every generation has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.otlp.spans import RawSpan

_LONGEST_VALUE = 256


def further(span: RawSpan, sources: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """For each label the first of its attributes that the span or its resource tells, as a text; truth values are
    `true` and `false`."""
    found = {}
    for label, names in sources.items():
        for name in names:
            value = span.attributes.get(name, span.resource.get(name))
            if isinstance(value, str | int | float) and value != "":
                found[label] = str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST_VALUE]
                break
    return found
