"""A real Prometheus with the same relabelling, targets and pages has the same targets and series."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from collector.discovery.port import Group
from collector.exposition import PageReader
from collector.loop import stored
from collector.page_labels import NO_LIMITS, LabelLimits, PageLabels
from collector.relabel import compile_rules
from collector.settings import ScrapeJob
from core.errors import ScrapeError
from core.labels import Labels, make
from tests.collector.discovery import made, oracle
from tests.collector.discovery.cases import CASES, Case

pytestmark = [pytest.mark.server("prometheus"), pytest.mark.xdist_group("prometheus")]
NONE = oracle.Targets([], [])
TIMES = {"scrape_interval": "15s", "scrape_timeout": "5s"}


Targets = dict[str, oracle.Targets]


def targets_of(folder: Path, cases: Mapping[str, Case], *, files: bool) -> tuple[Targets, Targets]:
    """Ours and those of Prometheus, where every case is a job; it can only watch a hundred files."""
    jobs, expected = [], {}
    for name, case in cases.items():
        file, beside = folder / f"{name}.json", {}
        groups = [{"targets": [one.get("__address__", "")], "labels": without_address(one)} for one in case.found]
        source: dict[str, Any] = {"static_configs": groups}
        if files:
            file.write_text(json.dumps(groups))
            source, beside = {"file_sd_configs": [{"files": [str(file)]}]}, {"__meta_filepath": str(file)}
        jobs.append({"job_name": name, **TIMES, **source, "relabel_configs": case.rules, "params": case.params})
        expected[name] = oracle.ours(case.job(name), [Group(({**one},), beside) for one in case.found])
    with oracle.prometheus(folder, {"scrape_configs": jobs}) as client:
        found = oracle.wait_for(
            lambda: oracle.theirs(client),
            lambda targets: all(targets.get(name, NONE).active == one.active for name, one in expected.items()),
        )
    return expected, {name: found.get(name, NONE) for name in cases}


def without_address(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "__address__"}


def test_targets_after_relabelling_are_those_of_prometheus(tmp_path: Path) -> None:
    ours, theirs = targets_of(tmp_path, {f"case{number}": case for number, case in enumerate(CASES)}, files=True)
    for number, case in enumerate(CASES):
        assert theirs[f"case{number}"] == ours[f"case{number}"], case


def test_rules_made_at_random_relabel_as_in_prometheus(tmp_path: Path) -> None:
    random = Random(20240229)
    cases = {}
    for number in range(150):
        found = [made.labels(random, number * 4 + part) for part in range(4)]
        rules = [made.rule(random) for _ in range(random.randint(1, 5))]
        cases[f"made{number}"] = Case(f"made{number}", found, rules, {}, [], 0)
    ours, theirs = targets_of(tmp_path, cases, files=False)
    for name, case in cases.items():
        assert theirs[name].active == ours[name].active, case
    assert sum(len(one.active) for one in ours.values()) > 150
    assert dropped(ours) > 150


def dropped(targets: Mapping[str, oracle.Targets]) -> int:
    return sum(len(one.dropped) for one in targets.values())


# Series of a page.

PAGE = b"""# TYPE requests_total counter
requests_total{code="200",model="a",pod="p1"} 1
requests_total{code="500",model="a",pod="p1"} 2
requests_total{code="500",model="b",pod="p2"} 3
# TYPE latency histogram
latency_bucket{le="0.1"} 4
latency_bucket{le="+Inf"} 5
latency_sum 6.5
latency_count 5
temperature{instance="gpu0",exported_zone="x",Zone="EU"} 7
temperature{instance="gpu1",a="1",b="1"} 8
long_label{value="0123456789"} 9
"""
TARGET_LABELS = {"zone": "eu", "version": "v1"}
METRIC_RULES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "keep_by_name": [{"source_labels": ["__name__"], "regex": "requests_.*", "action": "keep"}],
    "drop_by_name": [{"source_labels": ["__name__"], "regex": "latency_.*", "action": "drop"}],
    "drop_all": [{"regex": "x", "source_labels": ["missing"], "action": "keep"}],
    "rename": [{"source_labels": ["__name__"], "regex": "(.*)_total", "target_label": "__name__", "replacement": "$1"}],
    "no_name": [{"regex": "__name__", "action": "labeldrop"}],
    "merge": [{"regex": "pod|model", "action": "labeldrop"}],
    "target_labels": [
        {"source_labels": ["zone"], "target_label": "region", "action": "uppercase"},
        {"regex": "instance", "action": "labeldrop"},
        {"source_labels": ["code"], "regex": "5..", "target_label": "version", "replacement": "broken"},
    ],
    "by_target": [{"source_labels": ["zone", "code"], "regex": "eu;200", "action": "drop"}],
    "map": [{"regex": "exported_(.+)", "action": "labelmap", "replacement": "own_$1"}],
    "equal": [{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}],
    "hash": [
        {"source_labels": ["pod"], "target_label": "hash", "modulus": 5, "action": "hashmod"},
        {"source_labels": ["Zone"], "target_label": "Zone", "action": "lowercase"},
    ],
    "keep_labels": [{"regex": "__name__|code|le|zone|own", "action": "labelkeep"}],
    "internal": [{"source_labels": ["model"], "target_label": "__tmp"}],
}
LIMITS: dict[str, dict[str, Any]] = {
    "labels_under": {"label_limit": 7},
    "labels_over": {"label_limit": 6},
    "names_under": {"label_name_length_limit": 17},
    "names_over": {"label_name_length_limit": 16},
    "values_under": {"label_value_length_limit": 15},
    "values_over": {"label_value_length_limit": 13},
    "samples_under": {"sample_limit": 10},
    "samples_over": {"sample_limit": 9},
    "body_under": {"body_size_limit": f"{len(PAGE) + 1}B"},
    "body_over": {"body_size_limit": f"{len(PAGE)}B"},
}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256


@contextmanager
def served() -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def scraped(folder: Path, jobs: Sequence[Mapping[str, Any]]) -> tuple[dict[str, bool], dict[str, set[Labels]]]:
    """Whether each job's target was up, and the series that Prometheus has of it."""
    with oracle.prometheus(folder, {"scrape_configs": jobs}) as client:
        ups = oracle.wait_for(lambda: up(client), lambda known: len(known) == len(jobs))
        series: dict[str, set[Labels]] = {name: set() for name in ups}
        # The target's address is the same for all; rules may take the job's name, so each has a path of its own.
        for one in query(client, '{own!="",__name__!~"up|scrape_.+"}'):
            series[one["metric"].pop("own")].add(make(one["metric"]))
    return ups, series


