"""Targets that stand in the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from collector.discovery.port import Group, Sink
from collector.settings import StaticTargets


class Static:
    """Tells once."""

    name = "static"

    def __init__(self, given: Sequence[StaticTargets]) -> None:
        self._groups = {
            str(place): Group(tuple({"__address__": address} for address in entry.targets), entry.labels)
            for place, entry in enumerate(given)
        }

    async def watch(self, sink: Sink) -> None:
        """Tell the targets."""
        sink.accept(self._groups)
