"""Targets that serve the same: one that finishes nothing while the others go on has stopped, or gets nothing to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.measures import Group

WINDOW = 300.0
"""Seconds: longer than most answers, and shorter than anybody's patience."""
FEWEST = 2
"""One peer alone may be the one that is meant to work, beside its reserve."""
_FRESH = 15.0
"""Seconds that a group's sum holds: a fleet that idles must not add it up for each of its targets."""
_SURELY = 14
"""Requests that each peer finished, on average: by chance an equal one finishes none of so many once in e^14 times."""


@dataclass
class _Work:
    """Requests that a target finished well, by the time (Unix seconds) of the page that showed them."""

    layer: str
    groups: frozenset[Group]
    since: float
    seen: float
    finished: deque[tuple[float, int]] = field(default_factory=deque)

    def within(self, now: float) -> int:
        while self.finished and self.finished[0][0] <= now - WINDOW:
            self.finished.popleft()
        return sum(n for _, n in self.finished)


class _Sum(NamedTuple):
    at: float
    targets: int
    finished: int


@dataclass
class Peers:
    """What the targets of one collector finished lately."""

    _targets: dict[str, _Work] = field(default_factory=dict)
    _sums: dict[tuple[str, Group], _Sum] = field(default_factory=dict)

    def note(self, url: str, layer: str, groups: Sequence[Group], time: float, finished: int) -> None:
        """A good page of a target showed that so many requests had ended well since the page before."""
        own = self._targets.setdefault(url, _Work(layer, frozenset(groups), time, time))
        own.layer, own.groups, own.seen = layer, frozenset(groups), time
        if finished:
            own.finished.append((time, finished))

    def left(self, url: str) -> None:
        """A target is not scraped any more."""
        self._targets.pop(url, None)

    def silence(self, url: str, now: float) -> str | None:
        """How the others of its group and layer did while a target finished nothing for WINDOW; None when it did."""
        own = self._targets.get(url)
        if own is None or own.since > now - WINDOW or own.within(now):
            return None
        for group in own.groups:
            found = self._sum(own.layer, group, now)
            others = found.targets - 1
            if others >= FEWEST and found.finished >= _SURELY * others:
                each = found.finished // others
                return f"nothing was finished for {WINDOW:.0f} s, while {others} others finished {each} each"
        return None

    def _sum(self, layer: str, group: Group, now: float) -> _Sum:
        """All that are seen of a group and layer, added up anew no more often than needed."""
        found = self._sums.get((layer, group))
        if found is None or not 0 <= now - found.at < _FRESH:
            those = [
                one
                for one in self._targets.values()
                if one.layer == layer and group in one.groups and one.seen > now - WINDOW
            ]
            found = self._sums[layer, group] = _Sum(now, len(those), sum(one.within(now) for one in those))
        return found
