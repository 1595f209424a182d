"""Types that the parts' settings share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from core.durations import parse_prometheus
from core.errors import ParseError


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_prometheus(value)
    except ParseError as error:
        raise ValueError(str(error)) from None


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
"""Seconds, written as a number or as a Prometheus duration such as 15s."""
