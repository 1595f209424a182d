"""The real vllm-router and sglang-router before a real vLLM: each request of the clients counts once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engines.collecting import Collector
from tests.e2e.engines.environments import Server, program, why_missing
from tests.e2e.engines.vllm_server import VllmServer, free_port

pytestmark = [
    pytest.mark.server("vllm"),
    pytest.mark.server("routers"),
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("vllm"),
]

COMMANDS = {"vllm-router": ["vllm-router"], "sglang-router": ["sglang-router", "launch"]}
RETRIES = 2
FLAGS = [
    *("--retry-max-retries", str(RETRIES)),
    *("--retry-initial-backoff-ms", "1"),
    # One worker, of which some requests must fail: it shall not be shut out for that.
    "--disable-circuit-breaker",
]


@dataclass
class Router:
    """A router that answers, and what its clients were answered."""

    url: str
    metrics: str
    answers: Counter[int] = field(default_factory=Counter)

    def ask(self, **body: Any) -> None:
        """One completion; of a stream every piece is read."""
        asked = {"model": "tiny", "prompt": "word1 word2", "max_tokens": 4, "temperature": 0, **body}
        answer = httpx.post(f"{self.url}/v1/completions", json=asked, timeout=60.0, trust_env=False)
        self.answers[answer.status_code] += 1


@contextmanager
def running(name: str, vllm: VllmServer, folder: Path) -> Iterator[Router]:
    """A router before the vLLM, once it knows that its worker is well."""
    command, *verbs = COMMANDS[name]
    port, metrics = free_port(), free_port()
    flags = [*FLAGS, "--host", "127.0.0.1", "--port", str(port), "--worker-urls", vllm.url]
    own = ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics)]
    router = Router(f"http://127.0.0.1:{port}", f"127.0.0.1:{metrics}")

    def is_well() -> bool:
        page = httpx.get(f"http://{router.metrics}/metrics", trust_env=False).text
        return any("worker_health{" in line and line.endswith(" 1") for line in page.splitlines())

    with Server([program("routers", command), *verbs, *flags, *own], folder / f"{name}.log") as server:
        server.until(f"{name} knows its worker", is_well)
        yield router


@pytest.fixture(autouse=True)
def _installed() -> None:
    reason = why_missing("routers")
    if reason:
        pytest.skip(reason)


def send(router: Router, answered: int, streamed: int, refused: int, failed: int) -> None:
    for number in range(answered):
        router.ask(prompt=f"word{number}")
    for number in range(streamed):
        router.ask(prompt=f"word{number}", stream=True)
    for _ in range(refused):
        router.ask(max_tokens=100_000)
    for _ in range(failed):
        # More sequences than the queue admits: the engine answers 503, and the router tries again.
        router.ask(n=128, temperature=1)


def outcomes(counts: dict[str, int]) -> dict[str, int]:
    """Reasons added up."""
    found: Counter[str] = Counter()
    for name, n in counts.items():
        found[name.partition(" ")[0]] += n
    return dict(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_request_that_passes_a_router_and_an_engine_counts_once(name: str, vllm: VllmServer, tmp_path: Path) -> None:
    with running(name, vllm, tmp_path) as router:
        collector = Collector(
            tmp_path, {"router": router.metrics, "vllm": vllm.url.removeprefix("http://")}, model="tiny"
        )
        with collector.running():
            collector.scraped_after(0.0)
            router.ask()  # the router's series come with its first request
            collector.scraped_after(time.time())
            send(router, answered=7, streamed=4, refused=3, failed=2)
            collector.scraped_after(time.time())
            layer, outermost = collector.outcomes()
            _, engine = collector.outcomes("engine")
            health = collector.health()
    assert router.answers == {200: 12, 400: 3, 503: 2}
    assert (health["router"].engine, health["router"].layer) == (name, "router")
    assert health["router"].conditions == []
    assert layer == "router"
    assert outcomes(outermost) == {"good": 12, "bad": 2, "excluded": 3}
    # The engine agrees on what was answered, and has every try of what failed.
    assert engine == {"good length": 12, "bad rejected": 2 * RETRIES}
