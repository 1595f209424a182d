"""What the routes work on."""

from __future__ import annotations

from dataclasses import dataclass

from burnline.api.auth import Door
from core.clock import Clock
from storage.database import Database


@dataclass(frozen=True)
class Context:
    """One database, one clock, one door."""

    database: Database
    clock: Clock
    door: Door
