"""The clients of the demo fleet: a seeded schedule of requests, sent as real HTTP, with a journal of its own."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp
import orjson

from burnline.demo import child, texts
from burnline.demo.settings import CANARY, MODEL_NAME
from burnline.demo.telemetry import Call, Telemetry

# The day of the demo: traffic swings by a fifth around its mean every ten simulated minutes.
_WAVE_SECONDS, _WAVE_SHARE = 600.0, 0.2
_PROMPT_MEDIAN, _PROMPT_SIGMA, _PROMPT_LIMIT = 250.0, 0.6, 768
_PATIENCE = 30.0
_RETRIEVAL_SHARE, _ATTACK_SHARE = 0.4, 0.005
_SHORT_SHARE = 0.02
"""Requests with a short limit: a quarter of their answers is cut off, a tenth of what the pack's SLO accepts."""
_DOCUMENTS, _SHORTEST_WITH_DOCUMENTS = 6, 90


@dataclass(frozen=True)
class LoadSettings:
    """What the load generator is told: `replicas` are (name, version, region, `host:port`); rates in simulated time."""

    replicas: list[list[str]]
    directory: str
    request_rate: float
    canary_share: float
    abort_share: float
    speed: float
    seed: int
    otlp: str = ""
    """Where traces go (`http://host:port`); empty: nowhere."""


class Arrival(NamedTuple):
    """One request of the schedule. `choice` (0 to 1) picks the replica; times are simulated seconds."""

    time: float
    version: str
    region: str
    choice: float
    prompt_tokens: int
    max_tokens: int
    seed: int
    patience: float
    with_documents: bool
    attack: bool


def schedule(settings: LoadSettings) -> Iterator[Arrival]:
    """The same arrivals for the same settings, without end: Poisson, modulated by a slow wave."""
    rng = Random(f"{settings.seed}/load")  # noqa: S311 -- a simulation
    cells = sorted({(version, region) for _, version, region, _ in settings.replicas})
    highest = settings.request_rate * (1 + _WAVE_SHARE)
    now = 0.0
    while highest > 0:
        now += rng.expovariate(highest)
        wave = 1 + _WAVE_SHARE * math.sin(2 * math.pi * now / _WAVE_SECONDS)
        if rng.random() * highest < settings.request_rate * wave:
            yield _arrival(rng, now, cells, settings)


def _arrival(rng: Random, now: float, cells: list[tuple[str, str]], settings: LoadSettings) -> Arrival:
    wants_canary = rng.random() < settings.canary_share
    fitting = [cell for cell in cells if (cell[0] == CANARY) == wants_canary] or cells
    version, region = rng.choice(fitting)
    prompt_tokens = min(_PROMPT_LIMIT, math.ceil(rng.lognormvariate(math.log(_PROMPT_MEDIAN), _PROMPT_SIGMA)))
    return Arrival(
        time=now,
        version=version,
        region=region,
        choice=rng.random(),
        prompt_tokens=prompt_tokens,
        max_tokens=128 if rng.random() < _SHORT_SHARE else 2048,
        seed=rng.getrandbits(32),
        patience=rng.uniform(0.1, 1.0) if rng.random() < settings.abort_share else _PATIENCE,
        with_documents=rng.random() < _RETRIEVAL_SHARE,
        attack=rng.random() < _ATTACK_SHARE,
    )


class _Server(NamedTuple):
    """A replica as clients know it."""

    name: str
    version: str
    region: str
    address: str


