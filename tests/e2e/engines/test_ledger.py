"""The product's own collector at a real vLLM: the ledger holds what the clients sent, over a restart of the server."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import truth
from tests.e2e.engines.collecting import Collector
from tests.e2e.engines.vllm_server import VllmServer

pytestmark = [pytest.mark.xdist_group("vllm"), pytest.mark.timeout(400)]


@dataclass
class Sent:
    """What the clients know of their requests: by finish reason, and tokens as each answer's `usage` has them."""

    reasons: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    generation_tokens: int = 0
    first_tokens: int = 0

    def whole(self, vllm: VllmServer, **body: Any) -> None:
        """One answer in one piece."""
        answer = vllm.complete(**body)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        self._note(content["choices"][0]["finish_reason"], content["usage"])

    def streamed(self, vllm: VllmServer, **body: Any) -> None:
        """One answer in pieces; the last piece has the usage."""
        import json

        with vllm.streaming(**body, stream_options={"include_usage": True}) as response:
            lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {")]
        pieces = [json.loads(line) for line in lines]
        reason = next(p["choices"][0]["finish_reason"] for p in reversed(pieces) if p["choices"])
        self._note(reason, pieces[-1]["usage"])

    def refused(self, vllm: VllmServer) -> None:
        """A request that is answered 400: it reaches no engine and counts nowhere."""
        assert vllm.complete(max_tokens=100_000).status_code == 400

    def _note(self, reason: str, usage: dict[str, int]) -> None:
        self.reasons[reason] += 1
        self.prompt_tokens += usage["prompt_tokens"]
        self.generation_tokens += usage["completion_tokens"]
        self.first_tokens += 1


def send(vllm: VllmServer, sent: Sent, length: int, streamed: int, refused: int) -> None:
    for number in range(length):
        sent.whole(vllm, prompt=f"word{number}", max_tokens=3 + number)
    for number in range(streamed):
        sent.streamed(vllm, prompt=f"word{number} word1", max_tokens=4)
    for _ in range(refused):
        sent.refused(vllm)
    # The first token that the model gives is made its stop token: this answer ends by itself.
    first = vllm.complete(max_tokens=1, logprobs=1).json()
    sent._note(first["choices"][0]["finish_reason"], first["usage"])
    sent.whole(vllm, max_tokens=8, stop=first["choices"][0]["text"], min_tokens=0)


def test_the_ledger_equals_what_the_clients_counted_over_a_restart(vllm: VllmServer, tmp_path: Path) -> None:
    sent = Sent()
    collector = Collector(tmp_path, {"vllm": vllm.url.removeprefix("http://")})
    with collector.running():
        collector.scraped_after(0.0)  # what the server has done before is a baseline
        send(vllm, sent, length=6, streamed=4, refused=2)
        collector.scraped_after(time.time())  # a last scrape of this process
        vllm.restart()
        send(vllm, sent, length=5, streamed=3, refused=1)
        collector.scraped_after(time.time())
    (counts,) = truth.of_ledger(collector.database).values()
    assert counts.requests == dict(sent.reasons)
    assert sent.reasons.keys() == {"stop", "length"}
    assert (counts.prompt_tokens, counts.generation_tokens) == (sent.prompt_tokens, sent.generation_tokens)
    assert sum(counts.ttft) == sent.first_tokens
    assert sum(counts.e2e) == sent.reasons.total()
