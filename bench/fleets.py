"""Fleets that know the truth: what happened second by second, and what scrapes at odd moments saw of it.

Traffic comes at the middle of seconds. Processes are born, begin anew, fall silent for minutes and die; scrapes are
irregular, but a new target is scraped soon. Every half hour all traffic pauses around a minute's edge, and every living
target is scraped on both sides of it: a window between two such edges has one right answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BEGIN = 1_767_571_200
"""A whole day, in Unix seconds."""
PAUSE_EVERY = 1800
HALF_PAUSE = 45
"""Seconds before and after a pause's edge without traffic."""
REGIONS = ("eu", "us")

Ints = npt.NDArray[np.int64]


class Trouble(NamedTuple):
    """A share of one region's requests fails from one second to another."""

    region: str
    begin: int
    end: int
    share: float


class Seen(NamedTuple):
    """What a scrape showed. `at`: seconds since the beginning."""

    at: float
    good: int
    bad: int
    born: float


@dataclass(frozen=True)
class Process:
    """One life of a target, in seconds since the beginning; `old`: what it had counted before that."""

    begin: float
    end: float
    old: tuple[int, int] = (0, 0)


@dataclass
class Target:
    """One address. `good`, `bad`: what it did in each second; `seen`: the same as far as any scrape can tell."""

    name: str
    region: str
    good: Ints
    bad: Ints
    processes: list[Process]
    scrapes: list[float] = field(default_factory=list)
    pages: list[Seen] = field(default_factory=list)
    seen: tuple[Ints, Ints] = field(init=False)

    def look(self) -> None:
        """Scrape it, and note which seconds are in any page."""
        told = np.zeros(len(self.good), bool)
        for number, process in enumerate(self.processes):
            mine = [at for at in self.scrapes if process.begin <= at < process.end]
            for at in mine:
                good, bad = self._counted(process, at)
                self.pages.append(Seen(at, good, bad, self._born(process)))
            if mine:
                first = _second(mine[0]) if number == 0 and process.begin <= 0 else _second(process.begin)
                told[first : _second(mine[-1])] = True
        self.seen = self.good * told, self.bad * told

    def _counted(self, process: Process, at: float) -> tuple[int, int]:
        life = slice(_second(process.begin), _second(at))
        return process.old[0] + int(self.good[life].sum()), process.old[1] + int(self.bad[life].sum())

    def _born(self, process: Process) -> float:
        return BEGIN + (process.begin if process.begin > 0 else -5000.0)

    def straddling(self, edge: int) -> int:
        """How much was gained between the scrapes before and after an edge: where in between, nobody knows."""
        at = [page.at for page in self.pages]
        index = bisect_right(at, edge)
        if index == 0 or index == len(at) or at[index - 1] == edge:
            return 0
        low, high = _second(at[index - 1]), _second(at[index])
        return int(self.seen[0][low:high].sum() + self.seen[1][low:high].sum())


def _second(at: float) -> int:
    """The first second whose middle is not before a moment."""
    return max(0, int(np.ceil(at - 0.5)))


@dataclass(frozen=True)
class Fleet:
    """A fleet's history of whole hours."""

    seconds: int
    targets: tuple[Target, ...]

    def truth(self, region: str, begin: int, end: int, *, seen: bool = True) -> tuple[int, int]:
        """(bad, total) in [begin, end) of a region, in seconds since the beginning; `seen`: what scrapes can tell."""
        bad = good = 0
        for target in self.targets:
            if target.region == region:
                goods, bads = target.seen if seen else (target.good, target.bad)
                good, bad = good + int(goods[max(begin, 0) : end].sum()), bad + int(bads[max(begin, 0) : end].sum())
        return bad, good + bad

    def straddling(self, region: str, begin: int, end: int) -> int:
        """By how much a window's count can be off: all that was gained across its edges."""
        mine = [target for target in self.targets if target.region == region]
        return sum(target.straddling(edge) for target in mine for edge in (begin, end) if edge > 0)

    def quiet_edges(self) -> range:
        """The edges at which everything pauses."""
        return range(PAUSE_EVERY, self.seconds, PAUSE_EVERY)

    def openmetrics(self) -> bytes:
        """What every scrape saw, for `promtool tsdb create-blocks-from openmetrics` and `burnline ledger replay`."""
        lines = ["# TYPE app_requests counter"]
        for code in ("200", "500"):
            for target, labels in self._labelled():
                for page in target.pages:
                    value = page.good if code == "200" else page.bad
                    lines.append(f'app_requests_total{{code="{code}",{labels}}} {value} {BEGIN + page.at:.3f}')
        lines.append("# TYPE process_start_time_seconds gauge")
        for target, labels in self._labelled():
            lines += [f"process_start_time_seconds{{{labels}}} {p.born:.3f} {BEGIN + p.at:.3f}" for p in target.pages]
        return "\n".join([*lines, "# EOF", ""]).encode()

    def _labelled(self) -> Iterator[tuple[Target, str]]:
        for target in self.targets:
            yield target, f'instance="{target.name}",job="app",region="{target.region}"'


