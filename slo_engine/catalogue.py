"""Which SLOs are in force: packs, and files or the set that was applied last, read again when they change.

A broken file keeps the SLOs before it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import SpecError
from slo_engine.metrics import EngineMetrics
from slo_engine.packs import load_pack
from slo_engine.sets import read_set
from slo_engine.settings import EngineSettings
from slo_engine.specs import load
from slo_engine.specs.model import Slo
from storage import slo_sets
from storage.database import Database

log = logging.getLogger(__name__)


class SloFiles:
    """The SLOs of the settings; `refresh` says whether they changed."""

    def __init__(self, settings: EngineSettings, metrics: EngineMetrics, database: Database | None = None) -> None:
        """`database`: where sets are applied; without it the files are read, whatever the settings say."""
        self._db = database if settings.slo_source == "applied" else None
        self._settings = settings
        self._metrics = metrics
        self._stamp = self._look()
        self.problems: tuple[str, ...] = ()
        self.slos = self._read()

    def refresh(self) -> bool:
        """Read the files again if they changed; a broken set is refused whole and said."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            slos = self._read()
        except SpecError as error:
            self.problems = tuple(str(error).splitlines())
            self._metrics.reload_failures.inc()
            self._metrics.config_ok.set(0)
            log.error("SLO files are broken, the SLOs before go on:\n%s", error)
            return False
        self.problems = ()
        self._metrics.config_ok.set(1)
        changed = slos != self.slos
        self.slos = slos
        return changed

    def _read(self) -> tuple[Slo, ...]:
        slos = [slo for name in self._settings.packs for slo in load_pack(name).slos]
        slos += self._own()
        refuse_doubles(slos)
        self._metrics.config_ok.set(1)
        return tuple(slo for slo in slos if slo.alerting.enabled)

    def _own(self) -> Sequence[Slo]:
        """Those that are no pack's."""
        applied = None if self._db is None else slo_sets.newest(self._db, "apply")
        if applied is not None:
            return read_set(applied.files, lenient=self._settings.lenient)
        if self._db is not None:
            log.warning("engine.slo_source is applied, and no set was applied yet: the files of engine.slos are read")
        if not self._settings.slos:
            return ()
        catalogue = load(self._settings.slos, lenient=self._settings.lenient)
        if catalogue.problems:
            raise SpecError("\n".join(str(problem) for problem in catalogue.problems))
        return catalogue.slos

    def _look(self) -> str:
        """The number of the applied set, or a digest of names, sizes and times of every file."""
        if self._db is not None and (number := slo_sets.newest_id(self._db, "apply")) is not None:
            return f"applied {number}"
        digest = hashlib.sha256()
        for path in sorted(_files(self._settings.slos)):
            try:
                stat = path.stat()
            except OSError:
                continue
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns};".encode())
        return digest.hexdigest()


def _files(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from (p for p in path.rglob("*") if p.suffix in (".yaml", ".yml", ".json"))
        else:
            yield path


def refuse_doubles(slos: Iterable[Slo]) -> None:
    """SpecError where two SLOs have one name."""
    seen: dict[str, Slo] = {}
    for slo in slos:
        if slo.name in seen:
            raise SpecError(f"the SLO {slo.name!r} stands in {seen[slo.name].source} too: names are unique", slo.source)
        seen[slo.name] = slo