class Clients:
    """Sends the schedule. Each request ends as a line: `status`, or why there is none, and how many were tried."""

    def __init__(self, settings: LoadSettings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self.telemetry = Telemetry(settings.otlp, session) if settings.otlp else None
        self._servers = [_Server(*replica) for replica in settings.replicas]
        self._file = os.open(Path(settings.directory) / "load.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._share = 1.0
        self._thinning = Random(f"{settings.seed}/thinning")  # noqa: S311 -- a simulation

    def adjust(self, fields: dict[str, Any]) -> None:
        """Obey the scenario: from now on this share of the clients sends."""
        self._share = float(fields["share"])

    async def send_all(self) -> None:
        """Follow the schedule; a request that is due is sent whether or not others are under way."""
        zero = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for arrival in schedule(self._settings):
                due = zero + arrival.time / self._settings.speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self._thinning.random() < self._share:
                    group.create_task(self._request(arrival))

    async def _request(self, arrival: Arrival) -> None:
        tried, result = 0, "unreachable"
        server = None
        call = self._begin(arrival)
        for server in self._candidates(arrival):
            tried += 1
            try:
                async with asyncio.timeout(arrival.patience / self._settings.speed):
                    result = await self._post(server, arrival, call)
                break
            except TimeoutError:
                result = "gone"
                break
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                continue
        self._tell(call, server, result)
        self._write(arrival, server, result, tried)

    def _begin(self, arrival: Arrival) -> Call:
        """The call as the application makes it: it looks documents up, then asks the model with them."""
        rng = Random(arrival.seed)  # noqa: S311 -- a simulation
        began = time.time()
        wanted = arrival.with_documents and arrival.prompt_tokens >= _SHORTEST_WITH_DOCUMENTS
        documents = texts.facts(rng, _DOCUMENTS) if wanted else []
        prompt = texts.prompt(rng, arrival.prompt_tokens, documents, attack=arrival.attack)
        retrieved = (began, time.time()) if wanted else None
        return Call(MODEL_NAME, prompt, began, documents=documents, retrieved=retrieved)

    def _tell(self, call: Call, server: _Server | None, result: str) -> None:
        if self.telemetry is None:
            return
        call.ended = time.time()
        if server is not None:
            call.version, call.region, call.address = server.version, server.region, server.address
        if result != "200":
            call.error = "cancelled" if result == "gone" else result
        self.telemetry.record(call)

    def _candidates(self, arrival: Arrival) -> list[_Server]:
        """Replicas of the version, those of the region first, each in an order that the request's choice turns."""
        same = [server for server in self._servers if server.version == arrival.version]
        near = [server for server in same if server.region == arrival.region]
        far = [server for server in same if server.region != arrival.region]
        return _turned(near, arrival.choice) + _turned(far, arrival.choice)

    async def _post(self, server: _Server, arrival: Arrival, call: Call) -> str:
        body = {
            "model": MODEL_NAME,
            "prompt": call.prompt,
            "max_tokens": arrival.max_tokens,
            "seed": arrival.seed,
        }
        headers = {"Content-Type": "application/json"}
        url = f"http://{server.address}/v1/completions"
        async with self._session.post(url, data=orjson.dumps(body), headers=headers) as response:
            answer = await response.read()
            if response.status == 200:
                self._take(call, orjson.loads(answer))
            return str(response.status)

    def _take(self, call: Call, answer: dict[str, Any]) -> None:
        """What the answer tells of itself; simulated seconds become those of the wall."""
        choice, usage = answer["choices"][0], answer["usage"]
        call.answer, call.finish_reason = choice["text"], choice["finish_reason"]
        call.input_tokens, call.output_tokens = usage["prompt_tokens"], usage["completion_tokens"]
        ttft = answer["timings"]["ttft"]
        call.ttft = None if ttft is None else ttft / self._settings.speed

    def _write(self, arrival: Arrival, server: _Server | None, result: str, tried: int) -> None:
        line = {
            "time": time.time(),
            "version": arrival.version,
            "region": arrival.region,
            "replica": None if server is None else server.name,
            "result": result,
            "tried": tried,
        }
        os.write(self._file, orjson.dumps(line) + b"\n")


def _turned(servers: list[_Server], choice: float) -> list[_Server]:
    first = int(choice * len(servers))
    return servers[first:] + servers[:first]


async def generate(settings: LoadSettings) -> None:
    """Send the schedule until the supervisor ends it."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        clients = Clients(settings, session)
        sending = asyncio.create_task(clients.send_all())
        telling = asyncio.create_task(clients.telemetry.run() if clients.telemetry else asyncio.sleep(0))
        stopping = asyncio.create_task(child.until_stopped(clients.adjust))
        await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()  # a fault of the clients ends the process, and the supervisor starts another
        await stopping
        sending.cancel()
        telling.cancel()
        await asyncio.wait((sending, telling))  # requests under way end before their session does
        if clients.telemetry is not None:
            await clients.telemetry.flush()


if __name__ == "__main__":
    child.die_with_parent()
    asyncio.run(generate(child.settings_of(LoadSettings)))
