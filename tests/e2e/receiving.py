"""Engines that are not ours and take remote write, as a test needs them: started, killed, started again, asked."""

from __future__ import annotations

import json
import math
import re
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import httpx

from core.labels import Labels, make
from tests.e2e.running import until

Samples = dict[Labels, dict[int, float]]
"""By series and time in ms; a sample that an engine keeps twice is one here."""


_INFINITY = re.compile(r"(?<=[\[,])\+?(-?)Inf(?=[,\]])")
"""VictoriaMetrics writes infinities in JSON as Go does."""


class Engine(ABC):
    """One server with its folder and its port, which stays its own while it is down."""

    name: str
    path = "/api/v1/write"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder / self.name
        self.folder.mkdir()
        self.port = port
        self.log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def command(self) -> list[str]:
        """How it is started."""

    @abstractmethod
    def samples(self, start: float, end: float) -> Samples:
        """All that it holds, without stale markers; times in Unix seconds."""

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(self.command(), stdout=out, stderr=subprocess.STDOUT)
        until(30, f"{self.name} is ready", self._ready, self.log)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def now(self, query: str, time: float) -> list[dict[str, Any]]:
        """What an instant query answers."""
        return list(self.get("/api/v1/query", query=query, time=str(time)).json()["data"]["result"])

    def get(self, path: str, **params: str) -> httpx.Response:
        answer = httpx.get(self.url + path, params=params, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer

    def _ready(self) -> bool:
        try:
            return httpx.get(self.url + "/-/ready", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


class Prometheus(Engine):
    """Prometheus that scrapes nothing by itself."""

    name = "prometheus"

    def command(self) -> list[str]:
        config = self.folder / "prometheus.yml"
        config.write_text("global: {}\n")
        flags = {
            "config.file": config,
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        return ["prometheus", "--web.enable-remote-write-receiver", *(f"--{key}={flags[key]}" for key in flags)]

    def samples(self, start: float, end: float) -> Samples:
        found = self.now(f'{{__name__=~".+"}}[{math.ceil(end - start)}s]', end)
        return {
            make(one["metric"]): {round(time * 1000): float(value) for time, value in one["values"]} for one in found
        }


class VictoriaMetrics(Engine):
    """VictoriaMetrics, single node."""

    name = "victoria-metrics"

    def command(self) -> list[str]:
        return [
            "victoria-metrics",
            f"-storageDataPath={self.folder}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-search.latencyOffset=0s",
        ]

    def samples(self, start: float, end: float) -> Samples:
        self.get("/internal/force_flush")
        answer = self.get("/api/v1/export", **{"match[]": '{__name__!=""}', "start": str(start), "end": str(end)})
        found: Samples = {}
        for line in _INFINITY.sub(r"\g<1>Infinity", answer.text).splitlines():
            one = json.loads(line)
            found.setdefault(make(one["metric"]), {}).update(_exported(one))  # a line is a block, not a series
        return {labels: values for labels, values in found.items() if values}

    def _ready(self) -> bool:
        try:
            return httpx.get(self.url + "/health", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def _exported(one: dict[str, Any]) -> dict[int, float]:
    """Times and values of a line of the export. It keeps stale markers, told as NaN or null, and no other NaN."""
    pairs = zip(one["timestamps"], one["values"], strict=True)
    return {time: float(value) for time, value in pairs if value is not None and not math.isnan(value)}
