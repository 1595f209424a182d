"""The bytes of a request: read, and decompressed, with one limit for both."""

from __future__ import annotations

import zlib
from typing import Protocol

from collector.otlp.answer import Refused

_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_PIECE = 2**16


class Stream(Protocol):
    """Where bytes come from; an empty piece is the end."""

    async def readany(self) -> bytes: ...


async def read(stream: Stream, limit: int) -> bytes:
    """All bytes of a stream; 413 where they are more than `limit`."""
    pieces: list[bytes] = []
    size = 0
    while piece := await stream.readany():
        size += len(piece)
        if size > limit:
            raise _too_large(limit, "")
        pieces.append(piece)
    return b"".join(pieces)


def decompress(data: bytes, encoding: str, limit: int) -> bytes:
    """The content of a body; never more than `limit` bytes are made. 413, 415 for an unknown encoding, 400 for a bad
    stream."""
    if encoding in ("", "identity"):
        return data
    if encoding not in _WINDOW_BITS:
        raise Refused(415, f"Content-Encoding {encoding[:50]!r} is not known: send gzip, deflate or plain")
    out = bytearray()
    try:
        while data:
            data = _member(data, _WINDOW_BITS[encoding], out, limit)
    except zlib.error as error:
        raise Refused(400, f"the body is no {encoding} stream: {error}") from None
    return bytes(out)


def _member(data: bytes, window_bits: int, out: bytearray, limit: int) -> bytes:
    """Append one stream's content; returns what follows it (gzip allows several)."""
    stream = zlib.decompressobj(window_bits)
    while not stream.eof:
        piece = stream.decompress(data, _PIECE)
        out += piece
        if len(out) > limit:
            raise _too_large(limit, " after decompression")
        data = stream.unconsumed_tail
        if not piece and not data and not stream.eof:
            raise Refused(400, "the compressed body ends too early")
    return stream.unused_data


def _too_large(limit: int, when: str) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes{when}: send smaller batches")
