"""An application's exporter for `bench.otlp`: sends batches of traces by OTLP/HTTP and keeps account of the answers.

    python -m bench.sender --url URL --rate 40 --seconds 60 --connections 32 --seed 1

sends 40 batches a second (0: as many as the receiver takes), and prints `ready` and at the end its journal as JSON. A
batch that is answered 429 or 503 is sent again after its Retry-After. One in 50 of those that were answered 200 is sent
a second time, as by a client that lost the answer. It ends when every batch that it began was answered 200, or was
given up after `_PATIENCE`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from bench.spans import SPANS_OF_TRACE, TRACES, Batch, Template

READY = "ready"
"""Printed when sending begins."""
_TEMPLATES = 8
_AGAIN = 50
_PATIENCE = 20.0
_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}


@dataclass
class Journal:
    """What was sent and answered. `late`: the longest that a batch waited for its turn, in seconds; `given_up`: batches
    that were never answered 200; `bare`: refusals without Retry-After, or with a status that must not be sent again."""

    batches: int = 0
    calls: int = 0
    spans: int = 0
    tokens: int = 0
    bytes: int = 0
    repeated: int = 0
    given_up: int = 0
    bare: int = 0
    late: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    """(Unix time of the answer, spans) of each batch that was taken."""


class Sender:
    """Sends to one receiver until its time is over."""

    def __init__(self, url: str, rate: float, seconds: float, seed: int) -> None:
        self._url = url
        self._every = 1 / rate if rate else 0.0
        self._seconds = seconds
        self._templates = [Template(seed * _TEMPLATES + at) for at in range(_TEMPLATES)]
        self._ids = np.random.default_rng(seed)
        self._begun = 0
        self.journal = Journal()

    async def run(self, connections: int) -> None:
        """Send over so many connections."""
        self._start = time.monotonic()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
            await asyncio.gather(*(self._work(session) for _ in range(connections)))

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            due = self._start + self._begun * self._every
            if max(due, time.monotonic()) >= self._start + self._seconds:
                return
            number = self._begun
            self._begun += 1
            await asyncio.sleep(due - time.monotonic())
            if self._every:
                self.journal.late = max(self.journal.late, time.monotonic() - due)
            batch = self._templates[number % _TEMPLATES].batch(self._ids, time.time())
            await self._deliver(session, batch, number)

    async def _deliver(self, session: aiohttp.ClientSession, batch: Batch, number: int) -> None:
        packer = zlib.compressobj(level=1, wbits=31)
        body = packer.compress(batch.body) + packer.flush()
        if not await self._send(session, body):
            self.journal.given_up += 1
            return
        self.journal.batches += 1
        self.journal.calls += TRACES
        self.journal.tokens += batch.tokens
        self.journal.bytes += len(body)
        self.journal.acknowledged.append((time.time(), TRACES * SPANS_OF_TRACE))
        self.journal.spans += TRACES * SPANS_OF_TRACE
        if number % _AGAIN == 0:
            self.journal.repeated += await self._send(session, body)

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        until = time.monotonic() + _PATIENCE
        while True:
            async with session.post(self._url, data=body, headers=_HEADERS) as answer:
                await answer.read()
                self.journal.answers[str(answer.status)] += 1
                after = answer.headers.get("Retry-After")
            if answer.status == 200:
                return True
            if answer.status not in (429, 503) or after is None:
                self.journal.bare += 1
                return False
            if time.monotonic() > until:
                return False
            await asyncio.sleep(float(after))


def main(argv: Sequence[str] | None = None) -> int:
    """Send, and print the journal."""
    parser = argparse.ArgumentParser(prog="python -m bench.sender", description="Sends traces over OTLP/HTTP.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, required=True, help="batches a second; 0: as many as are taken")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    sender = Sender(given.url, given.rate, given.seconds, given.seed)
    print(READY, flush=True)
    asyncio.run(sender.run(given.connections))
    json.dump(vars(sender.journal), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
