"""One request to its end: taken, refused, or given up because the queue is too long or too old."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from collector.metrics import RemoteWriteMetrics
from collector.remote_write.encode import Request, SeriesTable
from collector.remote_write.post import Answer, Receiver, Verdict
from core.clock import Clock
from core.egress import Backoff

log = logging.getLogger(__name__)

BACKOFF = Backoff(base=0.03, cap=4.97, floor=0.03)
"""From 30 ms to 5 s, as Prometheus waits; the random part keeps collectors from coming back all at once."""


@dataclass
class Deliverer:
    """Sends the requests of one remote. `error` is why the last failed; None once one has gone well since."""

    name: str
    receiver: Receiver
    metrics: RemoteWriteMetrics
    clock: Clock
    error: str | None = None
    away: bool = False
    _logged: str = ""

    async def deliver(
        self, table: SeriesTable, request: Request, given_up: Callable[[], str | None], resent: bool
    ) -> None:
        """Return when nothing more is to be done. `given_up` says why the request is not wanted any more.

        `resent`: the remote may have taken the same request before, so a refusal may mean just that.
        """
        body = await asyncio.to_thread(table.encode, request)
        samples = len(request.slots)
        attempt = 0
        while (reason := given_up()) is None:
            answer = await self._post(body)
            if answer.verdict is Verdict.TAKEN:
                return self._taken(samples)
            if answer.verdict is Verdict.REFUSED:
                return self._refused(answer, samples, resent or attempt > 0)
            attempt += 1
            self._failed(answer, samples)
            await asyncio.sleep(BACKOFF.delay(attempt, random.random(), answer.retry_after))  # noqa: S311 - no secret
        self.dropped(samples, reason)
        return None

    async def _post(self, body: bytes) -> Answer:
        began = self.clock.monotonic()
        answer = await self.receiver.post(body)
        self.metrics.request_seconds.labels(self.name).observe(self.clock.monotonic() - began)
        self.metrics.requests.labels(self.name, answer.code).inc()
        return answer

    def dropped(self, samples: int, reason: str) -> None:
        """Count samples that will not be sent."""
        self.metrics.dropped.labels(self.name, reason).inc(samples)

    def _taken(self, samples: int) -> None:
        self.metrics.sent.labels(self.name).inc(samples)
        if self.away:
            log.info("remote %s takes samples again", self.name)
        self.error, self.away = None, False

    def _failed(self, answer: Answer, samples: int) -> None:
        self.metrics.retried.labels(self.name).inc(samples)
        if not self.away:
            log.warning("remote %s takes no samples, they wait on disk: %s", self.name, answer.text)
        self.error, self.away = answer.text, True

    def _refused(self, answer: Answer, samples: int, resent: bool) -> None:
        """The answer's text may name another series each time, so what is logged once is a status."""
        self.dropped(samples, "refused_again" if resent else "refused")
        if answer.code != self._logged:
            log.error("remote %s refused %d samples, which are dropped: %s", self.name, samples, answer.text)
        self.error, self.away, self._logged = answer.text, False, answer.code
