"""One exchange with a receiver, and what its answer means for the request."""

from __future__ import annotations

import ssl
from enum import Enum, auto
from typing import NamedTuple

import aiohttp

from collector.credentials import authorization, tls_context
from collector.settings import RemoteWrite
from core.clock import Clock
from core.egress import EXCERPT, parse_retry_after
from core.errors import ConfigError

_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "User-Agent": "burnline",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_ANSWER_BYTES = 4096


class Verdict(Enum):
    """What becomes of a request."""

    TAKEN = auto()
    AGAIN = auto()
    REFUSED = auto()


class Answer(NamedTuple):
    """`code` is the HTTP status, or one word for what came instead; `retry_after` in seconds."""

    verdict: Verdict
    code: str
    text: str = ""
    retry_after: float | None = None


def verdict_of(status: int) -> Verdict:
    """By the specification: 5xx and 429 are tried again, what else is no success never."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    return Verdict.AGAIN if status >= 500 or status == 429 else Verdict.REFUSED


class Receiver:
    """Where a remote's requests go; ConfigError where a TLS file cannot be read."""

    def __init__(self, session: aiohttp.ClientSession, settings: RemoteWrite, clock: Clock) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self._tls = _tls(settings)
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)

    async def post(self, body: bytes) -> Answer:
        """Send once; whatever goes wrong is an answer to try again."""
        try:
            headers = {**self._settings.headers, **_HEADERS, **authorization(self._settings)}
        except OSError as error:
            return Answer(Verdict.AGAIN, "credentials", f"the secret's file cannot be read: {error}")
        try:
            return await self._exchange(body, headers)
        except TimeoutError:
            return Answer(Verdict.AGAIN, "timeout", f"no answer within {self._settings.timeout:g}s")
        except aiohttp.ClientConnectorError as error:
            return Answer(Verdict.AGAIN, "connect", f"no connection: {error.strerror or error}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(Verdict.AGAIN, "connection", f"{type(error).__name__}: {error}")

    async def _exchange(self, body: bytes, headers: dict[str, str]) -> Answer:
        async with self._session.post(
            self._settings.url, data=body, headers=headers, timeout=self._timeout, ssl=self._tls, allow_redirects=False
        ) as response:
            found = verdict_of(response.status)
            text = "" if found is Verdict.TAKEN else await _excerpt(response)
            retry_after = parse_retry_after(response.headers.get("Retry-After"), self._clock.now())
            return Answer(found, str(response.status), text, retry_after)


def _tls(settings: RemoteWrite) -> ssl.SSLContext | bool:
    if settings.url.startswith("http:"):
        return True
    try:
        return tls_context(settings.tls)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"remote {settings.name}: a file of tls cannot be read: {error}") from None


async def _excerpt(response: aiohttp.ClientResponse) -> str:
    text = (await response.content.read(_ANSWER_BYTES)).decode("utf-8", "replace")
    return f"answered {response.status}: {' '.join(text.split())[:EXCERPT]}"
