"""Which set of SLO files is in force, as the database has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnline.settings import Settings
from slo_engine.catalogue import SloFiles
from slo_engine.metrics import EngineMetrics
from slo_engine.sets import read_set
from slo_engine.specs.model import Slo
from storage import slo_sets
from storage.database import Database
from storage.slo_sets import AppliedSet, Origin


@dataclass(frozen=True)
class InForce:
    """The set that the engine follows (None: none was recorded yet), and the set that was applied last."""

    stored: AppliedSet | None
    slos: tuple[Slo, ...]
    described: Mapping[str, Mapping[str, Any]]
    last_applied: int | None


def in_force(settings: Settings, database: Database) -> InForce:
    """What a change is compared with: the applied set where the engine follows it, else the files as it read them."""
    origin: Origin = "apply" if settings.engine.slo_source == "applied" else "files"
    stored = slo_sets.newest(database, origin) or slo_sets.newest(database, "files")
    last = slo_sets.newest_id(database, "apply")
    if stored is None:
        return InForce(None, (), {}, last)
    return InForce(stored, read_set(stored.files, lenient=settings.engine.lenient), stored.slos, last)


def slos_in_force(settings: Settings, database: Database) -> tuple[Slo, ...]:
    """Every SLO that the engine judges, those of packs too."""
    return SloFiles(settings.engine, EngineMetrics(), database).slos
