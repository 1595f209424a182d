"""Targets, discovery, disks and clocks that misbehave: each costs only itself, and says so."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from collector import peers
from collector import shard as shard_module
from collector.discovery import files
from collector.metrics import CollectorMetrics
from collector.settings import CollectorSettings, HttpSd, ScrapeJob, StaticTargets
from collector.shard import CollectorShard
from core.clock import Clock, SystemClock
from core.matchers import parse_selector
from storage import fleet, migrate
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.series import SeriesReader
from tests.e2e import truth

INTERVAL, FLUSH = 0.4, 0.1
WITHIN = 20.0
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n"
LARGE = 50 * 2**20


class Engine:
    """A healthy server whose page counts one more request with each scrape, from 0 on, until it rests."""

    def __init__(self) -> None:
        self.start = time.time() - 1000
        self.counted = -1
        self.rests = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count()
        await send(writer, self.page())

    def count(self) -> None:
        """One more, unless it rests."""
        self.counted += not self.rests

    def page(self) -> bytes:
        return (
            f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {self.start}\n"
            "# TYPE vllm:request_success_total counter\n"
            f'vllm:request_success_total{{finished_reason="stop",model_name="m"}} {self.counted}\n'
            "# TYPE vllm:generation_tokens_total counter\n"
            f'vllm:generation_tokens_total{{model_name="m"}} {self.counted * 10}\n'
        ).encode()


async def send(writer: asyncio.StreamWriter, body: bytes, head: bytes = HEAD, length: int | None = None) -> None:
    writer.write(head + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body)
    await writer.drain()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client has given up


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    linger = writer.get_extra_info("socket")
    linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def error_500(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, b"no", HEAD.replace(b"200 OK", b"500 Internal Server Error"))


async def html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, b"<!doctype html><title>It works!</title>", HEAD.replace(b"text/plain", b"text/html"))


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    page = Engine().page()
    await send(writer, page, length=len(page) + 1000)


async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, b"# " + b"x" * LARGE)


async def bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, packed(), HEAD + b"Content-Encoding: gzip\r\n")


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, bytes(range(1, 256)) * 4)


async def minus_nan(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, b"llamacpp:prompt_tokens_total 0\nllamacpp:n_busy_slots_per_decode -nan\n")


async def circle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, b"", b"HTTP/1.1 302 Found\r\nLocation: /circle\r\nConnection: close\r\n")


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    for _ in range(200):
        writer.write(b"#")
        await writer.drain()
        await asyncio.sleep(0.05)


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
    await writer.drain()


@cache
def packed() -> bytes:
    """256 MiB in 250 KiB."""
    return gzip.compress(b"# " + b"0" * (256 * 2**20), compresslevel=9)


BAD: dict[str, tuple[Answer, set[str]]] = {
    "hang": (hang, {"timeout"}),
    "reset": (reset, {"protocol", "connect"}),
    "error_500": (error_500, {"http_status"}),
    "html": (html, {"parse"}),
    "half": (half, {"incomplete"}),
    "large": (large, {"body_size_limit"}),
    "bomb": (bomb, {"body_size_limit", "incomplete", "protocol"}),
    "garbage": (garbage, {"parse"}),
    "minus_nan": (minus_nan, {"parse"}),
    "circle": (circle, {"protocol"}),
    "drip": (drip, {"timeout"}),
    "nonsense": (nonsense, {"protocol"}),
}


class Server:
    """Answers by path; one process, one port."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self._answers = answers
        self.address = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            while (await reader.readline()).strip():
                pass
            await self._answers[line.split()[1].decode().strip("/")](reader, writer)
        except (ConnectionError, IndexError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


def targets(address: str, paths: Sequence[str]) -> tuple[StaticTargets, ...]:
    labels = {"version": "v1", "region": "eu"}
    return tuple(
        StaticTargets(targets=(address,), labels={**labels, "__metrics_path__": f"/{path}", "name": path})
        for path in paths
    )


class Shard:
    """A collector shard in this process, over a database of its own."""

    def __init__(self, folder: Path, job: ScrapeJob, clock: Clock | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.database = Database(sqlite_url(folder / "b.db"))
        migrate.upgrade(self.database)
        self.metrics = CollectorMetrics()
        settings = CollectorSettings(flush_interval=FLUSH, scrape=(job,))
        self._shard = CollectorShard(self.database, folder, settings, clock or SystemClock(), self.metrics)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Shard]:
        stop = asyncio.Event()
        task = asyncio.create_task(self._shard.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(task, WITHIN)

    def health(self) -> dict[str, TargetHealth]:
        """By the label `name`."""
        return {one.labels["name"]: one for one in fleet.targets(self.database)}

    def requests(self) -> int:
        """Requests in the ledger."""
        counts = truth.of_ledger(self.database)
        return sum(sum(one.requests.values()) for one in counts.values())

    def tried(self) -> set[str]:
        """Names of the targets that were asked."""
        return {name for name, one in self.health().items() if one.last_scrape_at is not None}

    def refusals(self, source: str) -> float:
        """How often a source of targets failed."""
        return self._total("burnline_collector_discovery_failures", source=source)

    def refused_after(self, source: str, before: float) -> bool:
        """Whether a source failed more often than `before`."""
        return self.refusals(source) > before

    def scrapes(self) -> float:
        """How many pages were read."""
        return self._total("burnline_collector_scrapes", outcome="ok")

    def failed_flushes(self) -> float:
        """How many commits failed, for whatever reason."""
        return self._total("burnline_collector_flush_failures")

    def discovered(self) -> float | None:
        """Targets of the job in discovery."""
        return self.metrics.registry.get_sample_value("burnline_collector_targets", {"job": "job"})

    def _total(self, name: str, **labels: str) -> float:
        samples = [sample for family in self.metrics.registry.collect() for sample in family.samples]
        return sum(s.value for s in samples if s.name == f"{name}_total" and labels.items() <= s.labels.items())


async def settled(shard: Shard, engine: Engine) -> None:
    """The engine rests, and the ledger holds exactly what it has counted."""
    engine.rests = True
    final = engine.counted
    await until("the last count is in the ledger", lambda: shard.requests() >= final)
    assert await asyncio.to_thread(shard.requests) == engine.counted


async def until(what: str, look: Callable[[], object]) -> None:
    """Wait until `look` is true; it reads a database, so it runs in a thread."""
    deadline = time.monotonic() + WITHIN
    while not await asyncio.to_thread(look):
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        await asyncio.sleep(0.05)


def static(address: str, *paths: str, interval: float = INTERVAL, **options: Any) -> ScrapeJob:
    return ScrapeJob(name="job", interval=interval, static=targets(address, paths), **options)


def test_each_bad_target_costs_only_itself_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    packed()  # beforehand: it takes seconds
    engine = Engine()

    async def live() -> Shard:
        server = Server({"good": engine, **{name: answer for name, (answer, _) in BAD.items()}})
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(server.serving())
            shard = Shard(tmp_path, static(server.address, "good", *BAD, interval=1.5, body_size_limit=4 * 2**20))
            await stack.enter_async_context(shard.running())
            await until("every target was tried", lambda: shard.tried() == {"good", *BAD})
            told = engine.counted
            await until("the good one goes on", lambda: shard.requests() >= told + 3)
            await settled(shard, engine)
        return shard

    shard = asyncio.run(live())
    health = shard.health()
    assert health["good"].up
    assert {
        name: health[name].error_reason
        for name, (_, reasons) in BAD.items()
        if health[name].error_reason not in reasons
    } == {}
    assert all(health[name].up is False and health[name].error for name in BAD)
    assert health["minus_nan"].error == "line 2: expected a number as value, found '-nan'"
    for name in BAD:
        assert any(f"/{name}" in line and str(health[name].error_reason) in line for line in caplog.messages), name
    ups = SeriesReader(tmp_path / "series").select(parse_selector("up"), 0, 2**62)
    latest = {dict(one.labels)["name"]: one.without_stale().values[-1] for one in ups}
    assert latest == {"good": 1.0, **dict.fromkeys(BAD, 0.0)}


@pytest.mark.skipif(sys.platform != "linux", reason="reads this process's memory from /proc")
def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """The limit is 4 MiB after decompression; the bomb would be 256."""

    async def live() -> None:
        server = Server({"bomb": bomb})
        async with server.serving():
            shard = Shard(tmp_path, static(server.address, "bomb", body_size_limit=4 * 2**20))
            before = peak()
            async with shard.running():
                await until("it was refused", lambda: "bomb" in shard.health() and shard.health()["bomb"].error_reason)
            assert peak() - before < 100 * 2**20

    def peak() -> int:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    packed()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    asyncio.run(live())


def test_a_bad_target_that_recovers_loses_nothing(tmp_path: Path) -> None:
    engine = Engine()
    broken = {"now": False}

    async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine.count()  # it works on while it cannot be scraped
        await (error_500(reader, writer) if broken["now"] else send(writer, engine.page()))

    async def live() -> None:
        server = Server({"moody": moody})
        async with server.serving():
            shard = Shard(tmp_path, static(server.address, "moody"))
            async with shard.running():
                await until("it is counted", lambda: shard.requests() > 1)
                broken["now"] = True
                await until("it fails", lambda: shard.health()["moody"].up is False)
                broken["now"] = False
                await until("it is up", lambda: shard.health()["moody"].up)
                await settled(shard, engine)

    asyncio.run(live())


def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, None]:
    page = (
        "# TYPE vllm:generation_tokens_total gauge\n"
        'vllm:generation_tokens_total{model_name="m"} 5\n'
        'vllm:generation_tokens_total{model_name="m"} 6\n'
        'vllm:request_success_total{model_name="m",finished_reason="stop"} NaN\n'
        'vllm:num_requests_running{model_name="m",pid="1"} 0\n'
        'vllm:num_requests_running{model_name="m",pid="2"} 0\n'
    )
    return send(writer, page.encode())


def test_what_is_odd_about_a_page_is_named_in_the_targets_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One page has it all; another one is sound, and only says nothing while two that serve the same go on."""
    monkeypatch.setattr(peers, "WINDOW", 2.0)
    monkeypatch.setattr(peers, "_FRESH", 0.1)
    busy = {name: Engine() for name in ("a", "b")}
    idle = Engine()
    idle.count()
    idle.rests = True

    async def works(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine.counted += 50
        await send(writer, engine.page())

    async def live() -> dict[str, list[str]]:
        server = Server({"odd": odd, "idle": idle, **{name: partial(works, one) for name, one in busy.items()}})
        async with server.serving():
            shard = Shard(tmp_path, static(server.address, "odd", "idle", *busy))
            async with shard.running():
                await until("the idle one is named", lambda: named(shard).get("idle"))
                return await asyncio.to_thread(named, shard)

    def named(shard: Shard) -> dict[str, list[str]]:
        return {name: [one.partition(":")[0] for one in each.conditions] for name, each in shard.health().items()}

    found = asyncio.run(live())
    assert set(found.pop("odd")) >= {"duplicates", "no number", "per process", "typed gauge"}
    assert found == {"idle": ["silent"], "a": [], "b": []}


async def gpu(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(writer, b'DCGM_FI_DEV_GPU_UTIL{gpu="0",namespace="serving",pod="llama-0"} 50\n')


def test_a_gpu_counts_for_the_model_in_its_pod_once_the_pod_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "_PLAN_POLL", 0.1)

    async def live() -> None:
        server = Server({"engine": Engine(), "gpu": gpu})
        async with server.serving():
            pod = {"namespace": "serving", "pod": "llama-0", "version": "v1"}
            both = (
                StaticTargets(targets=(server.address,), labels={"__metrics_path__": "/gpu", "name": "gpu"}),
                StaticTargets(
                    targets=(server.address,), labels={"__metrics_path__": "/engine", "name": "engine", **pod}
                ),
            )
            shard = Shard(tmp_path, ScrapeJob(name="job", interval=INTERVAL, static=both))
            async with shard.running():
                wanted = [{"model": "m", "version": "v1"}]
                await until("the GPU is known", lambda: "gpu" in shard.health())
                await until("it is the model's", lambda: shard.health()["gpu"].groups == wanted)

    asyncio.run(live())


# Discovery.


@pytest.fixture
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_POLL", 0.05)


def groups(address: str, *paths: str) -> list[dict[str, Any]]:
    return [{"targets": list(one.targets), "labels": dict(one.labels)} for one in targets(address, paths)]


@pytest.mark.usefixtures("fast_polls")
def test_a_target_that_leaves_while_a_flush_is_under_way_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    file = tmp_path / "targets.json"
    resting = Engine()
    resting.counted, resting.rests = 0, True
    armed, begun, go_on = threading.Event(), threading.Event(), threading.Event()
    commit = shard_module.commit

    def slow_commit(*arguments: Any) -> Any:
        if armed.is_set():
            begun.set()
            go_on.wait(WITHIN)
        return commit(*arguments)

    async def live() -> None:
        server = Server({"a": engine, "b": resting})
        async with server.serving():
            file.write_text(json.dumps(groups(server.address, "a", "b")))
            shard = Shard(tmp_path, ScrapeJob(name="job", interval=INTERVAL, file_sd=(file,)))
            async with shard.running():
                await until("both are counted", lambda: shard.tried() == {"a", "b"} and shard.requests() > 1)
                armed.set()
                await until("a flush is under way", begun.is_set)
                counted = engine.counted
                await until("a is asked meanwhile", lambda: engine.counted > counted + 2)
                file.write_text(json.dumps(groups(server.address, "b")))
                await until("a has left", lambda: shard.discovered() == 1)
                armed.clear()
                go_on.set()
                await until("that is written", lambda: shard.health().keys() == {"b"})
                # The last request to it may have been cut off; every page that was read is counted.
                assert shard.requests() in (engine.counted - 1, engine.counted)

    monkeypatch.setattr(shard_module, "commit", slow_commit)
    asyncio.run(live())


@pytest.mark.usefixtures("fast_polls")
@pytest.mark.parametrize("broken", ["[{", '{"targets": []}', '[{"targets": "a:1"}]', None])
def test_a_broken_file_of_targets_keeps_those_before(tmp_path: Path, broken: str | None) -> None:
    engine = Engine()
    file = tmp_path / "targets.json"

    def change(text: str | None) -> None:
        if text is None:
            file.unlink()
        else:
            (tmp_path / "new").write_text(text)
            (tmp_path / "new").replace(file)

    async def live() -> None:
        server = Server({"a": engine, "b": Engine()})
        async with server.serving():
            change(json.dumps(groups(server.address, "a")))
            shard = Shard(tmp_path, ScrapeJob(name="job", interval=INTERVAL, file_sd=(file,)))
            async with shard.running():
                await until("the target is counted", lambda: shard.requests() > 1)
                change(broken)
                await until("the file was refused", lambda: shard.refusals(str(file)))
                told = engine.counted
                await until("the target is counted on", lambda: shard.requests() > told + 1)
                change(json.dumps(groups(server.address, "b")))
                await until("the file is read again", lambda: shard.health().keys() == {"b"})

    asyncio.run(live())


def test_a_discovery_service_that_fails_keeps_the_targets_before(tmp_path: Path) -> None:
    engine = Engine()
    state = {"answer": error_500, "address": ""}

    async def listed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, json.dumps(groups(state["address"], "a")).encode())

    async def sd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state["answer"](reader, writer)

    async def live() -> None:
        server = Server({"a": engine, "sd": sd})
        async with server.serving():
            state["address"] = server.address
            url = f"http://{server.address}/sd"
            job = ScrapeJob(name="job", interval=INTERVAL, http_sd=(HttpSd(url=url, refresh_interval=0.1),))
            shard = Shard(tmp_path, job)
            async with shard.running():
                await until("the service was refused", lambda: shard.refusals(url))
                state["answer"] = listed
                await until("the target is counted", lambda: shard.requests() > 1)
                for answer in (error_500, html, reset):
                    state["answer"] = answer
                    await until("it was refused once more", partial(shard.refused_after, url, shard.refusals(url)))
                told = engine.counted
                await until("the target is counted on", lambda: shard.requests() > told + 1)

    asyncio.run(live())


# A full disk.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_costs_no_count(small_disk: Path) -> None:
    engine = Engine()

    def fill() -> None:
        with (small_disk / "ballast").open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                return

    async def live() -> None:
        server = Server({"a": engine})
        async with server.serving():
            shard = Shard(small_disk / "burnline", static(server.address, "a"))
            async with shard.running():
                await until("the target is counted", lambda: shard.requests() > 1)
                fill()
                await until("commits fail", lambda: shard.failed_flushes() >= 5)
                told = engine.counted
                await until("it is scraped on", lambda: engine.counted > told + 3)
                (small_disk / "ballast").unlink()
                await until("commits succeed", lambda: shard.requests() > told + 3)
                await settled(shard, engine)
            shard.database.dispose()

    asyncio.run(live())


# A clock that jumps.


class Jumping(SystemClock):
    """The machine's clock, set wrong by `ahead` seconds."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest.mark.parametrize("jump", [7200.0, -7200.0, 90.0, -90.0])
def test_a_clock_that_jumps_costs_no_count_and_doubles_none(tmp_path: Path, jump: float) -> None:
    engine, clock = Engine(), Jumping()

    async def live() -> None:
        server = Server({"a": engine})
        async with server.serving():
            shard = Shard(tmp_path, static(server.address, "a"), clock)
            async with shard.running():
                await until("the target is counted", lambda: shard.requests() > 2)
                clock.ahead = jump
                told = engine.counted
                await until("it is counted on", lambda: shard.requests() > told + 2)
                clock.ahead = 0.0
                told = engine.counted
                await until("it is counted after the return", lambda: shard.requests() > told + 2)
                await settled(shard, engine)

    asyncio.run(live())


# A collector that comes back.


def test_the_watermark_waits_for_what_the_targets_did_while_the_collector_was_away(tmp_path: Path) -> None:
    """Until a target was asked again, what it did meanwhile is not in the ledger, so no minute of it is complete."""
    engine, state = Engine(), {"answer": "page"}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (engine(reader, writer) if state["answer"] == "page" else hang(reader, writer))

    def watermark(shard: Shard) -> float:
        with shard.database.read() as connection:
            return fleet.watermark(connection) or 0.0

    async def live() -> None:
        server = Server({"a": answer})
        async with server.serving():
            job = ScrapeJob(name="job", interval=2.0, static=targets(server.address, ["a"]))
            first = Shard(tmp_path, job)
            async with first.running():
                await until("it is scraped", lambda: first.health() and first.health()["a"].up)
            last = first.health()["a"].last_success_at
            state["answer"] = "nothing"
            second = Shard(tmp_path, job)
            async with second.running():
                await asyncio.sleep(5 * FLUSH)
                assert watermark(second) == last

    asyncio.run(live())


def test_a_collector_that_comes_back_still_knows_how_its_targets_did(tmp_path: Path) -> None:
    """Else an alert of a hung engine would resolve, and SLOs would be called not measured, until the next scrapes."""
    engine, state = Engine(), {"answer": "page"}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (engine(reader, writer) if state["answer"] == "page" else hang(reader, writer))

    async def live() -> tuple[TargetHealth, TargetHealth]:
        server = Server({"a": answer})
        async with server.serving():
            job = ScrapeJob(name="job", interval=2.0, static=targets(server.address, ["a"]))
            first = Shard(tmp_path, job)
            async with first.running():
                await until("it is scraped", lambda: first.health() and first.health()["a"].up)
            before = first.health()["a"]
            state["answer"] = "nothing"
            second = Shard(tmp_path, job)
            async with second.running():
                await asyncio.sleep(5 * FLUSH)
                return before, second.health()["a"]

    before, after = asyncio.run(live())
    assert before.signals
    assert before.progress_at is not None
    assert after == before
