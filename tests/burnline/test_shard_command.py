"""`burnline shard`: which collectors there are, and how one that will not come back leaves."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from storage import fleet, migrate
from storage.database import Database, sqlite_url
from tests.burnline.test_cli import run


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """A folder with a database of five shards: two that stopped by themselves, a set that stopped, one that writes."""
    (tmp_path / "burnline.yaml").write_text("storage: {directory: .}\n")
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    migrate.upgrade(database)
    now = time.time()
    with database.write() as connection:
        for name, ago in (("eu", 600.0), ("us", 600.0), ("0-of-2", 500.0), ("1-of-2", 400.0), ("alive", 5.0)):
            detail = {"targets": 3, "discovery": {"llm": {"http://sd": "HTTP 500"}} if name == "alive" else {}}
            fleet.put_shard(connection, name, now - ago, now - 1000, now - ago, detail)
    database.dispose()
    return tmp_path


def names(folder: Path) -> list[str]:
    done = run(folder, "shard", "list", "--json")
    assert done.code == 0, done.err
    return [one["name"] for one in json.loads(done.out)]


def test_shards_are_listed_with_their_targets(instance: Path) -> None:
    assert names(instance) == ["0-of-2", "1-of-2", "alive", "eu", "us"]
    shown = run(instance, "shard", "list").out
    assert "TARGETS" in shown
    assert "alive: job llm: http://sd: HTTP 500" in shown


def test_a_stopped_shard_and_a_stopped_set_can_go(instance: Path) -> None:
    assert run(instance, "shard", "retire", "eu").code == 0
    assert run(instance, "shard", "retire", "of-2").code == 0
    assert names(instance) == ["alive", "us"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("alive", "stop it first"), ("1-of-2", "whole set"), ("1/2", "whole set"), ("nobody", "no shard"), ("of-3", "no")],
)
def test_what_may_not_go_says_why(instance: Path, name: str, says: str) -> None:
    done = run(instance, "shard", "retire", name)
    assert done.code == 2
    assert says in done.err
    assert len(names(instance)) == 5
