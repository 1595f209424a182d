"""The status of many groups of one SLO as one blob: column by column, compressed.

A row of JSON for each of 10,000 groups a minute would cost more than judging them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import zstandard

NO_NUMBER = -(2**63)
"""What stands for null in a column of whole numbers; in one of floats it is NaN."""

_LEVEL = 1


class Coded(NamedTuple):
    """A column of few distinct values: `codes` says which of `values` each row has."""

    values: Sequence[Any]
    codes: npt.NDArray[np.int64]


class StatusBlock(NamedTuple):
    """`groups` are keys as of `group_key`. A field is an array or Coded (one value a row), a mapping of such by name,
    or one value of JSON for all rows."""

    slo: str
    groups: Sequence[str]
    fields: Mapping[str, Any]


def coded(values: Iterable[Hashable]) -> Coded:
    """A column by its distinct values."""
    codes: dict[Hashable, int] = {}
    found = [codes.setdefault(value, len(codes)) for value in values]
    return Coded(tuple(codes), np.array(found, np.int64))


def encode(block: StatusBlock) -> bytes:
    """The blob: the length of a head in JSON, the head, then the columns as they follow each other in it."""
    body: list[bytes] = []
    fields = {name: _head(field, body) for name, field in block.fields.items()}
    head = orjson.dumps({"slo": block.slo, "groups": list(block.groups), "fields": fields})
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join([len(head).to_bytes(4, "little"), head, *body]))


def rows(blob: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(group key, status) of each group, with the fields in their order after `slo` and `group`."""
    data = zstandard.ZstdDecompressor().decompress(blob)
    size = int.from_bytes(data[:4], "little")
    head = orjson.loads(data[4 : 4 + size])
    reader = _Reader(data, 4 + size, len(head["groups"]))
    columns = {name: reader.column(field) for name, field in head["fields"].items()}
    names = ("slo", "group", *columns)
    told = zip(*columns.values(), strict=True)
    return [
        (key, dict(zip(names, (head["slo"], orjson.loads(key), *values), strict=True)))
        for key, values in zip(head["groups"], told, strict=True)
    ]


def _head(field: Any, body: list[bytes]) -> dict[str, Any]:
    """What the head says of a field; its columns are added to the body."""
    if isinstance(field, Coded):
        body.append(field.codes.astype("<u4").tobytes())
        return {"kind": "coded", "values": list(field.values)}
    if isinstance(field, Mapping):
        return {"kind": "mapping", "fields": {name: _head(one, body) for name, one in field.items()}}
    if isinstance(field, np.ndarray):
        kind = "<f8" if field.dtype.kind == "f" else "<i8"
        body.append(field.astype(kind).tobytes())
        return {"kind": kind}
    return {"kind": "same", "value": field}


class _Reader:
    """Takes columns off a blob, in the order of its head."""

    def __init__(self, data: bytes, at: int, size: int) -> None:
        self._data, self._at, self._size = data, at, size

    def column(self, head: Mapping[str, Any]) -> list[Any]:
        """One value a row."""
        kind = head["kind"]
        if kind == "same":
            return [head["value"]] * self._size
        if kind == "coded":
            values = head["values"]
            return [values[code] for code in self._numbers("<u4")]
        if kind == "mapping":
            parts = {name: self.column(one) for name, one in head["fields"].items()}
            return [dict(zip(parts, one, strict=True)) for one in zip(*parts.values(), strict=True)]
        if kind == "<i8":
            return [None if n == NO_NUMBER else n for n in self._numbers(kind)]
        return [None if n != n else n for n in self._numbers(kind)]  # noqa: PLR0124 - NaN alone is not itself

    def _numbers(self, kind: str) -> list[Any]:
        found = np.frombuffer(self._data, kind, self._size, self._at)
        self._at += found.nbytes
        return list(found.tolist())
