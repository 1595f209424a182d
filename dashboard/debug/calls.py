"""Which model calls the Debug page lists, read from the generations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select

from core.measures import group_from_key, group_key
from dashboard.debug.span import Span
from storage.database import Database
from storage.generations import Generation
from storage.tables import generation

LISTED = 50
_MEANINGS = {
    "failed": generation.c.outcome == "bad",
    "slow": (generation.c.goodput == "bad") & (generation.c.outcome != "bad"),
    "drawn": generation.c.sampled.is_(True),
}


class Calls(NamedTuple):
    """The newest calls, and whether there are more."""

    listed: list[Generation]
    more: bool


def read(db: Database, span: Span, group: Mapping[str, str], which: str) -> Calls:
    """Calls of a span whose group agrees with `group`; `which` is all, failed, slow or drawn."""
    # A page that moves with the watermark shows calls that are newer than the last complete minute.
    query = select(generation).where(generation.c.at >= span.start)
    if not span.live:
        query = query.where(generation.c.at < span.end)
    if which in _MEANINGS:
        query = query.where(_MEANINGS[which])
    for name, value in group.items():
        query = query.where(generation.c.group_key.contains(group_key({name: value})[1:-1], autoescape=True))
    query = query.order_by(generation.c.at.desc(), generation.c.span_id).limit(LISTED + 1)
    with db.read() as connection:
        found = [_generation(row._asdict()) for row in connection.execute(query)]
    return Calls(found[:LISTED], len(found) > LISTED)


def _generation(values: dict[str, object]) -> Generation:
    group = group_from_key(str(values.pop("group_key")))
    return Generation(group=group, **values)  # type: ignore[arg-type]  # a row has the columns' own types
