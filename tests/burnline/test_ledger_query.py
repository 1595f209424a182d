"""`burnline ledger query`: what it takes, and the JSON that programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.measures import Measure
from storage.database import Database, sqlite_url
from storage.migrate import upgrade
from tests.burnline.test_cli import run
from tests.slo_engine.world import GOOD_REQUESTS, START, World, spec

FROM, TO = "2026-01-05T00:00:00Z", "2026-01-05T00:02:00Z"
QUICK = spec(GOOD_REQUESTS, 99.0, "quick")
ASK = ("ledger", "query", "--sli", "quick", "--from", FROM, "--to", TO)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, and two minutes of a fleet in its ledger."""
    storage = tmp_path / "var"
    storage.mkdir()
    upgrade(Database(sqlite_url(storage / "burnline.db")))
    world = World(storage)
    world.lead(QUICK)
    good, bad = (Measure("requests", "engine", (("outcome", one),)) for one in ("good", "bad"))
    world.count([START, START + 60], {(good, (("model", "llama"),)): 9, (bad, (("model", "llama"),)): 1})
    world.tick(START + 120)
    (tmp_path / "slos.yaml").write_text(QUICK)
    (tmp_path / "burnline.yaml").write_text("storage: {directory: var}\nengine: {packs: [], slos: [slos.yaml]}\n")
    return tmp_path


def test_buckets_with_good_total_and_coverage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(folder, *ASK, "--group", "model=llama", "--step", "60", "--json")
    assert done.code == 0, done.err
    row = {"group": {"model": "llama"}, "good": 9, "total": 10, "coverage": 1.0, "numerator": None}
    assert json.loads(done.out) == [
        {"bucket": "2026-01-05T00:00:00.000Z", **row},
        {"bucket": "2026-01-05T00:01:00.000Z", **row},
    ]
    assert json.loads(run(folder, *ASK, "--step", "60", "--group", "model=qwen", "--json").out) == []
    assert "model=llama  9     10     1" in run(folder, *ASK, "--step", "60").out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--sli", "quik"), "did you mean 'quick'"),
        (("--group", "model"), "label=value"),
        (("--step", "61"), "60, 300, 3600"),
        (("--from", "noon"), "no time"),
        (("--to", FROM), "must be after"),
    ],
)
def test_a_question_that_is_wrong_is_told_in_a_line(folder: Path, more: tuple[str, ...], said: str) -> None:
    done = run(folder, *ASK, *more)
    assert (done.code != 0, said in done.err) == (True, True), done.err
