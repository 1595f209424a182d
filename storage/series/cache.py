"""Keeps what was read lately, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Protocol, TypeVar


class Sized(Protocol):
    """Knows about how many bytes of memory it takes."""

    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=Sized)


class ByteCache:
    """Forgets what was used least recently; safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._items: OrderedDict[Hashable, Sized] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, kind: type[Kept]) -> Kept | None:
        """What was kept under `key`, if it is still there and of that kind."""
        with self._lock:
            found = self._items.get(key)
            if not isinstance(found, kind):
                return None
            self._items.move_to_end(key)
            return found

    def put(self, key: Hashable, value: Sized) -> None:
        """Keep `value` and forget others as needed; one that is too large by itself is not kept."""
        with self._lock:
            old = self._items.pop(key, None)
            self._bytes -= old.nbytes if old is not None else 0
            if value.nbytes > self._max_bytes:
                return
            self._items[key] = value
            self._bytes += value.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._items.popitem(last=False)[1].nbytes
