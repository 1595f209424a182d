"""Series of a page that are one series once they have their target's labels."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from collector.loop import TargetLoop
from collector.settings import ScrapeJob, StaticTargets
from tests.e2e.test_bad_targets import INTERVAL, Engine, Server, Shard, error_500, send, settled, static, until


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("twice", [b'x{instance="a"} 1\nx{exported_instance="a"} 1\n', b"up 1\n"])
def test_a_target_is_scraped_on_when_one_of_two_series_that_are_stored_as_one_goes(
    tmp_path: Path, twice: bytes, fails: bool
) -> None:
    engine, pages = Engine(), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pages
        pages += 1
        engine.count()
        if fails and pages == 4:
            await error_500(reader, writer)
        else:
            await send(writer, engine.page() + (twice if pages < 4 else twice.partition(b"\n")[2]))

    async def live() -> None:
        async with Server({"good": answer}).serving() as server:
            shard = Shard(tmp_path, static(server.address, "good"))
            async with shard.running():
                await until("it is scraped on", lambda: pages > 6)
                await settled(shard, engine)

    asyncio.run(live())


def test_two_targets_with_the_same_labels_are_scraped_on_when_one_of_them_fails(tmp_path: Path) -> None:
    engine, tried = Engine(), 0

    async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        tried += 1
        await (error_500(reader, writer) if tried % 2 == 0 else send(writer, engine.page()))

    async def live() -> None:
        async with Server({"good": engine, "moody": moody}).serving() as server:
            same = tuple(
                StaticTargets(targets=(server.address,), labels={"__metrics_path__": f"/{path}"})
                for path in ("good", "moody")
            )
            shard = Shard(tmp_path, ScrapeJob(name="job", interval=INTERVAL, static=same))
            async with shard.running():
                await until("both are scraped on", lambda: engine.counted > 8 and tried > 8)

    asyncio.run(live())


def test_a_fault_of_ours_that_ends_the_scraping_of_a_target_is_in_its_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(TargetLoop, "_store_raw", faulty)

    async def live() -> None:
        async with Server({"good": Engine()}).serving() as server:
            shard = Shard(tmp_path, static(server.address, "good"))
            async with shard.running():
                await until("it is said", lambda: "ZeroDivisionError: by nothing" in str(shard.health()))

    asyncio.run(live())
