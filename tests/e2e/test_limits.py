"""Limits of a job, at a running collector shard and at a running Prometheus: the same pages and targets are refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.discovery import files
from collector.settings import ScrapeJob
from core.matchers import parse_selector
from storage.series import SeriesReader, is_stale
from tests.collector.discovery import oracle
from tests.e2e.test_bad_targets import INTERVAL, Engine, Server, Shard, groups, static, until

LIMITS: list[tuple[str, dict[str, Any]]] = [
    ("sample_limit", {"sample_limit": 2}),
    ("label_limit", {"label_limit": 4}),
    ("label_name_length_limit", {"label_name_length_limit": 14}),
    ("label_value_length_limit", {"label_value_length_limit": 27}),
    ("relabel", {"metric_relabel": ({"action": "labeldrop", "regex": "__name__"},)}),
]


@pytest.fixture(autouse=True)
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(files, "FILE_POLL", 0.05)
    yield


@pytest.mark.parametrize(("reason", "limit"), LIMITS)
def test_a_page_over_a_limit_is_refused_whole(tmp_path: Path, reason: str, limit: dict[str, Any]) -> None:
    engine = Engine()

    async def live() -> None:
        server = Server({"a": engine})
        async with server.serving():
            shard = Shard(tmp_path, static(server.address, "a", **limit))
            async with shard.running():
                await until("it is refused", lambda: shard.health() and shard.health()["a"].error_reason == reason)
            assert shard.health()["a"].up is False
            assert shard.requests() == 0

    asyncio.run(live())
    reader = SeriesReader(tmp_path / "series")
    assert not reader.select(parse_selector("vllm:request_success_total"), 0, 2**62)
    (up,) = reader.select(parse_selector("up"), 0, 2**62)
    assert set(up.without_stale().values) == {0.0}


def test_series_after_metric_relabel_are_counted_and_stored(tmp_path: Path) -> None:
    """The engine is known by the names after the rules; a region set for each series divides the counts."""
    engine = Engine()
    rules = (
        {"source_labels": ("__name__",), "regex": "vllm:generation_.*", "action": "drop"},
        {"source_labels": ("finished_reason",), "regex": "stop", "target_label": "region", "replacement": "by-rule"},
    )

    async def live() -> None:
        server = Server({"a": engine})
        async with server.serving():
            shard = Shard(tmp_path, static(server.address, "a", metric_relabel=rules))
            async with shard.running():
                await until("it is counted", lambda: shard.requests() > 2)
                assert shard.health()["a"].groups == [{"model": "m", "region": "by-rule", "version": "v1"}]
                assert shard.health()["a"].samples == 2

    asyncio.run(live())
    reader = SeriesReader(tmp_path / "series")
    (stored,) = reader.select(parse_selector("vllm:request_success_total"), 0, 2**62)
    assert dict(stored.labels)["region"] == "by-rule"
    assert not reader.select(parse_selector("vllm:generation_tokens_total"), 0, 2**62)
    assert reader.select(parse_selector("scrape_samples_scraped"), 0, 2**62)[0].without_stale().values[-1] == 3
    kept = reader.select(parse_selector("scrape_samples_post_metric_relabeling"), 0, 2**62)
    assert kept[0].without_stale().values[-1] == 2


def test_over_the_target_limit_all_targets_are_down_and_come_back(tmp_path: Path) -> None:
    engines = {name: Engine() for name in "abc"}
    file = tmp_path / "targets.json"

    async def live() -> None:
        server = Server(dict(engines))
        async with server.serving():
            file.write_text(json.dumps(groups(server.address, "a", "b")))
            shard = Shard(tmp_path, ScrapeJob(name="job", interval=INTERVAL, file_sd=(file,), target_limit=2))

            def reasons() -> set[tuple[str, str | None]]:
                return {(name, one.error_reason) for name, one in shard.health().items()}

            async with shard.running():
                await until("both are counted", lambda: shard.requests() > 2)
                file.write_text(json.dumps(groups(server.address, "a", "b", "c")))
                await until("all are refused", lambda: reasons() == {(name, "target_limit") for name in "abc"})
                assert engines["c"].counted == -1, "nobody asked it"
                file.write_text(json.dumps(groups(server.address, "a", "c")))
                await until("they are up again", lambda: reasons() == {("a", None), ("c", None)})
                engines["a"].rests = engines["c"].rests = True

    asyncio.run(live())
    series = SeriesReader(tmp_path / "series").select(parse_selector('vllm:request_success_total{name="a"}'), 0, 2**62)
    assert any(is_stale(one.values).any() for one in series), "its series ended while it was down"


@pytest.mark.server("prometheus")
@pytest.mark.xdist_group("prometheus")
def test_prometheus_has_all_targets_down_over_the_target_limit(tmp_path: Path) -> None:
    static_configs = [{"targets": ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]}]
    times = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    jobs = [
        {"job_name": f"limit{limit}", **times, "static_configs": static_configs, "target_limit": limit}
        for limit in (2, 3)
    ]
    with oracle.prometheus(tmp_path, {"scrape_configs": jobs}) as client:
        found = oracle.wait_for(
            lambda: client.get("/targets").json()["data"]["activeTargets"],
            lambda targets: len(targets) == 6 and all(one["health"] != "unknown" for one in targets),
        )
    over = {one["scrapePool"] for one in found if "target_limit" in one["lastError"]}
    assert [one["health"] for one in found] == ["down"] * 6
    assert over == {"limit2"}
