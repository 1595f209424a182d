"""The product's own collector at a real Ray Serve: requests by status as the test sent them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.engines import counted
from tests.e2e.engines.collecting import Collector
from tests.e2e.engines.process import EngineProcess, folder_of
from tests.e2e.engines.vllm_server import free_port

pytestmark = [pytest.mark.slow_engine, pytest.mark.server("ray"), pytest.mark.timeout(240)]

REPORTED_SECONDS = 6.0
"""Ray's processes report to their node's page every two seconds here."""


class Ray(EngineProcess):
    """One Ray node with one Serve deployment on one CPU."""

    def __init__(self, venv: Path, folder: Path) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        app = Path(__file__).with_name("ray_app.py")
        command = [str(venv / "bin" / "python"), str(app), str(self.port), str(self.metrics_port), str(folder)]
        environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_metrics_report_interval_ms": "2000"}
        super().__init__(command, folder, self._has_replica, environment=environment, ready_seconds=120.0)

    def ask(self, path: str) -> int:
        """One request's status."""
        return self.http.get(f"http://127.0.0.1:{self.port}{path}").status_code

    def _has_replica(self, http: httpx.Client) -> bool:
        page = http.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
        return "ray_serve_deployment_replica_healthy{" in page and self.ask("/app") == 200


@pytest.fixture
def ray() -> Iterator[Ray]:
    venv, reason = folder_of("BURNLINE_RAY_VENV", "ray", "bin/ray")
    if reason:
        pytest.skip(reason)
    # Not under tmp_path: the paths of its sockets must be short.
    temporary = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    with temporary as folder, Ray(venv, Path(folder)) as server:
        yield server


def test_the_ledger_has_every_request_by_its_status(ray: Ray, tmp_path: Path) -> None:
    time.sleep(REPORTED_SECONDS)  # what the harness asked must be on the page before the first scrape: a baseline
    collector = Collector(tmp_path, {"ray": f"127.0.0.1:{ray.metrics_port}"})
    with collector.running():
        collector.scraped_after(0.0)
        assert [ray.ask("/app") for _ in range(9)] == [200] * 9
        assert [ray.ask("/app?fail=1") for _ in range(4)] == [500] * 4
        assert [ray.ask("/nowhere") for _ in range(3)] == [404] * 3
        assert [ray.ask("/-/healthz") for _ in range(5)] == [200] * 5  # no request of a user
        collector.scraped_after(time.time() + REPORTED_SECONDS)
    found = counted.of_ledger(collector.database, "router")
    requests = {name: n for name, n in found.items() if name.startswith("requests ")}
    assert requests == {"requests good 200": 9, "requests bad 500": 4, "requests excluded 404": 3}
    assert found["e2e"] == 9 + 4 + 3
