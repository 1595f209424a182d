"""A real Prometheus that is asked which targets it has, beside ours from the same configuration."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from collector.discovery.port import Group
from collector.discovery.targets import discovered, made_of
from collector.relabel import compile_rules
from collector.settings import ScrapeJob
from core.durations import parse_prometheus

START_LIMIT_S = 30
LOST = "prometheus is not there, or has other targets"

Pairs = tuple[tuple[str, str], ...]


class Active(NamedTuple):
    """A target that is scraped."""

    labels: Pairs
    url: str
    interval: float
    timeout: float


class Targets(NamedTuple):
    """The targets of a job; those that relabelling dropped with the labels that they had before."""

    active: list[Active]
    dropped: list[Pairs]


def pairs(labels: Mapping[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))


def ours(job: ScrapeJob, groups: Sequence[Group]) -> Targets:
    """What we make of the same groups."""
    active, dropped = [], []
    for group in groups:
        for own in group.targets:
            made = made_of(job, compile_rules(job.relabel), Group((own,), group.labels))
            active += [Active(one.labels, one.url, one.interval, one.timeout) for one in made.targets]
            if made.dropped:
                dropped.append(pairs(discovered(job, {**group.labels, **own})))
    return Targets(sorted(set(active)), sorted(set(dropped)))


def theirs(client: httpx.Client) -> dict[str, Targets]:
    """What Prometheus tells, by job; targets that it refused are in neither list.

    The labels that 2.42 shows of a dropped target may be those that its rules had made by then: with many rules, count.
    """
    data = client.get("/targets").json()["data"]
    jobs: dict[str, Targets] = {}
    for one in data["activeTargets"]:
        times = parse_prometheus(one["scrapeInterval"]), parse_prometheus(one["scrapeTimeout"])
        found = jobs.setdefault(one["scrapePool"], Targets([], []))
        found.active.append(Active(pairs(one["labels"]), one["scrapeUrl"], *times))
    for one in data["droppedTargets"]:
        before = one["discoveredLabels"]
        jobs.setdefault(before.get("job", ""), Targets([], [])).dropped.append(pairs(before))
    return {name: Targets(sorted(set(found.active)), sorted(set(found.dropped))) for name, found in jobs.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def prometheus(folder: Path, config: Mapping[str, Any]) -> Iterator[httpx.Client]:
    """A Prometheus with a configuration; gives a client of its API."""
    file, log = folder / "prometheus.json", folder / "prometheus.log"
    file.write_text(json.dumps(config))
    port = free_port()
    command = [
        *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=20) as client:
                _wait_until_ready(client, process, log)
                yield client
        finally:
            process.terminate()


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/targets").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")


def wait_for(look: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    """What `look` gives as soon as it is enough, or in the end."""
    deadline = time.monotonic() + START_LIMIT_S
    while not enough(found := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


@contextmanager
def vmagent(folder: Path, config: Mapping[str, Any]) -> Iterator[httpx.Client]:
    """A vmagent with a configuration: Debian's Prometheus is built without Kubernetes."""
    file, log = folder / "vmagent.json", folder / "vmagent.log"
    file.write_text(json.dumps(config))
    port = free_port()
    command = [
        *("vmagent", f"-promscrape.config={file}", f"-httpListenAddr=127.0.0.1:{port}"),
        *("-remoteWrite.url=http://127.0.0.1:1/", f"-remoteWrite.tmpDataPath={folder / 'queue'}"),
    ]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=20) as client:
                _wait_until_ready(client, process, log)
                yield client
        finally:
            process.terminate()
