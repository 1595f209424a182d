"""Prometheus with recording and alerting rules for the same SLOs: what an evaluation of one group costs there.

One group of rules stands for all groups of labels: error ratios over seven windows, the period's from the recorded ones
of five minutes, the budget's state, and a page and a ticket of two pairs of windows. This is how generators write them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.harness import Unequal
from bench.processes import free_port, stop, usage_of
from core.durations import DAY

NAME = "prometheus"
_SCRAPED, _RECORDED = 15, 30
"""Seconds between samples: of what is scraped, kept for three days here, and of what the rules have recorded."""
_RATE, _BAD = 30, 0.005
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_TARGET = 0.99
_ALERTS: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "page": (("5m", "1h", 14.4), ("30m", "6h", 6)),
    "ticket": (("2h", "1d", 3), ("6h", "3d", 1)),
}
_EVERY = 10
_EVALUATIONS = 4


def installed() -> bool:
    """Whether Prometheus and promtool are here."""
    return all(shutil.which(name) for name in (NAME, "promtool"))


def cost(folder: Path, groups: int) -> float:
    """CPU seconds that Prometheus takes for one evaluation of one group."""
    _make_blocks(folder, groups)
    with _prometheus(folder) as (process, address):
        _until_evaluated(address, 1)
        began, before = _iterations(address), usage_of(process.pid).cpu
        _until_evaluated(address, int(began) + _EVALUATIONS)
        took, times = usage_of(process.pid).cpu - before, _iterations(address) - began
        _check(address, groups)
    return took / times / groups


def _make_blocks(folder: Path, groups: int) -> None:
    """The past, as if it had been scraped and recorded."""
    now = int(time.time()) // _RECORDED * _RECORDED
    with (folder / "past.txt").open("w") as file:
        for name, per_sample in (("bad", _RATE * _BAD), ("requests", _RATE)):
            file.write(f"# TYPE {name} counter\n")
            for group in range(groups):
                file.writelines(
                    f'{name}_total{{group="{group}"}} {place * per_sample:g} {at}\n'
                    for place, at in enumerate(range(now - 3 * DAY - 60, now + 1, _SCRAPED))
                )
        file.write("# TYPE slo:sli_error:ratio_rate5m gauge\n")
        for group in range(groups):
            times = range(now - 30 * DAY, now + 1, _RECORDED)
            file.writelines(f'slo:sli_error:ratio_rate5m{{group="{group}"}} {_BAD} {at}\n' for at in times)
        file.write("# EOF\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h"]
    subprocess.run([*made, str(folder / "past.txt"), str(folder / "data")], check=True, capture_output=True)


def _rules() -> list[dict[str, Any]]:
    budget = 1 - _TARGET
    ratios = [_record(f"slo:sli_error:ratio_rate{w}", f"{_sum('bad', w)} / {_sum('requests', w)}") for w in _WINDOWS]
    recorded = "slo:sli_error:ratio_rate5m[30d]"
    period = _record("slo:sli_error:ratio_rate30d", f"sum_over_time({recorded}) / count_over_time({recorded})")
    state = [
        _record("slo:objective:ratio", f"vector({_TARGET})"),
        _record("slo:error_budget:ratio", f"vector({budget:g})"),
        _record("slo:current_burn_rate:ratio", f"slo:sli_error:ratio_rate5m / {budget:g}"),
        _record("slo:period_burn_rate:ratio", f"slo:sli_error:ratio_rate30d / {budget:g}"),
        _record("slo:period_error_budget_remaining:ratio", "1 - slo:period_burn_rate:ratio"),
    ]
    alerts = [{"alert": "Burn", "expr": _burns(rows, budget), "labels": {"severity": s}} for s, rows in _ALERTS.items()]
    return [*ratios, period, *state, *alerts]


def _record(name: str, expression: str) -> dict[str, Any]:
    return {"record": name, "expr": expression}


def _sum(name: str, window: str) -> str:
    return f"sum by (group) (rate({name}_total[{window}]))"


def _burns(rows: tuple[tuple[str, str, float], ...], budget: float) -> str:
    return " or ".join(f"({_above(short, f * budget)} and {_above(long, f * budget)})" for short, long, f in rows)


def _above(window: str, limit: float) -> str:
    return f"slo:sli_error:ratio_rate{window} > {limit:g}"


@contextmanager
def _prometheus(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    (folder / "rules.json").write_text(json.dumps({"groups": [{"name": "slo", "rules": _rules()}]}))
    settings = {"global": {"evaluation_interval": f"{_EVERY}s"}, "rule_files": [str(folder / "rules.json")]}
    (folder / "prometheus.json").write_text(json.dumps(settings))
    port = free_port()
    command = [NAME, f"--config.file={folder / 'prometheus.json'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += ["--storage.tsdb.retention.time=60d", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def _query(address: str, query: str) -> list[float]:
    try:
        answer = httpx.get(f"{address}/api/v1/query", params={"query": query}, timeout=30, trust_env=False)
    except httpx.TransportError:
        return []
    return [float(one["value"][1]) for one in answer.json()["data"]["result"]] if answer.is_success else []


def _iterations(address: str) -> float:
    """How many times the group of rules was evaluated, as Prometheus counts it on its own page."""
    try:
        page = httpx.get(f"{address}/metrics", timeout=30, trust_env=False).text
    except httpx.TransportError:
        return 0.0
    lines = [line for line in page.splitlines() if line.startswith("prometheus_rule_group_iterations_total{")]
    done = [line for line in page.splitlines() if line.startswith("prometheus_rule_group_last_evaluation_timestamp")]
    return sum(float(line.rpartition(" ")[2]) for line in lines) if done else 0.0


def _until_evaluated(address: str, times: int) -> None:
    deadline = time.monotonic() + 300
    while _iterations(address) < times:
        if time.monotonic() > deadline:
            raise Unequal("Prometheus evaluates its rules")
        time.sleep(0.2)


def _check(address: str, groups: int) -> None:
    """Its ratios are those of the traffic; they are estimates, so nearly."""
    for window in (*_WINDOWS, "30d"):
        found = _query(address, f"slo:sli_error:ratio_rate{window}")
        if len(found) != groups or any(abs(one / _BAD - 1) > 0.02 for one in found):
            raise Unequal(f"the ratios that Prometheus recorded over {window}: {found[:3]}")
