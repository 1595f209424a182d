"""What a mechanism of discovery is, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Group(NamedTuple):
    """Targets as label sets, each with `__address__`, and the labels that all of them have; a target's own win."""

    targets: tuple[Mapping[str, str], ...]
    labels: Mapping[str, str]


def joined(host: str, port: int) -> str:
    """Host and port, the host in brackets where it has colons."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Sink(Protocol):
    """Where a mechanism tells what it knows."""

    def accept(self, groups: Mapping[str, Group]) -> None:
        """All groups there are now, by a key that stays: what is not among them is gone."""

    def refuse(self, message: str) -> None:
        """They could not be learnt; those told before go on."""


class Mechanism(Protocol):
    """One source of targets."""

    @property
    def name(self) -> str:
        """What metrics and messages call it."""

    async def watch(self, sink: Sink) -> None:
        """Tell `sink` at once and after every change, for as long as the job runs; errors of the source go to it."""
