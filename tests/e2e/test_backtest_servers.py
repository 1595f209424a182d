"""A backtest of raw samples that a real server holds tells what a backtest of the same samples in a file tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import schemas
from tests.burnline.test_cli import run
from tests.burnline.test_replay import BEGIN, SLO
from tests.collector.promql.world import Samples
from tests.e2e.prometheus_servers import SERVERS, Server

pytestmark = [pytest.mark.timeout(180), pytest.mark.server("promtool")]

EACH = [pytest.param(name, marks=pytest.mark.server(name)) for name in SERVERS]
TARGET = {"instance": "s:80", "job": "app", "region": "eu"}
HOUR = 3600


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with SERVERS[request.param](tmp_path / "server") as found:
        yield found


def history() -> Samples:
    """Nine hours by the minute, 600 requests each; forty minutes of the eighth go badly."""
    samples, good, bad = Samples(), 0, 0
    for at in range(BEGIN, BEGIN + 9 * HOUR + 1, 60):
        fails = 200 if 7 * HOUR < at - BEGIN <= 7 * HOUR + 2400 else 0
        good, bad = good + 600 - fails, bad + fails
        samples.put("up", TARGET, at, 1.0)
        samples.put("app_requests_total", {"code": "200", **TARGET}, at, float(good))
        samples.put("app_requests_total", {"code": "500", **TARGET}, at, float(bad))
        samples.put("process_start_time_seconds", TARGET, at, BEGIN - 5000.0)
    return samples


def told(folder: Path, *source: str) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    span = ("--from", str(BEGIN + HOUR), "--to", str(BEGIN + 9 * HOUR))
    done = run(folder, "backtest", "--slo", "slo.yaml", "--json", *span, *source)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    schemas.check("backtest", found)
    return found, [(a["severity"], a["starts_at"], a["firing_at"], a["resolved_at"], a["row"]) for a in found["alerts"]]


@pytest.mark.parametrize("server", EACH, indirect=True)
def test_a_server_and_a_file_with_its_samples_tell_the_same(server: Server, tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(SLO.replace("WINDOW", "30d"))
    samples = history()
    (tmp_path / "day.om").write_text(samples.openmetrics())
    if server.puts_before:
        server.put(samples)
    server.start()
    if not server.puts_before:
        server.put(samples)
    asked = ("--prometheus", server.url, "--match", '{job="app"}', "--lead", "1h")
    found, alerts = told(tmp_path, *asked)
    assert [zone["step"] for zone in found["resolution"]] == ["1m"]
    assert {one[0] for one in alerts} == {"page", "ticket"}
    assert alerts == told(tmp_path, "--openmetrics", "day.om")[1]


@pytest.mark.parametrize("server", EACH, indirect=True)
def test_a_server_that_refuses_is_no_server_without_incidents(server: Server, tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(SLO.replace("WINDOW", "30d"))
    server.start()
    done = run(tmp_path, "backtest", "--slo", "slo.yaml", "--prometheus", f"{server.url}/nowhere", "--from", str(BEGIN))
    assert (done.code, "was not read" in done.err) == (2, True), done.err
