"""How every part runs as a process: logs, signals, its own metrics page, its end."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_PR_SET_PDEATHSIG = 1
SUPERVISED = "BURNLINE_SUPERVISED"
"""Set for children of `burnline up`: they end with their supervisor, however it dies."""


def prepare(part: str) -> None:
    """Set up logging; a supervised part also dies with its supervisor."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)s {part} %(name)s: %(message)s",
    )
    for noisy in ("httpx", "httpcore", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)  # httpx logs whole URLs, and a URL can be a secret
    if SUPERVISED in os.environ and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            raise SystemExit(0)


def serve_metrics(registry: CollectorRegistry, port: int) -> None:
    """Serve a part's own metrics on loopback; a port that is taken costs the page, not the part."""
    from prometheus_client import start_http_server  # noqa: PLC0415

    if not port:
        return
    try:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        logging.getLogger(__name__).error("own metrics are not served: port %d: %s", port, error)


def run_until_signal(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a part until SIGTERM or SIGINT; `work` ends by itself soon after its event is set."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await work(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
