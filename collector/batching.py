"""Requests on their way to a commit: those that come while one runs go together into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from core.errors import StorageError

_APART = 0.05
"""Seconds from the begin of a commit to the next: each costs 7 ms and a write through to the disk, however little it
brings. A client that was alone is answered at once."""

T = TypeVar("T")


class _Waiting(NamedTuple, Generic[T]):
    item: T
    done: asyncio.Future[None]


class Batches(Generic[T]):
    """One writer. `put` returns after the commit, or raises its StorageError."""

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[object]],
        size: Callable[[T], int],
        most: int,
        one_by_one: Callable[[StorageError], bool] = lambda _error: False,
    ) -> None:
        """A batch takes no more once it has `most` by `size`. `one_by_one`: whether after an error each is tried alone,
        since what one request brings must not keep the others out."""
        self._commit_all, self._size, self._most, self._one_by_one = commit, size, most, one_by_one
        self._queue: asyncio.Queue[_Waiting[T]] = asyncio.Queue()

    async def put(self, item: T) -> None:
        """Wait until what a request brings is committed."""
        waiting = _Waiting(item, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        await waiting.done

    async def run(self) -> None:
        """Commit until cancelled."""
        loop = asyncio.get_running_loop()
        began = -_APART
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(began + _APART - loop.time())
            began = loop.time()
            while not self._queue.empty() and sum(self._size(one.item) for one in batch) < self._most:
                batch.append(self._queue.get_nowait())
            await self._commit(batch)

    async def _commit(self, batch: Sequence[_Waiting[T]]) -> None:
        try:
            await self._commit_all([one.item for one in batch])
        except StorageError as error:
            if len(batch) > 1 and self._one_by_one(error):
                for one in batch:
                    await self._commit([one])
                return
            _settle(batch, error)
        else:
            _settle(batch, None)


def _settle(batch: Sequence[_Waiting[T]], error: StorageError | None) -> None:
    for one in batch:
        if one.done.done():
            continue  # the client has gone
        if error is None:
            one.done.set_result(None)
        else:
            one.done.set_exception(error)
