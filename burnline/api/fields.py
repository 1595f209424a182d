"""Kinds of values that requests bring; their patterns stand in the OpenAPI document, for clients to keep to."""

from __future__ import annotations

import difflib
from typing import Annotated

from fastapi import HTTPException, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from burnline.times import parse_time

_CONTROL = r"\x00-\x1f\x7f-\x9f"
_NAME = rf"^[^\s{_CONTROL}][^{_CONTROL}]{{0,299}}$"
_NO_NUL = r"^[^\x00]*$"


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no text") from None
    return text


Name = Annotated[str, Field(pattern=_NAME), AfterValidator(_encodable)]
"""One line of at most 300 characters that does not begin with a blank."""

Note = Annotated[str, Field(max_length=4096, pattern=_NO_NUL), AfterValidator(_encodable)]
"""Text for people."""

NameInPath = Annotated[str, Path(pattern=_NAME), AfterValidator(_encodable)]
TimeText = Annotated[str, Field(min_length=1, max_length=40, examples=["2026-11-23T12:00:00Z"])]
From = Annotated[TimeText | None, Query(alias="from", description="RFC 3339 or Unix seconds")]
To = Annotated[TimeText | None, Query(alias="to", description="RFC 3339 or Unix seconds")]


class Sent(BaseModel):
    """A body: every key known, every value of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Row(BaseModel):
    """An answer that storage keeps as JSON: what a newer part adds is passed on, what an older one lacks is null."""

    model_config = ConfigDict(extra="allow")


def known_only(request: Request) -> None:
    """A dependency: HTTPException 422 for a parameter that the route does not have, as a filter with a slip in it."""
    route = request.scope["route"]
    known = [parameter.alias for parameter in route.dependant.query_params]
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise HTTPException(422, f"query.{unknown}: there is no such parameter{_hint(unknown, known)}")


def _hint(unknown: str, known: list[str]) -> str:
    close = difflib.get_close_matches(unknown, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def moment(text: str | None, default: float) -> float:
    """Unix seconds of a time in a query; ConfigError (400) where it is none."""
    return default if text is None else parse_time(text)
