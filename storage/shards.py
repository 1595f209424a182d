"""Collectors that share one set of targets: their names, who owns a target, and how far all of them together are.

A set of n shards has the members `0-of-n` to `n-1-of-n`. Each target belongs to one of them by a hash of its URL, so
every set holds all targets by itself, and a set takes over from another when it is ahead of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

_NAME = re.compile(r"(\d+)-of-(\d+)")


class Member(NamedTuple):
    """One shard of a set, counted from 0."""

    place: int
    of: int

    @property
    def name(self) -> str:
        """As it stands in tables and file names."""
        return f"{self.place}-of-{self.of}"

    def owns(self, url: str) -> bool:
        """Whether a target is its own; exactly one member of a set says yes."""
        digest = hashlib.sha256(url.encode()).digest()
        return int.from_bytes(digest[8:16], "big") % self.of == self.place


def member_of(name: str) -> Member | None:
    """The member that a shard's name means; None for one that stands alone."""
    match = _NAME.fullmatch(name)
    return Member(int(match[1]), int(match[2])) if match else None


def set_of(of: int) -> list[Member]:
    """All members of a set."""
    return [Member(place, of) for place in range(of)]


def watermark_of(through: Mapping[str, float]) -> float | None:
    """Up to when everything is in the ledger, by what each shard has flushed. None without shards.

    A shard that stands alone must be waited for. Of sets, the one that is farthest tells: each holds all targets.
    """
    alone = [time for name, time in through.items() if member_of(name) is None]
    sizes = {member.of for name in through if (member := member_of(name)) is not None}
    sets = [
        min(through[member.name] for member in set_of(size))
        for size in sizes
        if all(member.name in through for member in set_of(size))
    ]
    if sizes and not sets:
        return min(through.values())
    return min([*alone, *([max(sets)] if sets else [])], default=None)
