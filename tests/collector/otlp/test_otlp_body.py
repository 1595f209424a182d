from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from collector.otlp import body
from collector.otlp.answer import Refused

LIMIT = 10_000


class Pieces:
    """A stream that gives these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [*pieces, b""]

    async def readany(self) -> bytes:
        return self._pieces.pop(0)


def status_of(data: bytes, encoding: str) -> int:
    with pytest.raises(Refused) as caught:
        body.decompress(data, encoding, LIMIT)
    return caught.value.status


def test_pieces_are_joined() -> None:
    assert asyncio.run(body.read(Pieces(b"ab", b"c"), 3)) == b"abc"


def test_too_many_bytes_are_refused_before_they_are_all_read() -> None:
    stream = Pieces(b"ab", b"cd", b"never read")
    with pytest.raises(Refused) as caught:
        asyncio.run(body.read(stream, 3))
    assert caught.value.status == 413
    assert asyncio.run(stream.readany()) == b"never read"


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_plain_body_stays(encoding: str) -> None:
    assert body.decompress(b"abc", encoding, LIMIT) == b"abc"


def test_gzip_and_deflate_are_read_up_to_the_limit() -> None:
    content = bytes(LIMIT)
    assert body.decompress(gzip.compress(content), "gzip", LIMIT) == content
    assert body.decompress(zlib.compress(content), "deflate", LIMIT) == content


def test_gzip_may_have_several_members() -> None:
    assert body.decompress(gzip.compress(b"ab") + gzip.compress(b"cd"), "gzip", LIMIT) == b"abcd"


def test_a_bomb_stops_at_the_limit() -> None:
    assert status_of(gzip.compress(bytes(LIMIT + 1)), "gzip") == 413
    assert status_of(gzip.compress(bytes(200 * 2**20), 9), "gzip") == 413
    assert status_of(gzip.compress(bytes(LIMIT // 2 + 1)) * 2, "gzip") == 413


@pytest.mark.parametrize(
    ("data", "encoding", "status"),
    [
        (b"plain", "gzip", 400),
        (gzip.compress(b"abc", mtime=0)[:-3], "gzip", 400),
        (gzip.compress(b"abc", mtime=0) + b"rest", "gzip", 400),
        (zlib.compress(b"abc")[:-1], "deflate", 400),
        (b"abc", "br", 415),
    ],
    # gzip writes the time into its head: without names of their own the workers would collect different tests.
    ids=["plain", "cut", "trailed", "cut-deflate", "unknown"],
)
def test_what_cannot_be_decompressed_is_refused(data: bytes, encoding: str, status: int) -> None:
    assert status_of(data, encoding) == status
