"""HTTP towards services that know targets: secrets are read anew for each request, and every failure has one type."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import aiohttp
import orjson

from collector.credentials import tls_context
from collector.scrape import identified
from collector.settings import ApiAccess
from core.errors import DiscoveryError, ScrapeError

Params = Mapping[str, str] | Sequence[tuple[str, str]]
_TIMEOUT = 30.0
_MOST_BYTES = 64 * 2**20
"""A page of 500 pods of a large cluster is some megabytes."""
_EXCERPT = 200


class ApiClient:
    """Requests below one base URL; use it with `async with`."""

    def __init__(self, base: str, access: ApiAccess) -> None:
        self._base = base
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiClient:
        # A watch may be silent for minutes: each request has its own time limits.
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def json(self, path: str, params: Params | None = None, within: float = _TIMEOUT) -> Any:
        """The answer's document; DiscoveryError where there is none, with the status where one was answered."""
        return (await self.answer(path, params, within))[0]

    async def answer(
        self, path: str, params: Params | None = None, within: float = _TIMEOUT
    ) -> tuple[Any, Mapping[str, str]]:
        """The answer's document and its headers."""
        async with self.opened(path, params, aiohttp.ClientTimeout(total=within)) as answer:
            body = await answer.content.read(_MOST_BYTES + 1)
            while len(body) <= _MOST_BYTES and (more := await answer.content.read(_MOST_BYTES + 1 - len(body))):
                body += more
            if len(body) > _MOST_BYTES:
                raise DiscoveryError(f"the answer is larger than {_MOST_BYTES} bytes")
            return decoded(body), answer.headers

    @asynccontextmanager
    async def opened(
        self, path: str, params: Params | None, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer whose body is still to be read; errors while it is read are DiscoveryErrors too."""
        assert self._session is not None
        try:
            async with self._session.get(
                self._base + path, params=params, headers=self._headers(), ssl=self._tls(), timeout=limits
            ) as answer:
                if answer.status != 200:
                    excerpt = (await answer.content.read(_EXCERPT)).decode(errors="replace")
                    raise DiscoveryError(f"HTTP {answer.status}: {' '.join(excerpt.split())}", answer.status)
                yield answer
        except TimeoutError:
            raise DiscoveryError("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DiscoveryError(f"{type(error).__name__}: {error}") from None

    def _headers(self) -> dict[str, str]:
        try:
            return {"Accept": "application/json", "User-Agent": "burnline", **identified(self._access)}
        except ScrapeError as error:
            raise DiscoveryError(str(error)) from None

    def _tls(self) -> ssl.SSLContext | bool:
        """Made anew for each connection: certificates are rotated."""
        return tls_context(self._access.tls) if self._base.startswith("https") else True


def decoded(body: bytes) -> Any:
    """A JSON document, or a DiscoveryError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DiscoveryError(f"the answer is no JSON: {error}") from None
