"""Good or bad events that are asked with the very query of all events: the ratio is always 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.errors import ParseError
from core.matchers import parse_selector
from slo_engine.lint.looking import place_of, slis
from slo_engine.lint.model import Hit, Rule, Subject


def check(subject: Subject) -> Iterator[Hit | str]:
    """Every ratio that is written somewhere, of whatever source."""
    for sli in slis(subject.specs):
        total = sli.at("ratioMetric", "total", "metricSource")
        for part in ("good", "bad"):
            source = sli.at("ratioMetric", part, "metricSource")
            if source and total and _plain(source.value) == _plain(total.value):
                always = "100 % good" if part == "good" else "100 % bad"
                advice = f"narrow {part} to the {part} events"
                yield Hit(place_of(source), f"{part} asks for the same as total: the SLI is always {always}", advice)


def _plain(value: Any) -> Any:
    """The source with texts on one line and selectors in one form; the case of its keys does not matter."""
    if isinstance(value, dict):
        return {key.lower(): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    try:
        return str(parse_selector(value))
    except ParseError:
        return " ".join(value.split())


RULE = Rule("same-query", "error", "good or bad events asked with the query of the total", check)
