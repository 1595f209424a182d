"""A collector that is told to stop while it commits."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from collector import shard as shard_module
from core.errors import StorageBusy
from tests.e2e.test_bad_targets import WITHIN, Engine, Server, Shard, static, until


def test_a_commit_that_fails_while_the_collector_stops_goes_with_the_last_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, real = Engine(), shard_module.commit
    hold, held, release = threading.Event(), threading.Event(), threading.Event()

    def commit(*given: Any) -> Any:
        if hold.is_set():
            hold.clear()
            held.set()
            release.wait(WITHIN)
            raise StorageBusy("database is locked")
        return real(*given)

    monkeypatch.setattr(shard_module, "commit", commit)

    async def live() -> Shard:
        async with Server({"good": engine}).serving() as server:
            shard = Shard(tmp_path, static(server.address, "good"))
            async with shard.running():
                await until("something is in the ledger", lambda: shard.requests() > 0)
                counted = engine.counted
                await until("more was counted", lambda: engine.counted > counted + 1)
                hold.set()
                await until("a commit hangs", held.is_set)
                counted = engine.counted
                await until("more is counted meanwhile", lambda: engine.counted > counted + 1)
                engine.rests = True
                read = shard.scrapes()
                await until("the last count was read", lambda: shard.scrapes() > read + 1)
                asyncio.get_running_loop().call_later(0.3, release.set)
        return shard

    assert asyncio.run(live()).requests() == engine.counted
