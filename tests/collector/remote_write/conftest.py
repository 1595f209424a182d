from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.remote_write import service
from tests.collector.remote_write.world import World


@pytest.fixture
def world(tmp_path, monkeypatch) -> Iterator[World]:
    monkeypatch.setattr(service, "DRAIN_SECONDS", 2.0)
    made = World(tmp_path)
    yield made
    made.writer.close()
