"""A real Prometheus over a recorded history: blocks made by promtool, and questions over ranges."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from core.measures import Group
from slo_engine.rules.generate import RuleGroup

_START_TIMEOUT = 60.0
_POINTS = 10_000
"""Prometheus answers with 11,000 points a series at most."""
_RECORD = re.compile(r'(slo:[A-Za-z0-9_:]+)\{slo="[^"]*"\}')


class Unanswered(Exception):
    """Prometheus did not start, or refused a question."""


class Prometheus(NamedTuple):
    """A running server."""

    url: str

    def course(self, expression: str, begin: int, end: int, step: int = 60) -> dict[Group, dict[int, float]]:
        """The values of an expression by its labels (without slo and service) and time."""
        found: dict[Group, dict[int, float]] = {}
        for first in range(begin, end + 1, _POINTS * step):
            last = min(end, first + (_POINTS - 1) * step)
            asked = {"query": expression, "start": first, "end": last, "step": step}
            answer = httpx.post(f"{self.url}/api/v1/query_range", data=asked, trust_env=False, timeout=120).json()
            if answer["status"] != "success":
                raise Unanswered(f"{answer.get('error')}: {expression}")
            for series in answer["data"]["result"]:
                into = found.setdefault(tuple(sorted(series["metric"].items())), {})
                into |= {int(at): float(value) for at, value in series["values"]}
        return found


@contextmanager
def serving(openmetrics: bytes, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that holds this history; Unanswered where it cannot be had."""
    (folder / "history.om").write_bytes(openmetrics)
    (folder / "prometheus.yml").write_text("{}\n")
    create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.om", "data"]
    subprocess.run(create, check=True, capture_output=True, cwd=folder)
    port = _free_port()
    flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--storage.tsdb.retention.time=50y"]
    listen = f"--web.listen-address=127.0.0.1:{port}"
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            ["prometheus", *flags, listen, "--log.level=warn"], cwd=folder, stdout=log, stderr=log
        )
    try:
        yield _awaited(Prometheus(f"http://127.0.0.1:{port}"), server, folder / "prometheus.log")
    finally:
        server.terminate()
        server.wait(30)


def _awaited(prometheus: Prometheus, server: subprocess.Popen[bytes], log: Path) -> Prometheus:
    until = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{prometheus.url}/-/ready", trust_env=False).status_code == httpx.codes.OK:
                return prometheus
        except httpx.TransportError:
            time.sleep(0.1)
    raise Unanswered(f"prometheus does not answer: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def inlined(groups: tuple[RuleGroup, ...]) -> Mapping[tuple[str, str], str]:
    """Every rule over raw series alone, by name and severity (records: none).

    Rules cannot be evaluated over the past as alerts, so each record's expression stands where its name stood: what a
    server says of that at a minute is what its rules would have recorded then.
    """
    records: dict[str, str] = {}
    found: dict[tuple[str, str], str] = {}
    for group in groups:
        for rule in group.rules:
            whole = _RECORD.sub(lambda match: f"({records[match[1]]})", _without_comments(rule.expression))
            if rule.kind == "record":
                records[rule.name] = whole
            found[rule.name, rule.labels.get("severity", "")] = whole
    return found


def _without_comments(expression: str) -> str:
    return "\n".join(line for line in expression.splitlines() if not line.strip().startswith("#"))
