"""How old what the page shows is, and how loudly to say it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from dashboard import words

BLIND_AFTER = 60.0
"""Counts older than this are themselves an alert, `collector blind`."""
ENGINE_SILENT_AFTER = 180.0
"""The engine evaluates once a minute: three missed minutes are no delay any more."""


class Level(Enum):
    """What may be believed."""

    WARMING = "warming"
    FRESH = "fresh"
    ENGINE_SILENT = "engine silent"
    BLIND = "collector blind"


class Freshness(NamedTuple):
    """A level and the line that says it."""

    level: Level
    text: str


def judge(watermark: float | None, evaluated: float | None, now: float) -> Freshness:
    """`watermark`: up to when counts are committed; `evaluated`: when the engine last judged; None is never."""
    if watermark is None:
        return Freshness(Level.WARMING, "warming: no counts were committed yet. Nothing below is measured.")
    old = words.age(now - watermark)
    if now - watermark > BLIND_AFTER:
        return Freshness(
            Level.BLIND,
            f"collector blind: the newest counts are {old} old (up to {words.clock(watermark, now)}). "
            "What happened since is not known; no alert resolves until the collector is back.",
        )
    if evaluated is None:
        return Freshness(Level.WARMING, f"warming: counts are {old} old, and no minute was evaluated yet.")
    if now - evaluated > ENGINE_SILENT_AFTER:
        return Freshness(
            Level.ENGINE_SILENT,
            f"engine silent: counts are {old} old, but SLOs were last judged {words.age(now - evaluated)} ago.",
        )
    return Freshness(Level.FRESH, f"Data are {old} old, up to {words.clock(watermark, now)}.")
