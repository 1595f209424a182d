"""Every scenario in tests/slo_engine/scenarios; their language is that of tests/slo_engine/script.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.slo_engine.script import Script
from tests.slo_engine.world import World

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_said_and_told_is_what_the_scenario_says(file: Path, world: World) -> None:
    events = Script(world).run(file.read_text())
    assert events is None or world.told() == events
