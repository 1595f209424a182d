"""The ways by which series are pushed: what a body holds, and what is known of pages that come by it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Protocol

from collector.promql.pages import Address
from collector.push.assembly import Part


class Pushed(NamedTuple):
    """A request that was read: its body, the samples that are taken, and why others are not.

    `rejected`: how many of what the sender counts are refused, and `problem` the first reason, where it is told.
    """

    body: bytes
    parts: list[Part]
    dropped: Counter[str]
    rejected: int = 0
    problem: str = ""


class BodyReader(Protocol):
    """Reads bodies; keeps what it learns of series and senders."""

    def read(self, body: bytes) -> Pushed:
        """ParseError where it is no request of this way, TooLarge where it is too much."""

    def forget(self, address: Address) -> None:
        """The target has left."""


class Way(NamedTuple):
    """One way. `shard`: under which its targets and their watermark are kept; `prefix` stands before their addresses in
    the keys of their sources; `settle`: how long the rest of a page is waited for; `at_once`: a request has
    whole pages, and nobody tells which series belong to a target; `leaves_after`: seconds of silence."""

    shard: str
    prefix: str
    settle: float
    leaves_after: float
    at_once: bool = False
