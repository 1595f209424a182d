"""Files of other tools and lenient ones are in force like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SpecError
from core.measures import Measure
from slo_engine.catalogue import SloFiles
from slo_engine.compile import selectors_of
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from tests.slo_engine.specs.dialects import test_pyrra, test_sloth
from tests.slo_engine.specs.test_lenient import SLO
from tests.slo_engine.world import START, World


def _files(*paths: Path, lenient: bool = False) -> SloFiles:
    return SloFiles(EngineSettings(packs=(), slos=paths, lenient=lenient), EngineMetrics())


def test_every_dialect_of_a_folder_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "sloth.yaml").write_text(test_sloth._file())
    (tmp_path / "pyrra.yaml").write_text(test_pyrra.HEAD + test_pyrra.RATIO)
    assert {slo.name for slo in _files(tmp_path).slos} == {"web-ok", "web"}


def test_leniency_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SLO + "      op: gt\n")
    with pytest.raises(SpecError, match="is not allowed"):
        _files(tmp_path)
    (slo,) = _files(tmp_path, lenient=True).slos
    assert slo.notes


def test_an_slo_of_sloth_is_counted_and_judged_with_a_note_on_what_has_no_effect(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.lead(test_sloth._file())
    bad, total = (Measure(one.name) for one in sorted(selectors_of(world.slos[0]), key=lambda one: -len(one.name)))
    world.count(range(START, START + 3600, 60), {(total, ()): 1000, (bad, ()): 1}, coverage=None)
    world.tick(START + 3600)
    status = world.status("web-ok")
    assert (status["total"], status["good"]) == (60_000, 59_940)
    assert status["burn_rates"]["1h"] == pytest.approx(1.0)
    world.db.dispose()
