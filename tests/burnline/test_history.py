"""The demo's history goes through the real parser and the counter rules, once a folder."""

from __future__ import annotations

from pathlib import Path

from burnline.demo.history import page_times
from burnline.demo.settings import CANARY
from burnline.demo.up import demo_settings, fill_history, write_config
from burnline.settings import load
from storage import migrate
from storage.database import Database
from storage.ledger import rollups


def test_every_page_of_a_target_with_a_past_is_parsed_once(tmp_path: Path) -> None:
    demo = demo_settings(tmp_path, "healthy", 1, 1.0)
    settings = load(write_config(demo, tmp_path / "storage"), {})
    database = Database(settings.database_url)
    migrate.upgrade(database)
    stable = sum(cell.replicas for cell in demo.cells if cell.version != CANARY)
    assert fill_history(settings, demo, days=1) == len(page_times(0.0, 1)) * (stable + 1)
    assert fill_history(settings, demo, days=1) == 0, "the folder is filled already"
    with database.read() as connection:
        changes = rollups.compute(connection)
    assert len([key for key in changes.buckets if key.width == 3600]) >= 24
