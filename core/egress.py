"""The rules for every HTTP request that leaves Burnline: time limits, TLS, addresses, retries and the words for errors.

No proxy is taken from the environment and no redirect is followed. Texts of errors are written here: those of the
HTTP library may hold the URL, and a chat's webhook URL is a secret.
"""

from __future__ import annotations

import asyncio
import email.utils
import ipaddress
import logging
import math
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from core.errors import DeliveryError, DeliveryRefused, DeliveryRetryable

MAX_ANSWER_BYTES = 65_536
"""An answer is read this far: receivers answer with a few hundred bytes, an error page with a few thousand."""

EXCERPT = 200
"""Characters of a refusing answer that go into the error text."""

LONGEST_RETRY_AFTER = 3600.0
"""A receiver that asks for a longer pause is asked again after an hour: it must not mute a page for a day."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CLOUD_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})
_REFUSED_ERRORS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Tls:
    """Which certificates are trusted (`ca_file`), and which one is shown (`cert_file` with `key_file`)."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The context for connections; OSError or ssl.SSLError where a file cannot be read."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(frozen=True)
class Timeouts:
    """Seconds; `total` bounds the whole exchange, also with a receiver that drips its answer."""

    connect: float = 5.0
    read: float = 10.0
    total: float = 15.0


@dataclass(frozen=True)
class AddressRules:
    """Which addresses may be called. Loopback and private ones may by default: receivers often run next door."""

    allow_private: bool = True
    allow_link_local: bool = False

    def objection(self, address: str) -> str | None:
        """Why an IP address must not be called, or None."""
        ip = _meant(ipaddress.ip_address(address.partition("%")[0]))
        if (ip.is_link_local or ip in _CLOUD_METADATA) and not self.allow_link_local:
            return "a link-local or cloud metadata address"
        if ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
            return "no address of one host"
        if ip.is_private and not ip.is_link_local and not self.allow_private:
            return "a private address, and allow_private is false"
        return None


def _meant(ip: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only wraps it."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter: `floor` plus a share of min(cap, base * 2^(attempt - 1)) seconds."""

    base: float
    cap: float
    floor: float = 0.0

    def delay(self, attempt: int, roll: float, retry_after: float | None = None) -> float:
        """Seconds to wait after the failed `attempt` (from 1); `roll` is random in [0, 1).

        A receiver's Retry-After is a lower bound, up to an hour.
        """
        doubled = self.base * 2.0 ** min(attempt - 1, 32)
        own = self.floor + roll * min(self.cap, doubled)
        return max(own, min(retry_after or 0.0, LONGEST_RETRY_AFTER))


@dataclass(frozen=True)
class Request:
    """One request to send. Nothing of it is printed: URL, headers and body may hold secrets."""

    url: str = field(repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Answer:
    """What came back: `retry_after` in seconds, `text` cut at MAX_ANSWER_BYTES and free of the request's secrets."""

    status: int
    text: str
    retry_after: float | None = None


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves a name once, checks every address, and connects to what it checked.

    So a name that changes its address between check and connection (DNS rebinding) gains nothing.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, rules: AddressRules) -> None:
        self._inner = inner
        self._rules = rules

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise httpx.UnsupportedProtocol("no http URL")
        addresses = await self._addresses(request.url)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, addresses[-1]))

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _addresses(self, url: httpx.URL) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise DeliveryRetryable("the receiver's host name does not resolve") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if objection := self._rules.objection(address):
                raise DeliveryRefused(f"the receiver's address {address} is refused: it is {objection}")
        return addresses


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    host = request.url.host
    extensions = dict(request.extensions)
    if host != address:
        extensions["sni_hostname"] = host
    url = request.url.copy_with(host=address)
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)


def open_client(
    rules: AddressRules, tls: Tls | None = None, timeouts: Timeouts | None = None, connections: int = 32
) -> httpx.AsyncClient:
    """A client that follows the rules of this module; close it with `aclose`."""
    # At INFO and DEBUG these two print URLs and headers, which may hold secrets.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    limit = timeouts or Timeouts()
    inner = httpx.AsyncHTTPTransport(
        verify=(tls or Tls()).context(),
        trust_env=False,
        # A kept connection is found by its address: two names behind one address must not share it.
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=0),
    )
    return httpx.AsyncClient(
        transport=GuardedTransport(inner, rules),
        timeout=httpx.Timeout(limit.read, connect=limit.connect),
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": "burnline", "Accept-Encoding": "identity"},
    )


async def exchange(client: httpx.AsyncClient, request: Request, now: float, total: float = Timeouts.total) -> Answer:
    """Send and read the answer, whatever its status; DeliveryRetryable or DeliveryRefused where there is none.

    `now` (Unix seconds) is what a Retry-After that names a date counts from.
    """
    try:
        async with asyncio.timeout(total):
            return await _exchange(client, request, now)
    except TimeoutError:
        raise DeliveryRetryable(f"no answer within {total:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise mapped(error) from None


async def _exchange(client: httpx.AsyncClient, request: Request, now: float) -> Answer:
    sending = client.stream(request.method, request.url, headers=dict(request.headers), content=request.content)
    async with sending as response:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= MAX_ANSWER_BYTES:
                break
        text = body[:MAX_ANSWER_BYTES].decode("utf-8", "replace")
        retry_after = parse_retry_after(response.headers.get("retry-after"), now)
        return Answer(response.status_code, scrub(text, request.secrets), retry_after)


def mapped(error: Exception) -> DeliveryError:
    """The error for one of httpx, in words of ours."""
    if isinstance(error, _REFUSED_ERRORS):
        return DeliveryRefused("the URL or a header is not valid: write http:// or https:// with a host")
    if isinstance(error, httpx.TimeoutException):
        return DeliveryRetryable("the receiver did not answer in time")
    if isinstance(error, httpx.ConnectError):
        return DeliveryRetryable(_connect_text(error))
    if isinstance(error, httpx.RemoteProtocolError):
        return DeliveryRetryable("the receiver's answer is no HTTP")
    return DeliveryRetryable(f"the connection broke ({type(error).__name__})")


def _connect_text(error: httpx.ConnectError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection: the receiver's certificate is not trusted or its protocol too old"
        cause = cause.__cause__ or cause.__context__
    return "no connection to the receiver"


def accept(answer: Answer, good: range = range(200, 300), again: frozenset[int] = frozenset({408, 429})) -> None:
    """Return if the status is good; DeliveryRetryable for 5xx and `again`, DeliveryRefused for the rest."""
    if answer.status in good:
        return
    excerpt = " ".join(answer.text.split())[:EXCERPT]
    text = f"answered {answer.status}: {excerpt}" if excerpt else f"answered {answer.status}"
    if answer.status >= 500 or answer.status in again:
        raise DeliveryRetryable(text, answer.retry_after)
    raise DeliveryRefused(text)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None where it is absent or unreadable."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str, now: float) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - now
    except (ValueError, OverflowError):
        return math.nan


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """Replace every secret, and for a URL also its path and its query, by `<secret>`."""
    for part in sorted({part for secret in secrets for part in _parts(secret)}, key=len, reverse=True):
        text = text.replace(part, "<secret>")
    return text


def _parts(secret: str) -> set[str]:
    parts = {secret}
    if "://" in secret:
        rest = secret.partition("://")[2]
        path = rest.partition("/")[2]
        parts |= {path, *path.replace("?", "/").split("/")} | ({rest.partition("@")[0]} if "@" in rest else set())
    return {part for part in parts if len(part) >= 4 or part == secret} - {""}
