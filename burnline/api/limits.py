"""How often a client may ask, and how much it may send. Memory is bounded whatever clients do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any, NamedTuple

from fastapi import HTTPException
from starlette.types import Message, Receive

from core.clock import Clock

MOST_CLIENTS = 4096
"""Buckets kept, about 1 MiB. Beyond it the client that asked longest ago is forgotten and starts anew."""


class Level(NamedTuple):
    """What a token bucket held at a monotonic time."""

    held: float
    at: float


def take(level: Level | None, now: float, per_second: float, burst: int) -> tuple[Level, float]:
    """Take one from a bucket (None: a full one): (its level after, seconds to wait where nothing could be taken)."""
    held = float(burst) if level is None else min(float(burst), level.held + (now - level.at) * per_second)
    if held >= 1:
        return Level(held - 1, now), 0.0
    return Level(held, now), (1 - held) / per_second


class Limiter:
    """One bucket a client: `per_minute` requests on average, `burst` at once."""

    def __init__(self, per_minute: float, burst: int, clock: Clock, most: int = MOST_CLIENTS) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[str, Level] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, client: str) -> None:
        """Count one request; HTTPException 429 that says when to come again."""
        level, wait = take(self._levels.get(client), self._clock.monotonic(), self._per_second, self._burst)
        self._levels[client] = level
        self._levels.move_to_end(client)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        if wait:
            seconds = max(1, ceil(wait))
            text = f"too many requests: at most {self._per_second * 60:g} a minute; come again in {seconds} s"
            raise HTTPException(429, text, {"Retry-After": str(seconds)})


def address_of(scope: MutableMapping[str, Any]) -> str:
    """The client as limits see it: its address, for IPv6 the /64 that one client has whole."""
    host = str((scope.get("client") or ("local",))[0])
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return f"{int(found) >> 64:x}::/64" if isinstance(found, IPv6Address) else host


def check_length(said: str | None, most: int) -> None:
    """HTTPException 413 where the announced length of a body is over the limit."""
    if said is not None and (not said.isdecimal() or int(said[:20]) > most):
        raise too_large(most)


def counted(receive: Receive, most: int) -> Receive:
    """The body as it comes; over the limit it ends in HTTPException 413, whether or not its length was announced."""
    seen = 0

    async def read() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise too_large(most)
        return message

    return read


def too_large(most: int) -> HTTPException:
    """The refusal of a body."""
    return HTTPException(413, f"a body of at most {most} bytes is taken")
