"""Which time of which groups the receiver watched. Pure: what it knows goes into the checkpoint and comes back.

A group is watched from when it was last settled until 10 minutes after it was last seen. Time that no process settled
while it ran, as between a crash and the next start, is expected and not covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from core.measures import TARGET_TIME, Group, Measure
from storage.ledger.dictionary import Atom

LAYER = "client"
_SEEN_FOR = 600.0


class Stretch(NamedTuple):
    """Target-time of one atom over (begin, end], in Unix seconds."""

    atom: Atom
    begin: float
    end: float


@dataclass(frozen=True)
class Watch:
    """What the checkpoint keeps. `until`: up to where target-time is settled; `seen`: when each group was last seen;
    `forgotten`: generations that ended before may have been deleted."""

    until: float | None = None
    seen: Mapping[Group, float] = field(default_factory=dict)
    forgotten: float = 0.0

    def dump(self) -> bytes:
        """For the checkpoint."""
        seen = [[[list(pair) for pair in group], at] for group, at in self.seen.items()]
        return orjson.dumps({"until": self.until, "seen": seen, "forgotten": self.forgotten})

    @staticmethod
    def restore(state: bytes | None) -> Watch:
        """From the checkpoint; nothing is known where there is none."""
        if state is None:
            return Watch()
        document = orjson.loads(state)
        seen = {tuple((name, value) for name, value in group): at for group, at in document["seen"]}
        return Watch(document["until"], seen, document["forgotten"])


def settle(watch: Watch, groups: Iterable[Group], now: float, forgotten: float) -> Watch:
    """The watch at `now`, after `groups` were seen; what ended before `forgotten` may be deleted."""
    until = now if watch.until is None else max(watch.until, now)
    seen = {group: at for group, at in watch.seen.items() if at >= until - _SEEN_FOR}
    return Watch(until, {**seen, **dict.fromkeys(groups, until)}, max(watch.forgotten, forgotten))


def stretches(watch: Watch, groups: Iterable[Group], now: float, listening_since: float | None) -> list[Stretch]:
    """Target-time to add at `now`: of groups that are watched, and of those just seen; covered as far as this process
    listened (`listening_since`; None: it does not)."""
    if watch.until is None or now <= watch.until:
        return []
    found = []
    for group in sorted({*groups, *(g for g, at in watch.seen.items() if at >= watch.until - _SEEN_FOR)}):
        found.append(Stretch(_atom("expected", group), watch.until, now))
        since = now if listening_since is None else max(watch.until, listening_since)
        if since < now:
            found.append(Stretch(_atom("covered", group), since, now))
    return found


def _atom(state: str, group: Group) -> Atom:
    return Atom(Measure(TARGET_TIME, LAYER, (("state", state),)), group)
