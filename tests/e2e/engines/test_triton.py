"""A real Triton: the ledger holds what its clients sent, by outcome, and nothing that its page cannot tell."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.engines.collecting import Collector
from tests.e2e.engines.environments import Server, program, why_missing
from tests.e2e.engines.vllm_server import free_port

pytestmark = [pytest.mark.server("triton"), pytest.mark.timeout(200)]

MODEL = "double"


@pytest.fixture
def triton(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URL of the model and address of the metrics page."""
    reason = why_missing("triton")
    if reason:
        pytest.skip(reason)
    ports = [free_port() for _ in range(3)]
    script = str(Path(__file__).with_name("triton_model.py"))
    command = [program("triton", "python"), script, str(tmp_path / "workspace"), *map(str, ports)]
    url = f"http://127.0.0.1:{ports[0]}/v2/models/{MODEL}"
    with Server(command, tmp_path / "triton.log") as server:
        server.until("Triton serves its model", lambda: httpx.get(f"{url}/ready", trust_env=False).is_success)
        yield url, f"127.0.0.1:{ports[2]}"


def ask(url: str, numbers: list[float], kind: str = "FP32") -> int:
    body = {"inputs": [{"name": "x", "shape": [len(numbers), 1], "datatype": kind, "data": numbers}]}
    return httpx.post(f"{url}/infer", json=body, timeout=30.0, trust_env=False).status_code


def test_the_ledger_equals_what_the_clients_of_a_triton_counted(triton: tuple[str, str], tmp_path: Path) -> None:
    url, page = triton
    collector = Collector(tmp_path, {"triton": page})
    answers: Counter[int] = Counter()
    with collector.running():
        collector.scraped_after(0.0)
        answers.update(ask(url, [float(n)]) for n in range(9))
        answers.update(ask(url, [1.0, 2.0, 3.0]) for _ in range(2))  # a batch is one request
        answers.update(ask(url, [-1.0]) for _ in range(3))
        answers.update(ask(url, [1.0], "FP64") for _ in range(4))  # of the wrong type: no page of Triton's has these
        collector.scraped_after(time.time())
        layer, counts = collector.outcomes()
        health = collector.health()["triton"]
    assert answers == {200: 11, 500: 3, 400: 4}
    assert (layer, counts) == ("engine", {"good": 11, "bad BACKEND": 3})
    assert (health.engine, health.conditions) == ("triton", [])
    assert {"model": MODEL, "version": "v1", "region": "here"} in health.groups
    assert not {"ttft", "itl", "e2e", "queue_time"} & set(health.signals)
