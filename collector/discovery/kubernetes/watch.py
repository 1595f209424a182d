"""One resource of the Kubernetes API, listed and then watched: what is there now.

A list gives the version from which a watch goes on. A watch that ends or breaks goes on from the last version it told.
When the server no longer knows that version (410 Gone), or told what cannot be read, everything is listed anew; until
then what was known stays.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import aiohttp
from pydantic import ValidationError

from collector.discovery.client import ApiClient, decoded
from collector.discovery.kubernetes.objects import Known
from core.errors import DiscoveryError

log = logging.getLogger(__name__)

PAGE = 500
"""Objects a page of a list: a list of ten thousand pods at once is hundreds of megabytes."""
WATCH_SECONDS = 300
"""How long a watch is asked for: a connection that silently died is found after this and _GRACE."""
_GRACE = 30.0
_MOST_LINE = 16 * 2**20
GONE = 410


class Pauses(NamedTuple):
    """Seconds to wait after a failure: the first, and the longest after many in a row."""

    first: float = 0.5
    longest: float = 30.0


PAUSES = Pauses()


class Resource(NamedTuple):
    """What is watched: its path in the API, its kind of objects, and selectors."""

    path: str
    kind: type[Known]
    selectors: Mapping[str, str]


class _ListAnew(Exception):
    """The watch cannot go on from where it was."""


class Watch:
    """Keeps `objects` by namespace and name. `changed` is called after every change, and when `error` changes."""

    def __init__(
        self, client: ApiClient, resource: Resource, changed: Callable[[], None], pauses: Pauses = PAUSES
    ) -> None:
        self.objects: dict[str, Known] = {}
        self.synced = False
        self.error: str | None = None
        self._client = client
        self._resource = resource
        self._changed = changed
        self._pauses = pauses
        self._failures = 0
        self._version: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._watch()
            except _ListAnew as reason:
                log.info("%s: listing anew: %s", self._resource.path, reason)
                self._version = None
                self._failures += 1
            except DiscoveryError as error:
                self._failed(error)
            await self._pause()

    def _failed(self, error: DiscoveryError) -> None:
        if error.status == GONE:
            self._version = None
        self._failures += 1
        self.error = f"{self._resource.path}: {error}"
        self._changed()

    async def _pause(self) -> None:
        """Longer after every failure in a row, and never the same for all collectors."""
        wait = min(self._pauses.longest, self._pauses.first * 2.0 ** min(self._failures - 1, 10))
        await asyncio.sleep(wait * (0.5 + random.random() / 2) if self._failures else 0)  # noqa: S311 - no secret

    def _well(self) -> None:
        if self.error is not None:
            self.error = None
            self._changed()

    async def _list(self) -> None:
        """Replace everything by what the server has; in pages of one and the same version."""
        found: dict[str, Known] = {}
        more = ""
        while True:
            asked = {**self._resource.selectors, "limit": str(PAGE), **({"continue": more} if more else {})}
            document = await self._client.json(self._resource.path, asked)
            meta, items = _list_of(document)
            for item in items:
                one = self._read(item)
                found[one.metadata.key] = one
            more = meta.get("continue") or ""
            if not more:
                break
        self.objects, self._version, self.synced = found, str(meta.get("resourceVersion", "")), True
        self._well()
        self._changed()

    async def _watch(self) -> None:
        """Follow changes until the stream ends."""
        asked = {
            **self._resource.selectors,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_GRACE, sock_read=WATCH_SECONDS + _GRACE)
        began, told = time.monotonic(), False
        async with self._client.opened(self._resource.path, asked, limits) as answer:
            async for line in _lines(answer):
                self._take(line)
                self._well()
                self._failures, told = 0, True
        if not told and time.monotonic() - began < 1:
            self._failures += 1  # a server that ends every watch at once is not asked in a loop
        else:
            self._failures = 0

    def _take(self, line: bytes) -> None:
        try:
            event = decoded(line)
            kind, body = event["type"], event["object"]
        except (DiscoveryError, TypeError, KeyError):
            raise _ListAnew(f"no event: {line[:100]!r}") from None
        if kind == "ERROR":
            raise _ListAnew(str(body.get("message", body) if isinstance(body, dict) else body)[:200])
        if kind == "BOOKMARK":
            self._version = _version(body)
            return
        one = self._read(body)
        if kind == "DELETED":
            self.objects.pop(one.metadata.key, None)
        else:
            self.objects[one.metadata.key] = one
        self._version = one.metadata.resource_version or self._version
        self._changed()

    def _read(self, body: Any) -> Known:
        try:
            return self._resource.kind.model_validate(body)
        except ValidationError as error:
            self._version = None  # what the server tells is not understood: see all of it again, later
            raise DiscoveryError(f"an object that cannot be read: {error.errors()[0]['msg']}") from None


def _version(body: Any) -> str:
    try:
        return str(body["metadata"]["resourceVersion"])
    except (TypeError, KeyError):
        raise _ListAnew("a bookmark without a version") from None


def _list_of(document: Any) -> tuple[Mapping[str, Any], list[Any]]:
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise DiscoveryError("the answer is no list of objects")
    items = document.get("items") or []
    if not isinstance(items, list):
        raise DiscoveryError("the answer's items are no list")
    return document["metadata"], items


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines of a stream; what is left at its end without a line break was cut off."""
    buffer = b""
    async for chunk in answer.content.iter_any():
        *whole, buffer = (buffer + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(buffer) > _MOST_LINE:
            raise DiscoveryError(f"an event is longer than {_MOST_LINE} bytes")
