"""One HTTP scrape: bytes and their type, or the reason why not."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import aiohttp
from isal import isal_zlib

from collector.credentials import Credentials, authorization, tls_context
from collector.settings import ScrapeJob, Tls
from core.errors import ScrapeError

ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""As Prometheus 3 asks: without escaping=allow-utf-8, prometheus_client replaces colons in samples but not in TYPE."""
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7"
_CHUNK = 1 << 16


class Body(NamedTuple):
    """A page as it came, decompressed."""

    content: bytes
    content_type: str | None


def new_session() -> aiohttp.ClientSession:
    """The session that all scrapes share: no cookies, no proxies; ISA-L decompresses in a quarter of zlib's time."""
    aiohttp.set_zlib_backend(isal_zlib)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, ttl_dns_cache=30),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


def headers(job: ScrapeJob) -> dict[str, str]:
    """Headers of a scrape; ScrapeError where a secret cannot be read."""
    return {
        "Accept": f"{PROTOBUF},{ACCEPT}" if job.protobuf else ACCEPT,
        "User-Agent": "burnline",
        "X-Prometheus-Scrape-Timeout-Seconds": f"{job.timeout:g}",
        **identified(job),
    }


def identified(who: Credentials) -> dict[str, str]:
    """The header that tells who asks, if any; ScrapeError where a secret cannot be read."""
    try:
        return authorization(who)
    except OSError as error:
        raise ScrapeError("credentials", f"the secret's file cannot be read: {error}") from None


def ssl_context(scheme: str, tls: Tls) -> ssl.SSLContext | bool:
    """What aiohttp takes for TLS; built once a job."""
    return True if scheme == "http" else tls_context(tls)


async def fetch(session: aiohttp.ClientSession, url: str, job: ScrapeJob, tls: ssl.SSLContext | bool) -> Body:
    """Read one page within the job's limits; ScrapeError(reason) otherwise."""
    timeout = aiohttp.ClientTimeout(total=job.timeout)
    try:
        async with session.get(url, headers=headers(job), timeout=timeout, ssl=tls) as answer:
            if answer.status != 200:
                raise ScrapeError("http_status", f"the target answered HTTP {answer.status}")
            return Body(await read_body(answer, job.body_size_limit), answer.headers.get("Content-Type"))
    except TimeoutError:
        raise ScrapeError("timeout", f"no whole page within {job.timeout:g}s") from None
    except aiohttp.ClientConnectorError as error:
        raise ScrapeError("connect", f"no connection: {error.strerror or error}") from None
    except aiohttp.ClientPayloadError as error:
        raise ScrapeError("incomplete", f"the page broke off: {error}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ScrapeError("protocol", f"{type(error).__name__}: {error}") from None


async def read_body(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """A whole body, decompressed; ScrapeError where it has more bytes than the limit."""
    parts: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size >= limit:  # as Prometheus, which reads no byte more than its limit
            raise ScrapeError("body_size_limit", f"the answer has {limit} bytes or more")
        parts.append(chunk)
    return b"".join(parts)
