"""The whole fleet as processes: one crash with a restart, an orderly end, and an end by kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnline.demo import journal
from burnline.demo.journal import Part, Run, Totals

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its processes in /proc")

RUN = """
import sys
from pathlib import Path
from burnline.demo.fleet import DemoSettings, run
from burnline.demo.settings import Cell
cells = (Cell("v1", "eu-west", 1), Cell("v2", "eu-west", 1))
settings = DemoSettings(
    sys.argv[1], speed=20, directory=Path(sys.argv[2]), cells=cells, request_rate=5, start_delay=20
)
raise SystemExit(run(settings))
"""


def start(scenario: str, directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, scenario, str(directory)], cwd=Path(__file__).parents[3])


def wait_for(condition: Callable[[], object], seconds: float = 40.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def fleet_of(directory: Path) -> dict:
    return json.loads((directory / "fleet.json").read_text())


def events_of(directory: Path) -> list[dict]:
    file = directory / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def runs_of(directory: Path, replica: str) -> list[Run]:
    return [run for run in journal.read(directory).runs if run.replica == replica]


def processes_of(directory: Path) -> list[int]:
    """Processes that were started with this directory or by its supervisor: it is in the arguments of most."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        try:
            if "burnline.demo" in (line := (entry / "cmdline").read_bytes().decode()) and str(directory) in line:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def crashed(tmp_path_factory) -> Iterator[Path]:
    """A fleet that lived through a crash and was then told to stop; its pages were scraped meanwhile."""
    directory = tmp_path_factory.mktemp("crashed")
    supervisor = start("replica-crash", directory)
    try:
        wait_for(lambda: (directory / "fleet.json").exists())
        fleet = fleet_of(directory)
        url = fleet["replicas"][0]["url"]
        wait_for(lambda: len(runs_of(directory, "v1-eu-west-0")[0].requests) > 5)
        get(url + "/metrics")
        (directory / "gpus.prom").write_text(get(fleet["dcgm"] + "/metrics"))
        notice = urllib.request.Request(fleet["receiver"] + "/alerts", data=b'{"text": "hello"}', method="POST")
        urllib.request.urlopen(notice, timeout=10).close()
        wait_for(lambda: len(runs := runs_of(directory, "v1-eu-west-0")) > 1 and len(runs[1].requests) > 5)
        (directory / "after.prom").write_text(get(url + "/metrics"))
        assert len(processes_of(directory)) >= 4
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(timeout=20) == 0
        yield directory
    finally:
        supervisor.kill()
        supervisor.wait()


def test_targets_are_listed_as_prometheus_reads_them(crashed):
    groups = json.loads((crashed / "targets.json").read_text())
    assert [group["labels"]["job"] for group in groups] == ["vllm", "vllm", "dcgm"]
    assert groups[0]["labels"] == {
        "job": "vllm",
        "version": "v1",
        "region": "eu-west",
        "replica": "v1-eu-west-0",
    }
    assert groups[0]["targets"] == [fleet_of(crashed)["replicas"][0]["address"]]


def test_a_killed_replica_restarts_with_another_process_and_counters_from_zero(crashed):
    first, second = runs_of(crashed, "v1-eu-west-0")
    assert first.ended
    assert second.process_start > first.process_start
    page = (crashed / "after.prom").read_text()
    upto = second.scrapes[0].upto
    counted = sum(
        float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith("vllm:request_success_total{")
    )
    assert counted == upto == Totals.of(second.requests[:upto]).requests
    assert {event["exit_code"] for event in events_of(crashed) if event["kind"] == "exit"} == {-signal.SIGKILL}


def test_what_ended_between_the_last_scrape_and_the_crash_is_marked(crashed):
    first = runs_of(crashed, "v1-eu-west-0")[0]
    lost = journal.read(crashed).totals("run", part=Part.UNSCRAPED)[(first.run,)]
    assert lost.requests == len(first.requests) - first.scrapes[-1].upto > 0


def test_clients_went_on_while_the_replica_was_dead(crashed):
    results = [json.loads(line) for line in (crashed / "load.jsonl").read_text().splitlines()]
    killed = next(event["time"] for event in events_of(crashed) if event["kind"] == "kill")
    assert any(line["version"] == "v2" and line["result"] == "200" and line["time"] > killed for line in results)
    assert any(line["version"] == "v1" and line["result"] == "unreachable" for line in results)


def test_the_exporter_shows_a_gpu_for_each_replica(crashed):
    page = (crashed / "gpus.prom").read_text()
    assert 'DCGM_FI_DEV_FB_USED{gpu="0"' in page
    assert 'pod="v2-eu-west-0"' in page


def test_the_receiver_kept_the_notification(crashed):
    [line] = (crashed / "received.jsonl").read_text().splitlines()
    assert json.loads(line)["body"] == {"text": "hello"}


def test_an_orderly_end_leaves_no_process_and_no_open_run(crashed):
    assert processes_of(crashed) == []
    assert all(run.ended for run in journal.read(crashed).runs)


def test_a_supervisor_killed_with_kill_9_leaves_no_orphans(tmp_path):
    supervisor = start("healthy", tmp_path)
    try:
        wait_for(lambda: (tmp_path / "fleet.json").exists())
        replicas = processes_of(tmp_path)
        assert len(replicas) >= 4
    finally:
        supervisor.kill()
        supervisor.wait()
    wait_for(lambda: not processes_of(tmp_path))
