"""What servers answer, over HTTP: everything but a whole answer is a reason."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from collector.promql.api import PrometheusApi, Stream
from core.errors import ScrapeError
from tests.collector.promql.world import server

Handler = Callable[[web.Request], Awaitable[web.Response]]
OK = {"status": "success", "data": {"resultType": "matrix", "result": []}}


def _matrix(*values: Any, **extra: Any) -> dict[str, Any]:
    result = [{"metric": {"__name__": "up", "job": "vllm"}, "values": list(values)}]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **extra}


def _answering(document: Any, status: int = 200) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return web.Response(body=body, status=status, content_type="application/json")

    return handler


def _ask(handler: Handler, **settings: Any) -> list[Stream]:
    """The raw samples over (100, 200]."""

    async def run() -> list[Stream]:
        app = web.Application()
        app.router.add_post("/prefix/api/v1/query", handler)
        async with TestServer(app) as http, aiohttp.ClientSession() as session:
            known = server(url=str(http.make_url("/prefix/")), **settings)
            return await PrometheusApi(session, known, True, outcomes.append).raw('{job="vllm"}', 100, 200)

    outcomes: list[str] = []
    try:
        found = asyncio.run(run())
    except ScrapeError as error:
        assert outcomes == [error.reason]
        raise
    assert outcomes == ["ok"]
    return found


@pytest.mark.parametrize(
    ("document", "status", "reason", "said"),
    [
        (
            {"status": "error", "errorType": "execution", "error": "too many samples"},
            422,
            "too_much",
            "too many samples",
        ),
        ({"status": "error", "errorType": "timeout", "error": "query timed out"}, 503, "too_much", "timed out"),
        ({"status": "error", "errorType": "unavailable", "error": "no query frontend"}, 503, "http_status", "503"),
        (b"<html>Bad gateway</html>", 502, "http_status", "Bad gateway"),
        (b"", 401, "http_status", "401"),
        ({"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}, 400, "bad_query", "char 3"),
        (b"Request Entity Too Large", 413, "too_much", "413"),
        (b"slow down", 429, "http_status", "slow down"),
        (b"moved", 302, "http_status", "302"),
        (_matrix([150, "1"], warnings=["results truncated due to limit"]), 200, "incomplete", "truncated"),
        (_matrix([150, "1"], isPartial=True), 200, "incomplete", "partial"),
        ({"status": "error", "error": "odd"}, 200, "parse", "odd"),
        (b"not json", 200, "parse", "not json"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[NaN]}}', 200, "parse", "none of Prometheus"),
        ([1, 2], 200, "parse", "none of Prometheus"),
        ({"status": "success"}, 200, "parse", "no matrix"),
        ({"status": "success", "data": {"resultType": "vector", "result": []}}, 200, "parse", "no matrix"),
        ({"status": "success", "data": {"resultType": "matrix", "result": {}}}, 200, "parse", "no matrix"),
        ({"status": "success", "data": {"resultType": "matrix", "result": [7]}}, 200, "parse", "what no sample is"),
        (_matrix([150, "one"]), 200, "parse", "what no sample is"),
        (_matrix([150]), 200, "parse", "what no sample is"),
        (_matrix(["yesterday", "1"]), 200, "parse", "what no sample is"),
        (_matrix(None), 200, "parse", "what no sample is"),
    ],
)
def test_an_answer_that_is_not_whole_is_refused_with_its_reason(
    document: Any, status: int, reason: str, said: str
) -> None:
    with pytest.raises(ScrapeError, match=said) as refused:
        _ask(_answering(document, status))
    assert refused.value.reason == reason


def test_notes_that_say_nothing_of_what_is_missing_are_no_objection() -> None:
    assert _ask(_answering(_matrix([150, "1"], infos=["metric might not be a counter"])))


def test_values_come_as_texts_stale_ones_are_left_out_and_edges_are_those_that_were_asked_for() -> None:
    sent = (
        [99.9, "1"],
        [100, "2"],
        [100.001, "3"],
        [150, "NaN"],
        [151.5, "+Inf"],
        [200, "4"],
        [200, "4"],
        [200.001, "5"],
    )
    (stream,) = _ask(_answering(_matrix(*sent)))
    assert stream.labels == (("__name__", "up"), ("job", "vllm"))
    assert stream.times == [100_001, 151_500, 200_000]
    assert stream.values == [3.0, float("inf"), 4.0]


def test_a_series_with_nothing_inside_the_span_is_none() -> None:
    assert _ask(_answering(_matrix([100, "1"], [150, "NaN"]))) == []


def test_an_answer_that_is_too_large_or_too_slow_is_cut() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    with pytest.raises(ScrapeError, match="100 bytes or more") as large:
        _ask(_answering(b" " * 1000), max_answer_bytes=100)
    with pytest.raises(ScrapeError, match=r"no whole answer within 0\.2s") as late:
        _ask(slow, timeout=0.2)
    assert (large.value.reason, late.value.reason) == ("too_much", "timeout")


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            await PrometheusApi(session, server(url="http://127.0.0.1:1"), True, lambda _: None).present("up", 100)

    with pytest.raises(ScrapeError, match="no connection") as refused:
        asyncio.run(run())
    assert refused.value.reason == "connect"


def test_a_request_says_who_asks_what_and_for_how_long(tmp_path: Path) -> None:
    seen: list[tuple[dict[str, str], dict[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), {k: str(v) for k, v in (await request.post()).items()}))
        return web.json_response(OK)

    secret = tmp_path / "secret"
    secret.write_text("abc\n")
    _ask(handler, headers={"X-Scope-OrgID": "team"}, bearer_token_file=str(secret), timeout=7)
    _ask(handler, basic_auth={"username": "u", "password_file": str(secret)})
    headers, form = seen[0]
    assert headers["X-Scope-OrgID"] == "team"
    assert headers["Authorization"] == "Bearer abc"
    assert form == {"query": '{job="vllm"}[101s]', "time": "200", "timeout": "7s"}
    assert seen[1][0]["Authorization"] == "Basic " + base64.b64encode(b"u:abc").decode()
    secret.unlink()
    with pytest.raises(ScrapeError, match="cannot be read") as refused:
        _ask(handler, bearer_token_file=str(secret))
    assert refused.value.reason == "credentials"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["status", "data", "result", "resultType", "metric", "values", "error"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_whatever_json_comes_the_answer_is_read_or_refused(document: Any) -> None:
    from collector.promql import api

    for body in (document, {"status": "success", "data": {"resultType": "matrix", "result": [document]}}):
        try:
            found = api._read(200, json.dumps(body).encode(), "matrix", lambda one: api._stream(one, 0, 10**12))
        except ScrapeError as error:
            assert error.reason in ("parse", "incomplete")
        else:
            assert all(isinstance(stream, Stream) for stream in found)
