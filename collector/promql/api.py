"""Prometheus's HTTP API as it is asked here: raw samples of a span, and which targets there are.

A span is (begin, end]. Prometheus 2 closes a range on both sides, Prometheus 3 and VictoriaMetrics leave its left end
open: a second more is asked for, and what is not inside the span is dropped by its own time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from math import isnan
from typing import Any, NamedTuple, TypeVar

import aiohttp
import orjson

from collector.scrape import identified, read_body
from collector.settings import PrometheusServer
from core.errors import ScrapeError
from core.labels import Labels, make

Found = TypeVar("Found")

TOO_MUCH = "too_much"
"""The reason of answers that a shorter span may get."""
_MORE = 1
_EXCERPT = 200
"""Characters of a server's own words that are kept."""


class Stream(NamedTuple):
    """A series and its raw samples: `labels` with `__name__`, `times` in Unix milliseconds, rising."""

    labels: Labels
    times: list[int]
    values: list[float]


class PrometheusApi:
    """One server. Every failure is a ScrapeError with one word that tells the reason; `told` hears of each outcome."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: PrometheusServer,
        tls: ssl.SSLContext | bool,
        told: Callable[[str], None],
    ) -> None:
        self._session = session
        self._server = server
        self._tls = tls
        self._told = told

    async def raw(self, selector: str, begin: int, end: int) -> list[Stream]:
        """The raw samples of a selector over (begin, end] (Unix seconds); stale markers and NaN are left out."""
        found = await self._query(
            f"{selector}[{end - begin + _MORE}s]", end, "matrix", lambda one: _stream(one, begin * 1000, end * 1000)
        )
        return [stream for stream in found if stream.times]

    async def present(self, selector: str, time: int) -> list[Labels]:
        """The series of a selector that are not stale at a time."""
        found = await self._query(selector, time, "vector", lambda one: (make(one["metric"]), float(one["value"][1])))
        return [labels for labels, value in found if not isnan(value)]

    async def course(self, query: str, begin: int, end: int, step: int) -> list[Stream]:
        """What a query gives at each `step` from `begin` to `end` (Unix seconds); NaN and infinite values stay."""
        form = {"query": query, "start": str(begin), "end": str(end), "step": str(step)}
        return await self._ask("query_range", form, "matrix", _course)

    async def _query(self, query: str, time: int, kind: str, read: Callable[[Any], Found]) -> list[Found]:
        return await self._ask("query", {"query": query, "time": str(time)}, kind, read)

    async def _ask(self, path: str, form: Mapping[str, str], kind: str, read: Callable[[Any], Found]) -> list[Found]:
        limited = {**form, "timeout": f"{self._server.timeout:g}s"}
        try:
            status, body = await self._post(f"{self._server.url.rstrip('/')}/api/v1/{path}", limited)
            found = await asyncio.to_thread(_read, status, body, kind, read)
        except ScrapeError as error:
            self._told(error.reason)
            raise
        self._told("ok")
        return found

    async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        server = self._server
        limit = aiohttp.ClientTimeout(total=server.timeout)
        headers = {"User-Agent": "burnline", "Accept": "application/json", **server.headers, **identified(server)}
        try:
            async with self._session.post(
                url, data=form, headers=headers, timeout=limit, ssl=self._tls, allow_redirects=False
            ) as answer:
                return answer.status, await read_body(answer, server.max_answer_bytes)
        except ScrapeError as error:
            raise ScrapeError(TOO_MUCH, str(error)) if error.reason == "body_size_limit" else error from None
        except TimeoutError:
            raise ScrapeError("timeout", f"no whole answer within {server.timeout:g}s") from None
        except aiohttp.ClientConnectorError as error:
            raise ScrapeError("connect", f"no connection: {error.strerror or error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ScrapeError("protocol", f"{type(error).__name__}: {error}") from None


def _read(status: int, body: bytes, kind: str, read: Callable[[Any], Found]) -> list[Found]:
    try:
        return [read(entry) for entry in _result(status, body, kind)]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ScrapeError("parse", f"the answer holds what no sample is: {error!r}"[:_EXCERPT]) from None


def _result(status: int, body: bytes, kind: str) -> list[Any]:
    """What an answer holds, if it holds everything that was asked for."""
    document = _document(body)
    if status != 200 or document.get("status") != "success":
        raise _refused(status, document, body)
    if document.get("warnings") or document.get("isPartial"):
        said = "; ".join(map(str, document.get("warnings") or ["it is partial"]))
        raise ScrapeError("incomplete", f"the server did not answer in full: {said}"[:_EXCERPT])
    data = document.get("data")
    if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
        raise ScrapeError("parse", f"the answer holds no {kind}")
    return list(data["result"])


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _refused(status: int, document: Mapping[str, Any], body: bytes) -> ScrapeError:
    said = str(document.get("error") or " ".join(body[:_EXCERPT].decode("utf-8", "replace").split()))[:_EXCERPT]
    if status == 200:
        return ScrapeError("parse", f"the answer is none of Prometheus's API: {said}")
    text = f"the server answered HTTP {status}: {said}"
    if status in (413, 422) or document.get("errorType") == "timeout":
        return ScrapeError(TOO_MUCH, text)  # limits on samples and bytes, and evaluations that took too long
    return ScrapeError("bad_query" if status == 400 else "http_status", text)


def _stream(entry: Mapping[str, Any], after_ms: int, upto_ms: int) -> Stream:
    samples = dict(_samples(entry.get("values", ()), after_ms, upto_ms))  # a time that comes twice is one sample
    return Stream(make(entry["metric"]), list(samples), list(samples.values()))


def _course(entry: Mapping[str, Any]) -> Stream:
    pairs = [(round(float(time) * 1000), float(text)) for time, text in entry["values"]]
    return Stream(make(entry["metric"]), [time for time, _ in pairs], [value for _, value in pairs])


def _samples(pairs: Iterable[Any], after_ms: int, upto_ms: int) -> Iterable[tuple[int, float]]:
    for time, text in sorted(pairs, key=lambda pair: float(pair[0])):
        stamp, value = round(float(time) * 1000), float(text)
        if after_ms < stamp <= upto_ms and not isnan(value):
            yield stamp, value
