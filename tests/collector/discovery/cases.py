"""The cases of relabelling in cases.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from collector.settings import ScrapeJob
from core import yaml
from core.labels import make
from tests.collector.discovery.oracle import Active


class Case(NamedTuple):
    """What is discovered, the rules, and what is scraped in the end; what is neither active nor dropped is refused."""

    name: str
    found: list[dict[str, str]]
    rules: list[dict[str, Any]]
    params: dict[str, list[str]]
    active: list[dict[str, Any]]
    dropped: int

    def job(self, name: str) -> ScrapeJob:
        """A job with these rules."""
        return ScrapeJob(name=name, interval=15, timeout=5, relabel=self.rules, params=self.params)

    def expected(self) -> list[Active]:
        """The targets of the job `job`."""
        return sorted(map(_active, self.active))


def _active(told: Mapping[str, Any]) -> Active:
    labels = {"job": "job", **{name: value for name, value in told.items() if name not in _BESIDE}}
    return Active(make(labels), told["url"], told.get("interval", 15.0), told.get("timeout", 5.0))


_BESIDE = ("url", "interval", "timeout")


def _read(path: Path) -> Sequence[Case]:
    cases = yaml.load_file(path)[0].value
    return [
        Case(c["name"], c["found"], c.get("rules", []), c.get("params", {}), c["active"], c["dropped"]) for c in cases
    ]


CASES = _read(Path(__file__).with_name("cases.yaml"))
