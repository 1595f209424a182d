"""At which moments a ledger can be judged: minutes as far as it has them, then every five minutes, then hours.

Where only five minutes or hours are kept, a window that is shorter than these is read over one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from sqlalchemy import func, select

from core.buckets import MINUTES, TIERS, end_of_window, start_of
from slo_engine.windows import BurnPolicy
from storage.database import Database
from storage.tables import rollup


class Zone(NamedTuple):
    """Moments (Unix seconds, rising) that are judged over buckets of `width` seconds."""

    width: int
    ends: Sequence[int]


def minute_zone(minutes: Sequence[int]) -> Zone:
    """Exactly these minutes, as a live engine judges them."""
    return Zone(MINUTES.width, minutes)


def zones(database: Database, start: float, end: float) -> list[Zone]:
    """What of (start, end] the roll-ups can tell, oldest first; nothing where they hold nothing."""
    first = _first_buckets(database)
    found: list[Zone] = []
    until = end
    for tier in TIERS:
        if tier.width not in first:
            continue
        begin = max(start, first[tier.width])
        ends = range(end_of_window(begin + 1, tier.width), start_of(until, tier.width) + 1, tier.width)
        if ends:
            found.insert(0, Zone(tier.width, ends))
            until = ends[0] - 1
    return found


def _first_buckets(database: Database) -> dict[int, int]:
    query = select(rollup.c.width, func.min(rollup.c.bucket)).group_by(rollup.c.width)
    with database.read() as connection:
        return {int(width): int(bucket) for width, bucket in connection.execute(query)}


def first_bucket(database: Database) -> int | None:
    """Where the oldest roll-up begins; None in an empty ledger."""
    return min(_first_buckets(database).values(), default=None)


def last_bucket_end(database: Database) -> int | None:
    """Where the newest minute that was rolled up ends; None in an empty ledger."""
    query = select(func.max(rollup.c.bucket)).where(rollup.c.width == MINUTES.width)
    with database.read() as connection:
        newest = connection.execute(query).scalar()
    return None if newest is None else int(newest) + MINUTES.width


@cache
def widened(policy: BurnPolicy, width: int) -> BurnPolicy:
    """The same rows with windows of whole buckets; factors stay."""
    rows = tuple(
        replace(row, long=end_of_window(row.long, width), short=end_of_window(row.short, width)) for row in policy.rows
    )
    return BurnPolicy(rows)
