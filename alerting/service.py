"""The alerter: a loop that consumes events, decides, and delivers."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress

from alerting import dispatch, route, state
from alerting.delivery import Delivery, HttpSender, Sender
from alerting.dispatch import Audience, Plan, Report
from alerting.heartbeat import Heartbeat
from alerting.metrics import AlertingMetrics
from alerting.settings import AlertingSettings
from core.clock import Clock
from core.durations import DAY, HOUR
from core.errors import StorageError
from storage import outbox
from storage.database import Database

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks at the event table: with group_wait, the longest that this part adds to a page."""

GRACE = 3.0
"""Seconds that sendings get to finish at a stop; with the rest of it a stop stays within five."""

OUTBOX_RETENTION = 30 * DAY
LOG_RETENTION = 400 * DAY
"""As long as the ledger's hours: who was told what can be read for every SLO window."""


class Alerter:
    """Alerting as a whole: `step` decides, `run` also delivers. One alerter works at a time on a database."""

    def __init__(self, db: Database, settings: AlertingSettings, clock: Clock, external_url: str) -> None:
        self.metrics = AlertingMetrics()
        self._db = db
        self._clock = clock
        self._settings = settings
        self.receivers = {receiver.name: receiver.system for receiver in settings.receivers}
        self._plan = Plan(
            route.build(settings),
            {one.name: Audience(one.send_resolved, one.system.acknowledges) for one in settings.receivers},
            external_url.rstrip("/"),
        )
        self._is_first = True
        self._prune_at = clock.now()

    def step(self) -> float:
        """Consume what is new, put into the outbox what is due; returns the seconds until the next (inf: none)."""
        now = self._clock.now()
        with self._db.write() as connection:
            report = dispatch.consume(connection, self._plan, now, reconcile=self._is_first)
            if is_pruning := now >= self._prune_at:
                outbox.prune(connection, now - OUTBOX_RETENTION)
                state.prune(connection, now - LOG_RETENTION)
        self._is_first = False
        self._prune_at = now + HOUR if is_pruning else self._prune_at
        self._count(report)
        return max(0.0, report.next_due - now) if report.next_due is not None else math.inf

    def delivery(self, send: Sender) -> Delivery:
        """The deliverer for this alerter's receivers."""
        return Delivery(self._db, self.receivers, self._clock, send, metrics=self.metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end within five seconds. What is not delivered then is delivered later."""
        async with HttpSender(self._clock) as send:
            delivery = self.delivery(send)
            beating = self._start_heartbeat(send)
            while not stop.is_set():
                pause = await self._turn(delivery)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)
            if beating is not None:
                beating.cancel()
            await delivery.stop(GRACE)

    async def _turn(self, delivery: Delivery) -> float:
        try:
            pause = await asyncio.to_thread(self.step)
            await delivery.start_due()
            await asyncio.to_thread(self.observe)
        except StorageError as error:
            self.metrics.storage_errors.inc()
            log.error("the database failed, trying again: %s", error)
            return POLL
        return min(pause, POLL)

    def observe(self) -> None:
        """Bring the outbox's gauges up to date."""
        now = self._clock.now()
        health = {one.receiver: one for one in outbox.health(self._db)}
        for name in {*self.receivers, *health}:
            one = health.get(name)
            self.metrics.outbox_depth.labels(name).set(one.depth if one else 0)
            self.metrics.outbox_failed.labels(name).set(one.failed if one else 0)
            age = now - one.oldest_open if one and one.oldest_open is not None else 0.0
            self.metrics.outbox_age.labels(name).set(age)

    def _start_heartbeat(self, send: Sender) -> asyncio.Task[None] | None:
        if self._settings.heartbeat is None:
            return None
        heartbeat = Heartbeat(self._db, self._settings.heartbeat, self._clock, send, self.metrics)
        return asyncio.create_task(heartbeat.run())

    def _count(self, report: Report) -> None:
        self.metrics.events.inc(report.consumed)
        for receiver, reason in report.decided:
            self.metrics.decisions.labels(receiver, reason.value).inc()
