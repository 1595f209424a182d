"""The blocks that wait for a remote, the oldest first, and how much they are together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from storage.series import TailBlock


class Queue:
    """Totals are kept, not summed: after an outage there are thousands of blocks. `bytes` are those on disk."""

    def __init__(self) -> None:
        self._blocks: deque[TailBlock] = deque()
        self.samples = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def first(self) -> TailBlock | None:
        """The oldest block."""
        return self._blocks[0] if self._blocks else None

    def extend(self, blocks: Iterable[TailBlock]) -> None:
        """New blocks, in their order."""
        for one in blocks:
            self._blocks.append(one)
            self.samples += one.samples
            self.bytes += one.place.header.block_bytes

    def pop(self) -> TailBlock:
        """Take the oldest out."""
        one = self._blocks.popleft()
        self.samples -= one.samples
        self.bytes -= one.place.header.block_bytes
        return one
