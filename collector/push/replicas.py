"""Several senders of the same targets, as a pair of Prometheus servers: each target is followed from one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.promql.pages import Address

FAILOVER = 30.0
"""Seconds of silence after which another one is followed: as long as Mimir waits."""


@dataclass
class Replicas:
    """Which replica is followed for each target, and when it last spoke (Unix seconds)."""

    _followed: dict[Address, tuple[str, float]] = field(default_factory=dict)

    def follows(self, address: Address, replica: str, now: float) -> bool:
        """Whether what this replica says of the target is taken."""
        held, at = self._followed.get(address, (replica, now))
        if held != replica and now - at <= FAILOVER:
            return False
        self._followed[address] = replica, now
        return True

    def forget(self, gone: Iterable[Address]) -> None:
        """These targets have left."""
        for address in gone:
            self._followed.pop(address, None)
