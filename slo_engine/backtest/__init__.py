"""What the burn-rate alerts would have done over a ledger: the live engine's decisions, minute by minute."""

from __future__ import annotations

from slo_engine.backtest.incidents import Difference, Incident, differences, incidents
from slo_engine.backtest.lane import Course, Point
from slo_engine.backtest.replaying import (
    Change,
    Lane,
    Move,
    Past,
    Replay,
    backtest,
    composites_of,
    load_book,
    load_books,
    measurable,
)
from slo_engine.backtest.zones import Zone, first_bucket, last_bucket_end, minute_zone, zones

__all__ = [
    "Change",
    "Course",
    "Difference",
    "Incident",
    "Lane",
    "Move",
    "Past",
    "Point",
    "Replay",
    "Zone",
    "backtest",
    "composites_of",
    "differences",
    "first_bucket",
    "incidents",
    "last_bucket_end",
    "load_book",
    "load_books",
    "measurable",
    "minute_zone",
    "zones",
]