def up(client: httpx.Client) -> dict[str, bool]:
    return {one["metric"]["own"]: one["value"][1] == "1" for one in query(client, "up")}


def query(client: httpx.Client, expression: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = client.get("/query", params={"query": expression}).json()["data"]["result"]
    return result


def named(rules: Sequence[Mapping[str, Any]], target: Mapping[str, str], limits: LabelLimits) -> set[Labels] | None:
    """The series that we would store of the page; None where it is refused."""
    job = ScrapeJob(name="j", metric_relabel=[{**rule} for rule in rules])
    names = PageLabels(compile_rules(job.metric_relabel), limits, make(target))
    try:
        page = names.page(PageReader().read(PAGE, "text/plain"))
    except ScrapeError:
        return None
    return {stored(one.name, one.labels, names.fixed) for one in page.series}


def same_series(folder: Path, address: str, cases: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    jobs = [
        {
            "job_name": name,
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [{"targets": [address], "labels": {**TARGET_LABELS, "own": name}}],
            "metric_relabel_configs": rules,
        }
        for name, rules in cases.items()
    ]
    ups, series = scraped(folder, jobs)
    for name, rules in cases.items():
        ours = named(rules, {**TARGET_LABELS, "own": name, "job": name, "instance": address}, NO_LIMITS)
        assert ups[name] == (ours is not None), (name, rules)
        assert {tuple(pair for pair in one if pair[0] != "own") for one in ours or ()} == series[name], (name, rules)


def test_series_after_relabelling_are_those_of_prometheus(tmp_path: Path) -> None:
    with served() as address:
        same_series(tmp_path, address, METRIC_RULES)


def test_rules_made_at_random_name_series_as_in_prometheus(tmp_path: Path) -> None:
    random = Random(7)
    names = ("__name__", "code", "model", "pod", "zone", "version", "instance", "a", "b", "le")
    keeps_own = {"regex": "own|.*", "action": "labelkeep"}
    cases = {f"made{n}": [made.rule(random, names), made.rule(random, names), keeps_own] for n in range(60)}
    cases = {name: rules for name, rules in cases.items() if not any(takes_own(rule) for rule in rules)}
    assert len(cases) > 30
    with served() as address:
        same_series(tmp_path, address, cases)


def takes_own(rule: Mapping[str, Any]) -> bool:
    """Whether a rule could take the label by which the test tells the jobs apart."""
    return rule["action"] in ("labeldrop", "labelkeep") and rule["regex"] != "own|.*"


def test_limits_refuse_the_pages_that_prometheus_refuses(tmp_path: Path) -> None:
    with served() as address:
        static = {"targets": [address], "labels": TARGET_LABELS}
        times = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        jobs = [
            {"job_name": name, **times, "static_configs": [{**static, "labels": {"own": name}}], **limit}
            for name, limit in LIMITS.items()
        ]
        ups, _ = scraped(tmp_path, jobs)
    for name, limit in LIMITS.items():
        assert ups[name] == name.endswith("_under"), (name, limit)
        target = {"own": name, "job": name, "instance": address}
        limits = LabelLimits(*(limit.get(f"label_{kind}limit", 0) for kind in ("", "name_length_", "value_length_")))
        if any(limits):
            assert (named([], target, limits) is not None) == ups[name], name
