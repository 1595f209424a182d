"""The evaluator as a process: loads its models, then scores what waits, renewing its leases meanwhile."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Sequence

from core.errors import StorageError
from safety_eval import loading
from safety_eval.detectors.port import Detector
from safety_eval.detectors.unavailable import Unavailable
from safety_eval.settings import EvaluatorSettings
from safety_eval.worker import Tools, Worker, portions
from storage import samples
from storage.samples import Sample

log = logging.getLogger(__name__)

_HOUSE_SECONDS = 60.0
"""How often kept texts are looked at for those whose time is over."""


class EvaluatorService:
    """One evaluator of possibly several."""

    def __init__(self, tools: Tools, settings: EvaluatorSettings, group_cap: int) -> None:
        self._tools = tools
        self._settings = settings
        self._group_cap = group_cap
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; a batch that is being scored then is finished first."""
        detectors = await self._load(stop)
        worker = Worker(self._tools, self._settings, detectors, self._holder, self._group_cap)
        housekept = -_HOUSE_SECONDS
        while not stop.is_set():
            try:
                if self._tools.clock.monotonic() - housekept >= _HOUSE_SECONDS:
                    await asyncio.to_thread(worker.forget)
                    housekept = self._tools.clock.monotonic()
                done = await self._round(worker, stop)
            except StorageError as error:
                self._tools.metrics.failures.labels(type(error).__name__).inc()
                log.error("round not finished, its samples come back: %s", error)
                done = 0
            if not done:
                await _sleep(stop, self._settings.poll_interval)

    async def _load(self, stop: asyncio.Event) -> list[Detector]:
        """One model after the other in a thread; samples wait meanwhile."""
        names = loading.enabled(self._settings)
        on = await asyncio.to_thread(loading.device_of, names, self._settings)
        found: list[Detector] = []
        for name in names:
            if stop.is_set():
                break
            detector = await asyncio.to_thread(loading.load, name, self._settings, on)
            up = not isinstance(detector, Unavailable)
            self._tools.metrics.detector_up.labels(name, detector.revision).set(up)
            found.append(detector)
        self._tools.metrics.ready.set(1)
        log.info("scoring on %s with %s", on, ", ".join(f"{one.name}@{one.revision}" for one in found) or "nothing")
        return found

    async def _round(self, worker: Worker, stop: asyncio.Event) -> int:
        """Score one lease of samples and write off what has expired; returns how many samples were met."""
        metrics = self._tools.metrics
        metrics.heartbeat.set(self._tools.clock.now())
        metrics.waiting.set(await asyncio.to_thread(samples.waiting, self._tools.database))
        expired = await asyncio.to_thread(worker.take_expired)
        if expired:
            await asyncio.to_thread(worker.commit, worker.write_off(expired))
        held = await asyncio.to_thread(worker.lease)
        left: Sequence[Sample] = held
        for portion in portions(held):
            if stop.is_set():
                break
            await self._while_renewing(worker, left, asyncio.create_task(asyncio.to_thread(_finish, worker, portion)))
            left = [one for one in left if one not in portion]
        return len(expired) + len(held)

    async def _while_renewing(self, worker: Worker, held: Sequence[Sample], work: asyncio.Task[None]) -> None:
        while not (await asyncio.wait({work}, timeout=self._settings.lease_ttl / 3))[0]:
            try:
                await asyncio.to_thread(worker.renew, held)
            except StorageError as error:
                log.warning("leases not renewed: %s", error)  # at worst another evaluator scores them too
        work.result()


def _finish(worker: Worker, portion: Sequence[Sample]) -> None:
    worker.commit(worker.judge(portion))


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
