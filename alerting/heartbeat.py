"""The dead man's switch: a call that goes out only while alerts can arise and can arrive.

The service that it calls raises the alarm when calls stop, so a dead Burnline is noticed, too.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum

from alerting.delivery import Sender
from alerting.metrics import AlertingMetrics
from alerting.settings import HeartbeatSettings
from core.clock import Clock
from core.egress import AddressRules, Request, accept
from core.errors import DeliveryError, StorageError
from storage import fleet, outbox
from storage.database import Database

log = logging.getLogger(__name__)

OLDEST_WATERMARK = 60.0
"""Seconds. An older watermark is itself the alert `collector blind`: nothing can be said about the fleet."""

OLDEST_DELIVERY = 300.0
"""Seconds. A receiver's restart is over by then; a notification that waits longer may be a page that nobody gets."""


class Pulse(Enum):
    """Whether to call, and if not, why not."""

    BEAT = "beat"
    BLIND = "blind"
    STUCK = "stuck"


def decide(watermark: float | None, oldest_undelivered: float | None, now: float) -> Pulse:
    """Call only if collectors are at most a minute behind and no notification has waited five minutes."""
    if watermark is None or now - watermark > OLDEST_WATERMARK:
        return Pulse.BLIND
    if oldest_undelivered is not None and now - oldest_undelivered > OLDEST_DELIVERY:
        return Pulse.STUCK
    return Pulse.BEAT


class Heartbeat:
    """Calls the URL at the interval of the settings, as long as `decide` says so."""

    def __init__(
        self, db: Database, settings: HeartbeatSettings, clock: Clock, send: Sender, metrics: AlertingMetrics
    ) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock
        self._send = send
        self._metrics = metrics

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(self._settings.interval)

    async def beat(self) -> str:
        """One look and perhaps one call; returns the outcome as the metrics name it."""
        outcome = await self._outcome()
        self._metrics.heartbeats.labels(outcome).inc()
        return outcome

    async def _outcome(self) -> str:
        try:
            pulse = await asyncio.to_thread(self._pulse)
            if pulse is Pulse.BEAT:
                url = self._settings.target.read()
                accept(await self._send(AddressRules(), Request(url, secrets=(url,))))
        except (DeliveryError, StorageError) as error:
            log.warning("heartbeat: %s", error)
            return "failed"
        return pulse.value

    def _pulse(self) -> Pulse:
        with self._db.read() as connection:
            pulse = fleet.pulse(connection)
        return decide(pulse, outbox.oldest_open(self._db), self._clock.now())
