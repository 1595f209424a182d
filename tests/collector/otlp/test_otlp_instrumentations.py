"""Real instrumentations of OpenAI's client against a replica of the demo fleet, and what the ledger says of the calls.

A test makes the requests, so it knows how many there were, how they ended and what they used: the replica's journal is
the other witness.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import unused_port

from burnline.demo import journal
from burnline.demo.child import serving
from burnline.demo.replica import ReplicaSettings, Server
from burnline.demo.settings import MODEL_NAME
from core.clock import SystemClock
from core.texts import HIDDEN, Payload, TextCipher
from storage import generations, samples
from storage.generations import Generation
from tests.collector.otlp.asking import MESSAGES
from tests.collector.otlp.test_otlp_server import Running as Receiver
from tests.collector.otlp.told import totals

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[3]
INSTRUMENTATIONS = ("genai", "traceloop", "openinference")
TOGETHER = ("traceloop", "openinference")
SPEED = 20.0


class Replica:
    """A replica of the demo fleet in a thread with a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{unused_port()}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(20)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        settings = ReplicaSettings("r", "v1", "eu", self.address, str(self.folder), SPEED, seed=1)
        writer = journal.Writer(self.folder, "r")
        run = journal.Run("r", "v1", "eu", "run-1", 0.0)
        writer.start(run)
        self._server = Server(settings, writer, run)
        async with serving(self._server.app(), self.address):
            self._ready.set()
            await self._stop.wait()

    def adjust(self, **effects: Any) -> None:
        """From now on these effects hold."""
        self._loop.call_soon_threadsafe(self._server.adjust, effects)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    folder = tmp_path / "replica"
    folder.mkdir()
    running = Replica(folder)
    yield running
    running.end()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    running = Receiver(tmp_path, SystemClock())
    yield running
    running.end()


class Shop:
    """The application: each `ask` is a process that asks and tells, and ends when all is sent."""

    def __init__(self, replica: Replica, receiver: Receiver) -> None:
        self.replica, self.receiver = replica, receiver

    def ask(self, *names: str, calls: int = 1, stream: bool = False, **environment: str) -> list[dict[str, Any]]:
        given = {
            "names": names,
            "receiver": self.receiver.url,
            "model_url": f"http://{self.replica.address}/v1",
            "model": MODEL_NAME,
            "calls": calls,
            "stream": stream,
        }
        command = [sys.executable, "-m", "tests.collector.otlp.asking", json.dumps(given)]
        found = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)  # type: ignore[no-any-return]


@pytest.fixture
def shop(replica: Replica, receiver: Receiver) -> Shop:
    return Shop(replica, receiver)


def stored(shop: Shop) -> list[Generation]:
    return generations.recent(shop.receiver.database, 0.0)


def each(found: Sequence[dict[str, Any]], key: str) -> Counter[Any]:
    return Counter(tuple(one[key]) if isinstance(one[key], list) else one[key] for one in found)


@pytest.mark.parametrize("names", [*((name,) for name in INSTRUMENTATIONS), TOGETHER], ids="+".join)
def test_every_call_is_counted_once_with_what_it_used(names: Sequence[str], shop: Shop) -> None:
    answers = shop.ask(*names, calls=12)
    shop.replica.adjust(error_rate=1.0)
    assert shop.ask(*names, calls=3) == [{"failed": True}] * 3
    counted = totals(shop.receiver.database)
    assert counted["generations outcome=good stratum=default"] == 12
    assert counted["generations outcome=bad stratum=default"] == 3
    found = stored(shop)
    assert {dict(one.group)["model"] for one in found} == {MODEL_NAME}
    assert {(dict(one.group)["version"], dict(one.group)["tenant"]) for one in found} == {("v7", "acme")}
    good = [one for one in found if one.outcome == "good"]
    assert Counter((one.input_tokens, one.output_tokens) for one in good) == each(answers, "tokens")
    assert Counter(one.finish_reason for one in good) == each(answers, "reason")
    assert all("InternalServerError" in (one.error_type or "") for one in found if one.outcome == "bad")
    assert shop.receiver.count("burnline_otlp_told_again_total") == (15 if len(names) > 1 else 0)


def test_the_journal_of_the_replica_agrees_with_the_ledger(shop: Shop) -> None:
    shop.ask("genai", calls=10)
    (run,) = journal.read(shop.replica.folder).runs
    told = Counter((one.input_tokens, one.output_tokens, one.finish_reason) for one in stored(shop))
    assert told == Counter((one.prompt_tokens, one.generated_tokens, one.outcome) for one in run.requests)


@pytest.mark.parametrize("name", INSTRUMENTATIONS)
def test_a_stream_tells_its_first_token_and_the_time_between_tokens(name: str, shop: Shop) -> None:
    answers = shop.ask(name, calls=3, stream=True)
    assert all(one["events"] >= 3 for one in answers)
    found = stored(shop)
    assert Counter((one.input_tokens, one.output_tokens) for one in found) == each(answers, "tokens")
    for one in found:
        assert one.streamed is True
        assert one.ttft is not None
        assert 0 < one.ttft <= one.duration
        assert one.itl == pytest.approx((one.duration - one.ttft) / ((one.output_tokens or 0) - 1))
        assert one.goodput in {"good", "bad"}, "both promises can be judged"


def text_of_the_only_sample(shop: Shop) -> Payload:
    (sample,) = samples.lease(shop.receiver.database, "tests", SystemClock().now(), 60.0, 10)
    assert sample.text is not None
    cipher = TextCipher.from_file(shop.receiver.folder / "text.key")
    return cipher.open((sample.trace_id, sample.span_id), sample.text)


@pytest.mark.parametrize("name", ["traceloop", "openinference"])
def test_the_texts_of_a_drawn_call_can_be_judged(name: str, shop: Shop) -> None:
    (answer,) = shop.ask(name)
    system, prompt = (one["content"] for one in MESSAGES)
    assert text_of_the_only_sample(shop) == Payload(prompt, answer["text"], (), system)


def test_what_openinference_hides_is_hidden_from_detectors(shop: Shop) -> None:
    shop.ask("openinference", OPENINFERENCE_HIDE_INPUT_TEXT="true", OPENINFERENCE_HIDE_OUTPUTS="true")
    hidden = text_of_the_only_sample(shop)
    assert (hidden.prompt, hidden.output) == (HIDDEN, HIDDEN)
