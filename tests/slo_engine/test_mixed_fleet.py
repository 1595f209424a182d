"""Pages of a gateway and of engines behind it, through the counting to the status: a request counts once, and what no
page tells is not measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.exposition import PageReader
from collector.replay import TimedPage
from core.labels import make
from tests.slo_engine.world import START, World, ratio, spec

TRUNCATED = ratio("signal: truncated, by: [model]", "signal: requests, by: [model]", "bad")
IN_ENGINES = ratio(
    "signal: requests, where: 'outcome=\"good\"', by: [model], layer: engine",
    "signal: requests, by: [model], layer: engine",
)
MINUTES = 20


def gateway(n: int) -> str:
    head = 'litellm_proxy_total_requests_metric_total{requested_model="m",team="None",status_code='
    return f'{head}"200"}} {90 * n}\n{head}"500"}} {6 * n}\n{head}"400"}} {4 * n}\n'


def sglang(n: int) -> str:
    responses = 'sglang:http_responses_total{endpoint="/v1/completions",method="POST",status_code='
    return (
        f'sglang:num_requests_total{{model_name="m",priority=""}} {50 * n}\n'
        f'sglang:num_requests_total{{model_name="m",priority="1"}} {50 * n}\n'
        f'{responses}"200"}} {50 * n}\n{responses}"500"}} {2 * n}\n'
    )


def vllm(n: int) -> str:
    head = 'vllm:request_success_total{engine="0",model_name="m",finished_reason='
    return f'{head}"stop"}} {30 * n}\n{head}"length"}} {10 * n}\n{head}"error"}} {4 * n}\n'


PAGES = {"gateway": gateway, "sglang": sglang, "vllm": vllm}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def run(world: World, *names: str) -> None:
    """Scrape these for 20 minutes, every 15 s, then judge."""
    world.lead(spec(target=90), spec(IN_ENGINES, 90, "inside"), spec(TRUNCATED, 95, "truncated"))
    assert world.replayer is not None
    readers = {name: PageReader() for name in names}
    end = START + MINUTES * 60
    for step in range(MINUTES * 4 + 1):
        for name in names:
            page = readers[name].read(PAGES[name](step).encode(), "text/plain")
            labels = make({"instance": name})
            world.replayer.feed(TimedPage(f"http://{name}", "job", labels, START + step * 15, page), 15.0, end)
    world.replayer.flush(end, end)
    world.clock.set(float(end))
    world.tick(end)


def shown(world: World, name: str, *keys: str) -> list[Any]:
    row = world.status(name, model="m")
    return [row[key] for key in keys]


def test_a_request_that_passes_a_gateway_and_an_engine_counts_once(world: World) -> None:
    run(world, "gateway", "sglang", "vllm")
    scrapes = MINUTES * 4
    assert shown(world, "success", "good", "total") == [90 * scrapes, 96 * scrapes]
    assert shown(world, "inside", "good", "total") == [(50 + 40) * scrapes, (52 + 44) * scrapes]


def test_truncation_is_not_measured_where_no_engine_tells_it(world: World) -> None:
    run(world, "sglang")
    row = world.status("truncated")
    assert row["state"] == "no_data"
    assert "no target reports truncated" in row["reason"]


def test_truncation_is_measured_where_an_engine_tells_it(world: World) -> None:
    run(world, "vllm")
    scrapes = MINUTES * 4
    assert shown(world, "truncated", "good", "total") == [34 * scrapes, 44 * scrapes]
