"""Several arrays in one run of bytes, and 64-bit words laid out byte plane by byte plane."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.series.arrays import Bytes, Ints, Words

_HEAD = struct.Struct("<2sQ")
_PLANES = 8


def pack(*columns: npt.NDArray[Any]) -> bytes:
    """Join one-dimensional arrays; each keeps its type, little-endian."""
    parts: list[bytes] = []
    for column in columns:
        raw = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
        parts += [_HEAD.pack(raw.dtype.str[1:].encode(), raw.nbytes), raw.tobytes()]
    return b"".join(parts)


def unpack(data: bytes) -> list[npt.NDArray[Any]]:
    """The arrays that `pack` joined, as read-only views."""
    columns: list[npt.NDArray[Any]] = []
    at = 0
    while at < len(data):
        kind, size = _HEAD.unpack_from(data, at)
        dtype = np.dtype("<" + kind.decode())
        at += _HEAD.size
        columns.append(np.frombuffer(data, dtype, size // dtype.itemsize, at))
        at += size
    return columns


def to_planes(words: Words) -> Bytes:
    """All lowest bytes, then all second bytes, and so on; a first byte tells which planes are there at all.

    Neighbouring deltas share their high bytes, which then lie side by side; planes of zeros take no space.
    """
    planes = np.ascontiguousarray(words, "<u8").view(np.uint8).reshape(-1, _PLANES).T
    used = planes.any(axis=1)
    return np.concatenate([np.packbits(used, bitorder="little"), planes[used].ravel()])


def from_planes(data: Bytes, count: int) -> Words:
    """The `count` words that `to_planes` laid out."""
    used = np.unpackbits(data[:1], bitorder="little").astype(bool)
    planes = np.zeros((_PLANES, count), np.uint8)
    planes[used] = data[1:].reshape(int(used.sum()), count)
    return np.ascontiguousarray(planes.T).view("<u8").reshape(-1)


def zigzag(numbers: Ints) -> Words:
    """Signed to unsigned so that small ones stay small: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def unzigzag(words: Words) -> Ints:
    """The inverse of `zigzag`."""
    return (words >> np.uint64(1)).view(np.int64) ^ -(words & np.uint64(1)).view(np.int64)
