"""All sources of one job together: the targets known before go on when a source fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from collector.discovery.consul import Consul
from collector.discovery.dns import Dns
from collector.discovery.files import File
from collector.discovery.http import Http
from collector.discovery.kubernetes import Kubernetes
from collector.discovery.port import Group, Mechanism
from collector.discovery.static import Static
from collector.discovery.targets import Made, Target, made_of
from collector.metrics import CollectorMetrics
from collector.relabel import Rule, compile_rules
from collector.settings import ScrapeJob

log = logging.getLogger(__name__)

SETTLE = 0.2
"""Seconds between two changes that are told: a list of ten thousand pods that comes bit by bit is not told as often."""
_MOST_TOLD = 5
"""Refused targets that are named; the others are counted."""


class Known(NamedTuple):
    """The targets of a job by URL. `complete`: every source has answered since the start."""

    targets: dict[str, Target]
    complete: bool


class _Source:
    """What one mechanism told, made into targets group by group: one that is the same again is not looked at."""

    def __init__(self, job: ScrapeJob, rules: Sequence[Rule], changed: Callable[[], None]) -> None:
        self._job = job
        self._rules = rules
        self._changed = changed
        self._groups: Mapping[str, Group] = {}
        self.made: dict[str, Made] = {}
        self.answered = False
        self.error: str | None = None
        self.failures = 0

    def accept(self, groups: Mapping[str, Group]) -> None:
        """Take over what there is now."""
        self.error = None
        if self.answered and groups == self._groups:
            return
        made = {}
        for key, group in groups.items():
            same = key in self.made and self._groups[key] == group
            made[key] = self.made[key] if same else made_of(self._job, self._rules, group)
        self.made, self._groups, self.answered = made, dict(groups), True
        self._changed()

    def refuse(self, message: str) -> None:
        """Keep what there was."""
        if message != self.error:
            log.warning("job %s: discovery failed, the targets known before go on: %s", self._job.name, message)
        self.error = message
        self.failures += 1
        self._changed()


class Discovery:
    """The targets of one job."""

    def __init__(self, job: ScrapeJob, metrics: CollectorMetrics) -> None:
        self._job = job
        self._metrics = metrics
        self._news = asyncio.Event()
        rules = compile_rules(job.relabel)
        self._mechanisms = mechanisms_of(job)
        self._sources = [_Source(job, rules, self._news.set) for _ in self._mechanisms]

    async def watch(self, apply: Callable[[Known], None]) -> None:
        """Call `apply` with the whole set of targets, at once and after every change; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for mechanism, source in zip(self._mechanisms, self._sources, strict=True):
                tasks.create_task(mechanism.watch(source))
            while True:
                await self._news.wait()
                self._news.clear()
                apply(self._known())
                self._tell()
                await asyncio.sleep(SETTLE)

    def errors(self) -> dict[str, str]:
        """What is wrong now, by source: its own failure, or targets that cannot be scraped."""
        told = {}
        for mechanism, source in zip(self._mechanisms, self._sources, strict=True):
            refused = [text for made in source.made.values() for text in made.refused]
            more = [f"and {len(refused) - _MOST_TOLD} more"] if len(refused) > _MOST_TOLD else []
            problems = [*([source.error] if source.error else []), *refused[:_MOST_TOLD], *more]
            if problems:
                told[mechanism.name] = "; ".join(problems)
        return told

    def _known(self) -> Known:
        """An address that comes twice is one target: the first."""
        found: dict[str, Target] = {}
        for source in self._sources:
            for made in source.made.values():
                for target in made.targets:
                    found.setdefault(target.url, target)
        return Known(found, all(source.answered for source in self._sources))

    def _tell(self) -> None:
        made = [one for source in self._sources for one in source.made.values()]
        name = self._job.name
        self._metrics.targets_dropped.labels(name).set(sum(one.dropped for one in made))
        self._metrics.targets_refused.labels(name).set(sum(len(one.refused) for one in made))
        for mechanism, source in zip(self._mechanisms, self._sources, strict=True):
            failures, source.failures = source.failures, 0
            self._metrics.discovery_failures.labels(name, mechanism.name).inc(failures)


def mechanisms_of(job: ScrapeJob) -> list[Mechanism]:
    """The sources that a job names."""
    return [
        Static(job.static),
        *map(File, job.file_sd),
        *map(Http, job.http_sd),
        *(Dns(given, name) for given in job.dns_sd for name in given.names),
        *map(Consul, job.consul_sd),
        *map(Kubernetes, job.kubernetes_sd),
    ]