def random_fleet(seed: int, hours: int = 8, targets: int = 6, troubles: Sequence[Trouble] = ()) -> Fleet:
    """A fleet by chance; the same for the same arguments."""
    random = Random(seed)
    seconds = hours * 3600
    made = [_target(n, seconds, random, troubles) for n in range(targets)]
    for target in made:
        target.look()
    return Fleet(seconds, tuple(target for target in made if target.pages))


def _target(number: int, seconds: int, random: Random, troubles: Sequence[Trouble]) -> Target:
    region = REGIONS[number % len(REGIONS)]
    processes = _lives(seconds, random, from_the_start=number < len(REGIONS))
    good, bad = _traffic(region, seconds, processes, random, troubles)
    target = Target(f"t{number}:80", region, good, bad, processes)
    soon = [round(processes[0].begin + random.uniform(0.5, 60), 3)]
    target.scrapes = sorted({*_scrapes(seconds, random), *soon})
    return target


def _lives(seconds: int, random: Random, *, from_the_start: bool) -> list[Process]:
    """Processes one after another: some were there before, some are born, begin anew, or die for good."""
    begin = 0.0 if from_the_start or random.random() < 0.5 else random.uniform(0.05, 0.6) * seconds
    end = seconds if from_the_start or random.random() < 0.6 else random.uniform(0.7, 0.95) * seconds
    restarts = sorted(_off_the_pauses(random.uniform(begin + 300, end - 300)) for _ in range(random.randint(0, 3)))
    edges = [_off_the_pauses(begin) if begin else 0.0, *restarts, _off_the_pauses(float(end))]
    old = (random.randint(10_000, 900_000), random.randint(0, 5000)) if begin == 0 else (0, 0)
    found = []
    for n, (low, high) in enumerate(pairwise(edges)):
        if high - low > 5:
            found.append(Process(low + (random.uniform(1, 4) if n else 0), high, old if n == 0 else (0, 0)))
    return found


def _off_the_pauses(at: float) -> float:
    """A moment well outside every pause, so that what a death hides lies outside too."""
    within = (at + PAUSE_EVERY / 2) % PAUSE_EVERY - PAUSE_EVERY / 2
    return at if abs(within) > 3 * HALF_PAUSE else at + 6 * HALF_PAUSE


def _traffic(
    region: str, seconds: int, processes: Sequence[Process], random: Random, troubles: Sequence[Trouble]
) -> tuple[Ints, Ints]:
    chance = np.random.default_rng(random.randrange(2**32))
    requests = chance.poisson(random.uniform(0.5, 8.0), seconds).astype(np.int64)
    alive = np.zeros(seconds, bool)
    for process in processes:
        alive[_second(process.begin) : _second(process.end)] = True
    edge = np.arange(seconds) % PAUSE_EVERY
    alive &= (edge >= HALF_PAUSE) & (edge < PAUSE_EVERY - HALF_PAUSE)
    share = np.full(seconds, 0.001)
    for trouble in troubles:
        if trouble.region == region:
            share[trouble.begin : trouble.end] = trouble.share
    requests *= alive
    bad = chance.binomial(requests, share).astype(np.int64)
    return requests - bad, bad


def _scrapes(seconds: int, random: Random) -> Iterator[float]:
    """Every 15 s or so, with a gap of minutes every two hours or so, and on both sides of every pause's edge."""
    at = random.uniform(0.0, 15.0)
    for edge in range(PAUSE_EVERY, seconds + PAUSE_EVERY, PAUSE_EVERY):
        while at < min(edge - HALF_PAUSE, seconds):
            yield round(at, 3)
            at += _step(random)
        if edge < seconds:
            yield round(edge - random.uniform(1, HALF_PAUSE - 5), 3)
            yield round(edge + random.uniform(1, HALF_PAUSE - 5), 3)
        at = edge + HALF_PAUSE + random.uniform(0, 15)


def _step(random: Random) -> float:
    what = random.random()
    if what < 0.002:
        return random.uniform(120, 600)
    return random.uniform(3, 12) if what < 0.1 else random.uniform(20, 40) if what < 0.2 else random.gauss(15, 0.5)
