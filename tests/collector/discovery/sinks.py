"""A sink that remembers, for tests of mechanisms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from collector.discovery.port import Group, Mechanism

WITHIN = 20.0


class Told:
    """What a mechanism told last."""

    def __init__(self) -> None:
        self.groups: Mapping[str, Group] | None = None
        self.error: str | None = None
        self.refused = 0
        self.fewest: int | None = None

    def accept(self, groups: Mapping[str, Group]) -> None:
        self.groups, self.error = dict(groups), None
        self.fewest = len(groups) if self.fewest is None else min(self.fewest, len(groups))

    def refuse(self, message: str) -> None:
        self.error = message
        self.refused += 1

    def targets(self) -> list[dict[str, str]]:
        """Label sets of all targets, without empty values."""
        found = [{**group.labels, **own} for group in (self.groups or {}).values() for own in group.targets]
        return sorted(({k: v for k, v in one.items() if v} for one in found), key=lambda one: sorted(one.items()))

    def addresses(self) -> set[str]:
        return {one["__address__"] for one in self.targets()}


@asynccontextmanager
async def watching(mechanism: Mechanism) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.create_task(mechanism.watch(told))
    try:
        yield told
    finally:
        failed = task.done() and not task.cancelled()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not failed or task.exception() is None


async def until(what: str, look: Callable[[], object]) -> None:
    """Wait until `look` is true."""
    deadline = time.monotonic() + WITHIN
    while not look():
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        await asyncio.sleep(0.01)
