"""What every process of the demo fleet does: take its settings, listen, obey its parent, and never outlive it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any, TypeVar

import orjson
from aiohttp import web

_PR_SET_PDEATHSIG = 1
# Answers under way get this long when a process stops: the fleet as a whole has five seconds.
_SHUTDOWN_SECONDS = 0.2

Settings = TypeVar("Settings")


def command(module: str, settings: Any) -> list[str]:
    """The command line of a child; its settings travel as one JSON argument."""
    return [sys.executable, "-m", module, orjson.dumps(asdict(settings), default=str).decode()]


def settings_of(kind: type[Settings]) -> Settings:
    """The settings that the parent gave to this process."""
    return kind(**orjson.loads(sys.argv[1]))


def die_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent dies; elsewhere the closed control pipe ends the process."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def until_stopped(on_message: Callable[[dict[str, Any]], None]) -> None:
    """Hand each control message (a JSON line on stdin) to `on_message` until SIGTERM or the parent's end."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    listening = asyncio.create_task(_listen(on_message, stopped))
    await stopped.wait()
    if listening.done():
        await listening  # shows the error of a message that could not be obeyed
    listening.cancel()


async def _listen(on_message: Callable[[dict[str, Any]], None], stopped: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            on_message(orjson.loads(line))
    finally:
        stopped.set()


def ignore(message: dict[str, Any]) -> None:
    """For processes that no scenario changes."""


@contextlib.asynccontextmanager
async def serving(app: web.Application, address: str) -> AsyncIterator[None]:
    """Serve `app` at `host:port`; the handler of a request is cancelled when its client goes away."""
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port), reuse_address=True).start()
        yield
    finally:
        await runner.cleanup()
