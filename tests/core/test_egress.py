from __future__ import annotations

import asyncio
import http.server
import logging
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import egress
from core.egress import AddressRules, Answer, Backoff, GuardedTransport, Request
from core.errors import DeliveryError, DeliveryRefused, DeliveryRetryable


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e9))
def test_a_pause_is_between_floor_and_cap_and_never_shorter_than_asked(
    attempt: int, roll: float, retry_after: float | None
) -> None:
    pause = Backoff(base=2.0, cap=60.0, floor=1.0).delay(attempt, roll, retry_after)
    asked = min(retry_after or 0.0, egress.LONGEST_RETRY_AFTER)
    assert max(1.0, asked) <= pause <= max(61.0, asked)


def test_pauses_double_until_the_cap() -> None:
    backoff = Backoff(base=1.0, cap=10.0)
    assert [backoff.delay(n, 0.5) for n in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("fe80::1%eth0", True),
        ("fd00:ec2::254", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.1.2.3", False),
        ("93.184.216.34", False),
    ],
)
def test_link_local_and_metadata_addresses_are_refused(address: str, is_refused: bool) -> None:
    assert (AddressRules().objection(address) is not None) == is_refused


def test_private_addresses_are_refused_where_asked_and_link_local_ones_allowed_where_asked() -> None:
    strict = AddressRules(allow_private=False)
    assert strict.objection("10.1.2.3") and strict.objection("127.0.0.1") and not strict.objection("93.184.216.34")
    assert AddressRules(allow_link_local=True).objection("169.254.1.1") is None


def every_subclass(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every_subclass(child))]


@pytest.mark.parametrize("kind", [*every_subclass(httpx.RequestError), httpx.InvalidURL])
def test_every_error_of_the_library_is_mapped_without_its_text(kind: Any) -> None:
    mapped = egress.mapped(kind("https://hooks.example/SECRET"))
    assert isinstance(mapped, DeliveryError)
    assert "SECRET" not in str(mapped)


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, DeliveryRetryable), (503, DeliveryRetryable), (429, DeliveryRetryable), (408, DeliveryRetryable),
     (400, DeliveryRefused), (404, DeliveryRefused), (302, DeliveryRefused)],
)  # fmt: skip
def test_statuses_are_sorted(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"answered {status}"):
        egress.accept(Answer(status, "why"))


def test_retry_after_may_be_seconds_or_a_date_or_nonsense() -> None:
    assert egress.parse_retry_after("120", 0.0) == 120.0
    assert egress.parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0
    assert egress.parse_retry_after("-5", 0.0) == 0.0
    assert [egress.parse_retry_after(text, 0.0) for text in (None, "soon", "nan", "inf")] == [None] * 4


def test_a_secret_url_is_scrubbed_in_whole_and_in_parts() -> None:
    url = "https://user:pass1@hooks.example/services/T000/B000/XXXX?token=abcd"
    for text in (url, "/services/T000/B000/XXXX", "no XXXX here", "token=abcd", "user:pass1"):
        scrubbed = egress.scrub(text, (url,))
        assert "<secret>" in scrubbed
        assert not any(part in scrubbed for part in ("XXXX", "abcd", "pass1"))


class Recorder(httpx.AsyncBaseTransport):
    def __init__(self, refuse_first: bool = False) -> None:
        self.seen: list[httpx.Request] = []
        self._refuse = refuse_first

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self._refuse and len(self.seen) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def getaddrinfo(_loop: Any, _host: str, _port: Any, **_kind: Any) -> list[Any]:
        return [(None, None, None, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)


def call(transport: httpx.AsyncBaseTransport, url: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post(url)

    return asyncio.run(run())


def test_what_was_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "10.0.0.7")
    recorder = Recorder()
    call(GuardedTransport(recorder, AddressRules()), "https://pager.example/x")
    request = recorder.seen[0]
    assert (request.url.host, request.headers["host"]) == ("10.0.0.7", "pager.example")
    assert request.extensions["sni_hostname"] == "pager.example"


def test_one_bad_address_of_a_name_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "10.0.0.7", "169.254.169.254")
    recorder = Recorder()
    with pytest.raises(DeliveryRefused, match=r"169\.254"):
        call(GuardedTransport(recorder, AddressRules()), "http://pager.example/x")
    assert recorder.seen == []


def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "::1", "127.0.0.1")
    recorder = Recorder(refuse_first=True)
    call(GuardedTransport(recorder, AddressRules()), "http://localhost:9/x")
    assert [request.url.host for request in recorder.seen] == ["::1", "127.0.0.1"]


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(302 if self.path == "/away" else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            try:
                for _ in range(100 if self.path == "/large" else 1):
                    self.wfile.write(b"x" * 100_000)
            except OSError:  # the client has read enough
                pass

        def log_message(self, *_args: Any) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


def exchange(url: str) -> Answer:
    async def run() -> Answer:
        client = egress.open_client(AddressRules())
        try:
            return await egress.exchange(client, Request(url), now=0.0)
        finally:
            await client.aclose()

    return asyncio.run(run())


def test_answers_are_read_up_to_a_limit(server: str) -> None:
    assert len(exchange(f"{server}/large").text) == egress.MAX_ANSWER_BYTES


def test_redirects_are_not_followed(server: str) -> None:
    assert exchange(f"{server}/away").status == 302


def test_proxies_of_the_environment_are_not_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert exchange(f"{server}/x").status == 200


def test_urls_are_not_logged(server: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    exchange(f"{server}/SECRET")
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "no url", "http://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(DeliveryError, match="URL"):
        exchange(url)


def test_nobody_listening_is_worth_another_try() -> None:
    with pytest.raises(DeliveryRetryable, match="no connection"):
        exchange("http://127.0.0.1:1/")
