"""Servers with Prometheus's HTTP API that nobody here wrote: Prometheus and VictoriaMetrics, in a test's own folder.

Each can hold samples of the past, and can scrape. Leaving the block ends it; `stop` and `start` are an outage.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import httpx

from tests.collector.promql.world import Samples
from tests.e2e.running import free_ports, until

SCRAPE_INTERVAL = "1s"


class Server(AbstractContextManager["Server"]):
    """One server; `targets` is a file_sd file of what it scrapes every second, as job vllm."""

    program: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.targets = folder / "targets.json"
        self.config = folder / "prometheus.yml"
        job = {"job_name": "vllm", "file_sd_configs": [{"files": [str(self.targets)], "refresh_interval": "1s"}]}
        interval = {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_INTERVAL}
        self.config.write_text(json.dumps({"global": interval, "scrape_configs": [job]}))
        self.watch([])
        self.flags: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, groups: list[dict[str, Any]]) -> None:
        """Scrape these from now on."""
        self.targets.write_text(json.dumps(groups))

    def put(self, samples: Samples) -> None:
        """Hold samples of the past. Before the start, or after it, as `puts_before` says."""
        raise NotImplementedError

    puts_before: ClassVar[bool]

    def command(self) -> Sequence[object]:
        """What starts it."""
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen([*map(str, self.command()), *self.flags], stdout=log, stderr=log)
        until(30, f"{self.program} answers", self._answers, self.folder / "server.log")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL, as when the kernel runs out of memory."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def query(self, expression: str) -> list[Any]:
        """The result of an instant query."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False)
        return list(answer.json()["data"]["result"])

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/v1/query?query=1", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Prometheus(Server):
    program = "prometheus"
    puts_before = True

    def command(self) -> Sequence[object]:
        flags = ("--storage.tsdb.retention.time=10y", "--log.level=warn", f"--web.listen-address=127.0.0.1:{self.port}")
        return ("prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.folder / 'data'}", *flags)

    def push(self, url: str, leave_out: Sequence[dict[str, Any]] = (), **queue: Any) -> None:
        """Send what is scraped to a remote, from now on, without what these rules drop; `queue` is its queue_config."""
        known = json.loads(self.config.read_text())
        known["remote_write"] = [{"url": url, "queue_config": queue, "write_relabel_configs": list(leave_out)}]
        self.config.write_text(json.dumps(known))
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def put(self, samples: Samples) -> None:
        file = self.folder / "samples.om"
        file.write_text(samples.openmetrics())
        create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(self.folder / "data")]
        subprocess.run(create, check=True, capture_output=True)


class VictoriaMetrics(Server):
    program = "victoria-metrics"
    puts_before = False

    def command(self) -> Sequence[object]:
        flags = ("-retentionPeriod=10y", "-loggerLevel=WARN", f"-httpListenAddr=127.0.0.1:{self.port}")
        data = (f"-storageDataPath={self.folder / 'data'}", f"-promscrape.config={self.config}")
        return (
            "victoria-metrics",
            *flags,
            *data,
            "-promscrape.fileSDCheckInterval=1s",
            "-promscrape.config.strictParse=false",
        )

    def put(self, samples: Samples) -> None:
        lines = [
            f"{line.rpartition(' ')[0]} {round(float(line.rpartition(' ')[2]) * 1000)}"
            for line in samples.openmetrics().splitlines()
            if not line.startswith("#")
        ]
        httpx.post(f"{self.url}/api/v1/import/prometheus", content="\n".join(lines), trust_env=False).raise_for_status()
        httpx.get(f"{self.url}/internal/force_flush", trust_env=False).raise_for_status()


SERVERS = {server.program: server for server in (Prometheus, VictoriaMetrics)}
