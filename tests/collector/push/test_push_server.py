"""The receiver over HTTP: what senders are answered, and that success means durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import cramjam
import pytest

from collector.metrics import CollectorMetrics, PushMetrics
from collector.push.server import PushReceiver
from collector.settings import CollectorSettings, RemoteWriteReceiver
from core.clock import ManualClock
from core.errors import StorageError
from storage import fleet, pushed
from storage.database import Database
from tests.collector.promql.world import START, database
from tests.collector.push.world import Sent, body_of

UP = Sent((("__name__", "up"), ("instance", "a:1"), ("job", "vllm")), START * 1000, 1.0)
TYPE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


@pytest.fixture
def ledger(tmp_path: Path) -> Database:
    return database(tmp_path, "pushed")


@asynccontextmanager
async def receiving(ledger: Database, folder: Path, **settings: Any) -> AsyncIterator[str]:
    collector = CollectorSettings(
        flush_interval=0.05, remote_write_receiver=RemoteWriteReceiver(enabled=True, port=0, **settings)
    )
    metrics = PushMetrics(CollectorMetrics().registry)
    receiver, stop = PushReceiver(ledger, folder, collector, ManualClock(START + 1.0), metrics), asyncio.Event()
    running = asyncio.create_task(receiver.run(stop))
    try:
        yield f"http://127.0.0.1:{await receiver.port()}/api/v1/write"
    finally:
        stop.set()
        await running


async def answer(url: str, body: bytes, method: str = "POST", **headers: str) -> tuple[int, str, str | None]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=body, headers={**TYPE, **headers}) as found,
    ):
        return found.status, await found.text(), found.headers.get("Retry-After")


def told(ledger: Database, folder: Path, do: Callable[[str], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        async with receiving(ledger, folder, **settings) as url:
            return await do(url)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (body_of([UP]), {}, 204, ""),
        (body_of([]), {}, 204, ""),
        (body_of([UP]), {"Content-Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, 204, ""),
        (body_of([UP]), {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 415, "1.0"),
        (body_of([UP]), {"Content-Type": "application/json"}, 415, "1.0"),
        (body_of([UP]), {"Content-Encoding": "zstd"}, 415, "snappy"),
        (b"", {}, 400, "ends within a number"),
        (b"garbage!", {}, 400, "snappy"),
        (bytes(cramjam.snappy.compress_raw(b"\x0a\xff")), {}, 400, "ends within"),
        (bytes(cramjam.snappy.compress_raw(bytes(5000))), {}, 413, "after decompression"),
        (bytes(5000), {}, 413, "larger than 4096"),
    ],
)
def test_answers(
    ledger: Database, tmp_path: Path, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    found, text, _ = told(ledger, tmp_path, lambda url: answer(url, body, **headers), max_body=4096)
    assert (found, says in text) == (status, True), text


def test_other_paths_and_methods_are_named(ledger: Database, tmp_path: Path) -> None:
    async def ask(url: str) -> list[int]:
        return [(await answer(url + "x", b""))[0], (await answer(url, b"", "GET"))[0]]

    assert told(ledger, tmp_path, ask) == [404, 405]


def test_what_cannot_be_kept_is_not_answered_with_success(
    ledger: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> list[int]:
        raise StorageError("disk I/O error")

    monkeypatch.setattr(pushed, "put", full)
    status, text, again = told(ledger, tmp_path, lambda url: answer(url, body_of([UP])))
    assert (status, again) == (503, "5") and "send them again" in text


def test_under_pressure_senders_are_told_to_wait(ledger: Database, tmp_path: Path) -> None:
    async def ask(url: str) -> list[int]:
        many = body_of([Sent((*UP.labels, ("le", str(n))), UP.time, 1.0) for n in range(5)])
        return [(await answer(url, many))[0], (await answer(url, body_of([UP])))[0]]

    assert told(ledger, tmp_path, ask, max_open_samples=5) == [204, 503]


def test_success_means_durable(ledger: Database, tmp_path: Path) -> None:
    async def ask(url: str) -> int:
        status, _, _ = await answer(url, body_of([UP]))
        assert status == 204
        return len(pushed.waiting(ledger, "0/push"))

    assert told(ledger, tmp_path, ask) == 1


def test_when_it_is_not_enabled_any_more_nobody_waits_for_it(ledger: Database, tmp_path: Path) -> None:
    told(ledger, tmp_path, lambda url: answer(url, body_of([UP])))
    with ledger.read() as connection:
        assert [one.name for one in fleet.shards(connection)] == ["0/push"]

    async def run() -> None:
        stop = asyncio.Event()
        stop.set()
        metrics = PushMetrics(CollectorMetrics().registry)
        await PushReceiver(ledger, tmp_path, CollectorSettings(), ManualClock(START + 1.0), metrics).run(stop)

    asyncio.run(run())
    with ledger.read() as connection:
        assert fleet.shards(connection) == []
