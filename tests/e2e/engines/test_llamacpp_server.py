"""The product's own collector at a real llama-server: tokens as each answer's usage tells them, over a restart."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engines import counted
from tests.e2e.engines.collecting import Collector
from tests.e2e.engines.process import EngineProcess, folder_of
from tests.e2e.engines.vllm_server import free_port

pytestmark = [pytest.mark.slow_engine, pytest.mark.server("llamacpp"), pytest.mark.timeout(120)]


class LlamaCpp(EngineProcess):
    """One llama-server with a tiny model and two slots."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        model = folder / "tiny.gguf"
        subprocess.run([home / "bin" / "python", Path(__file__).with_name("tiny_gguf.py"), model], check=True)
        port = self.address.partition(":")[2]
        command = [*(str(home / "bin" / "llama-server"), "--model", str(model), "--host", "127.0.0.1", "--port", port)]
        command += ["--metrics", "--offline", "-np", "2", "-c", "1024", "-t", "1"]
        super().__init__(command, folder, lambda http: http.get(f"http://{self.address}/health").status_code == 200)

    def complete(self, **body: Any) -> httpx.Response:
        """One completion, whole or streamed."""
        return self.http.post(f"http://{self.address}/v1/completions", json=body)


@dataclass
class Sent:
    """Tokens as the answers tell them."""

    prompt: int = 0
    generated: int = 0

    def whole(self, server: LlamaCpp, prompt: str, tokens: int) -> None:
        answer = server.complete(prompt=prompt, max_tokens=tokens)
        assert answer.status_code == 200, answer.text
        self._note(answer.json()["usage"])

    def streamed(self, server: LlamaCpp, prompt: str, tokens: int) -> None:
        options = {"include_usage": True}
        answer = server.complete(prompt=prompt, max_tokens=tokens, stream=True, stream_options=options)
        pieces = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        self._note(next(piece["usage"] for piece in reversed(pieces) if piece.get("usage")))

    def _note(self, usage: dict[str, int]) -> None:
        self.prompt += usage["prompt_tokens"]
        self.generated += usage["completion_tokens"]


@pytest.fixture
def llamacpp(tmp_path: Path) -> Iterator[LlamaCpp]:
    home, reason = folder_of("BURNLINE_LLAMACPP", "llamacpp", "bin/llama-server")
    if reason:
        pytest.skip(reason)
    folder = tmp_path / "llamacpp"
    folder.mkdir()
    with LlamaCpp(home, folder) as server:
        yield server


def send(server: LlamaCpp, sent: Sent, whole: int, streamed: int, refused: int) -> None:
    for number in range(whole):
        sent.whole(server, f"word {number}", 3 + number)
    for number in range(streamed):
        sent.streamed(server, f"word {number} and more", 4)  # begins as one before: tokens from the cache
    for _ in range(refused):
        assert server.complete(max_tokens=3).status_code == 400


def test_the_ledger_has_every_token_over_a_restart(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    sent = Sent()
    collector = Collector(tmp_path, {"llamacpp": llamacpp.address})
    with collector.running():
        collector.scraped_after(0.0)
        send(llamacpp, sent, whole=6, streamed=4, refused=2)
        collector.scraped_after(time.time())  # a last scrape of this process
        llamacpp.restart()
        # Less than before: llama.cpp tells no start, so only a counter that fell shows the restart.
        send(llamacpp, sent, whole=3, streamed=2, refused=1)
        collector.scraped_after(time.time())
    found = counted.of_ledger(collector.database)
    assert sent.prompt > 0 < sent.generated
    assert (found["prompt_tokens"], found["generation_tokens"]) == (sent.prompt, sent.generated)
    assert not any(name.startswith(("requests", "http_responses", "ttft", "e2e")) for name in found)
