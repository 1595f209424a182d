"""Which targets there are: static, file_sd and http_sd, with the targets known before kept when a refresh fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import orjson

from collector.metrics import CollectorMetrics
from collector.settings import HttpSd, ScrapeJob
from core import yaml
from core.errors import ConfigError, Place
from core.labels import Labels, make

log = logging.getLogger(__name__)

FILE_POLL = 2.0
"""Seconds between two looks at a file's time and size; a poll works on every file system, inotify does not."""
_HTTP_TIMEOUT = 10.0

Stamp = tuple[int, int, int]
"""A file's time of change in nanoseconds, its size and its inode: another file has another."""


class Target(NamedTuple):
    """One address to scrape. A target is its URL; labels may change."""

    url: str
    job: str
    labels: Labels


class Group(NamedTuple):
    """Addresses with their labels, as service discovery gives them."""

    targets: tuple[str, ...]
    labels: Mapping[str, str]


def targets_of(job: ScrapeJob, groups: Iterable[Group]) -> dict[str, Target]:
    """The targets of discovered groups by URL; an address that comes twice is one target."""
    found: dict[str, Target] = {}
    for group in groups:
        for address in group.targets:
            target = _target(job, {"__address__": address, **group.labels})
            found.setdefault(target.url, target)
    return found


def _target(job: ScrapeJob, meta: dict[str, str]) -> Target:
    address = meta["__address__"]
    scheme = meta.get("__scheme__", job.scheme)
    path = meta.get("__metrics_path__", job.path)
    params = {name.removeprefix("__param_"): value for name, value in meta.items() if name.startswith("__param_")}
    url = f"{scheme}://{address}{path}" + (f"?{urlencode(params)}" if params else "")
    labels = {name: value for name, value in meta.items() if not name.startswith("__")}
    return Target(url, job.name, make({"job": job.name, "instance": address, **labels}))


def read_groups(document: Any, file: str) -> list[Group]:
    """Prometheus's list of `{targets: [...], labels: {...}}`; ConfigError says which entry is wrong."""
    if not isinstance(document, list):
        raise ConfigError("a list of target groups is needed: [{targets: [host:port], labels: {}}]", Place(file, 1))
    return [_group(entry, index, file) for index, entry in enumerate(document)]


def _group(entry: Any, index: int, file: str) -> Group:
    place = Place(file, 1)
    if not isinstance(entry, dict) or not isinstance(entry.get("targets"), list):
        raise ConfigError(f"entry {index} needs a list named targets", place)
    labels = entry.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(t, str) and t for t in entry["targets"]):
        raise ConfigError(f"entry {index}: targets are texts host:port, labels map names to texts", place)
    return Group(tuple(entry["targets"]), {str(k): str(v) for k, v in labels.items()})


def read_file(path: Path) -> list[Group]:
    """The groups of a file_sd file."""
    documents = yaml.load_file(path)
    return read_groups(documents[0].value if documents else [], str(path))


class Discovery:
    """The targets of one job. `watch` reports the whole set after every change."""

    def __init__(self, job: ScrapeJob, metrics: CollectorMetrics) -> None:
        self._job = job
        self._metrics = metrics
        static = [Group(entry.targets, entry.labels) for entry in job.static]
        self._parts: dict[str, list[Group]] = {"static": static}
        self._changed = asyncio.Event()
        self.errors: dict[str, str] = {}

    async def watch(self, apply: Callable[[dict[str, Target]], None]) -> None:
        """Call `apply` with the whole set of targets, at once and after every change; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for path in self._job.file_sd:
                stamp = _stamp(path)  # before it is read: a change between the two is seen at the next look
                self._refresh_file(path)
                tasks.create_task(self._watch_file(path, stamp))
            for source in self._job.http_sd:
                tasks.create_task(self._watch_http(source))
            while True:
                self._changed.clear()
                apply(targets_of(self._job, (group for part in self._parts.values() for group in part)))
                await self._changed.wait()

    async def _watch_file(self, path: Path, seen: Stamp | None) -> None:
        while True:
            await asyncio.sleep(FILE_POLL)
            stamp = _stamp(path)
            if stamp != seen:
                seen = stamp
                self._refresh_file(path)

    def _refresh_file(self, path: Path) -> None:
        try:
            self._accept(str(path), read_file(path))
        except ConfigError as error:
            self._refuse(str(path), str(error))

    async def _watch_http(self, source: HttpSd) -> None:
        async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT, trust_env=False) as client:
            while True:
                await self._refresh_http(client, source)
                await asyncio.sleep(source.refresh_interval)

    async def _refresh_http(self, client: httpx.AsyncClient, source: HttpSd) -> None:
        try:
            answer = await client.get(source.url, headers={"Accept": "application/json"})
            answer.raise_for_status()
            self._accept(source.url, read_groups(orjson.loads(answer.content), source.url))
        except (httpx.HTTPError, orjson.JSONDecodeError, ConfigError) as error:
            self._refuse(source.url, str(error) or type(error).__name__)

    def _accept(self, source: str, groups: list[Group]) -> None:
        self.errors.pop(source, None)
        if self._parts.get(source) != groups:
            self._parts[source] = groups
            self._changed.set()

    def _refuse(self, source: str, message: str) -> None:
        self.errors[source] = message
        self._metrics.discovery_failures.labels(self._job.name, source).inc()
        log.warning("job %s: discovery failed, the targets known before go on: %s", self._job.name, message)


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
