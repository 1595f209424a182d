"""`burnline up`: every part as a child process, restarted with back-off when it dies, stopped together.

A child that dies is started again after 0.5 s, then twice as long each time up to 30 s; one that lived for a minute
begins anew. SIGTERM and SIGINT reach all children, which get 8 seconds to finish what they accepted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from typing import NamedTuple

from burnline.process import SUPERVISED

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE, HEALTHY_AFTER = 0.5, 30.0, 60.0
STOP_WITHIN = 8.0
USAGE = 2
"""A child that leaves with this code has a wrong configuration: starting it again would not mend it."""


class Child(NamedTuple):
    """A part to keep running."""

    name: str
    command: Sequence[str]
    after: float = 0.0
    """Seconds to wait before its first start: importing seven programs at once on two cores delays them all."""


class Supervisor:
    """Keeps children running until told to stop."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self.misconfigured = False

    async def run(self, stop: asyncio.Event) -> None:
        """Start all, keep them, and stop them when `stop` is set or one is misconfigured."""
        keepers = [asyncio.create_task(self._keep(child, stop)) for child in self._children]
        await stop.wait()
        await self._stop()
        await asyncio.gather(*keepers)

    async def _keep(self, child: Child, stop: asyncio.Event) -> None:
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        await _pause(stop, child.after)
        while not stop.is_set():
            began = loop.time()
            code = await self._run_once(child, stop)
            if stop.is_set():
                return
            if code == USAGE:
                log.error("%s cannot run with this configuration; stopping", child.name)
                self.misconfigured = True
                stop.set()
                return
            pause = FIRST_PAUSE if loop.time() - began > HEALTHY_AFTER else pause
            log.warning("%s ended (%s); starting it again in %.1f s", child.name, _how(code), pause)
            await _pause(stop, pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run_once(self, child: Child, stop: asyncio.Event) -> int:
        environment = {**os.environ, SUPERVISED: str(os.getpid())}
        process = await asyncio.create_subprocess_exec(*child.command, env=environment, start_new_session=True)
        self._processes[child.name] = process
        if stop.is_set():  # the stop went round while this process was being started
            process.terminate()
        return await process.wait()

    async def _stop(self) -> None:
        running = [process for process in self._processes.values() if process.returncode is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in running]
        if waits:
            _, late = await asyncio.wait(waits, timeout=STOP_WITHIN)
            for process in running if late else []:
                if process.returncode is None:
                    process.kill()
            await asyncio.gather(*waits)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
