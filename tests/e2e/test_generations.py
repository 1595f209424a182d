"""One generation from the real OpenTelemetry SDK: to the waterfall, to its scores and to the SLIs; its text goes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from storage import generations, scores
from storage.database import Database, sqlite_url
from tests.e2e.running import Process, burnline, environment, free_ports, until

pytestmark = [pytest.mark.xdist_group("demo-2"), pytest.mark.timeout(300)]

TTL = 25.0
PHRASE = "wandering heliotrope lighthouse"
MAIL = "erika.mustermann@example.com"
GROUP = {"model": "tiny", "version": "v7", "region": "eu-west"}


def an_slo(name: str, target: float, part: str, signal: str, where: str, total: str) -> str:
    """An OpenSLO document over one signal."""

    def source(matchers: str) -> str:
        spec = f"{{signal: {signal}, where: '{matchers}', by: [model, version]}}"
        return f"{{metricSource: {{type: burnline, spec: {spec}}}}}"

    return f"""\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: chat
  indicator:
    metadata: {{name: {name}}}
    spec:
      ratioMetric:
        {part}: {source(where)}
        total: {source(total)}
  timeWindow: [{{duration: 1d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: {target}}}]
"""


GOODPUT = an_slo("goodput-here", 0.99, "good", "goodput", 'outcome="good"', 'outcome=~"good|bad"')
PII = 'detector="pii",verdict='
QUALITY = an_slo("no-personal-data", 0.95, "bad", "judged", f'{PII}"flagged"', f'{PII[:-1]}=~"flagged|clear"')


class World:
    """Collector, engine and evaluator as processes of their own, over one folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.storage = folder / "storage"
        self.storage.mkdir()
        (self.port,) = free_ports(1)
        (folder / "slos.yaml").write_text(f"{GOODPUT}---\n{QUALITY}")
        self.config = folder / "burnline.yaml"
        self.config.write_text(
            f"storage: {{directory: {self.storage}}}\n"
            "metrics_ports: {collector: 0, engine: 0, alerter: 0, evaluator: 0}\n"
            "collector:\n"
            "  flush_interval: 1s\n"
            f"  otlp:\n    port: {self.port}\n    grpc: {{enabled: false}}\n    text_ttl: {TTL:.0f}s\n"
            "    strata: [{name: default, probability: 1.0}]\n"
            f"engine: {{tick_interval: 1s, packs: [], slos: [{folder / 'slos.yaml'}]}}\n"
            "evaluator: {poll_interval: 500ms}\n"
        )
        assert burnline("db", "upgrade", "--config", self.config).returncode == 0
        self.database = Database(sqlite_url(self.storage / "burnline.db"))
        stack.callback(self.database.dispose)
        self.parts = {name: self._start(name) for name in ("collector", "engine", "evaluator")}
        until(60, "the collector listens", self._listens, self.parts["collector"].log)

    def _start(self, part: str) -> Process:
        process = Process(self.folder / f"{part}.log", (part, "--config", self.config), environment())
        self._stack.callback(process.end)
        return process

    def _listens(self) -> bool:
        return b":%04X" % self.port in Path("/proc/net/tcp").read_bytes()

    def until(self, seconds: float, what: str, look: Any) -> Any:
        return until(seconds, what, look, *(process.log for process in self.parts.values()))

    def status(self, slo: str) -> dict[str, Any] | None:
        """The row of an SLO that counts something."""
        done = burnline("slo", "status", "--json", "--config", self.config)
        rows = json.loads(done.stdout) if done.returncode == 0 else []
        return next((row for row in rows if row["slo"] == slo and row["total"]), None)

    def files_with(self, content: bytes) -> list[str]:
        """Files below the storage folder and logs that hold these bytes."""
        return [
            str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file() and content in p.read_bytes()
        ]


def send(port: int, prompt: str, answer: str) -> str:
    """A chat call within a request, through the SDK and its exporter; returns the trace id."""
    resource = Resource.create({"service.name": "shop", "service.version": "v7", "cloud.region": "eu-west"})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    with tracer.start_as_current_span("POST /ask") as root, tracer.start_as_current_span("chat tiny") as span:
        time.sleep(0.3)
        for name, value in {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "vllm",
            "gen_ai.request.model": "tiny",
            "gen_ai.request.stream": True,
            "gen_ai.response.time_to_first_chunk": 0.05,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.input.messages": message("user", prompt),
            "gen_ai.output.messages": message("assistant", answer),
        }.items():
            span.set_attribute(name, value)
        trace_id = f"{root.get_span_context().trace_id:032x}"
    provider.shutdown()
    return trace_id


def message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("generations"), stack)


def test_a_generation_goes_to_the_waterfall_to_its_scores_and_to_the_slis(world: World) -> None:
    trace_id = send(world.port, f"Tell me of the {PHRASE}.", f"Write to {MAIL} about the {PHRASE}.")
    spans, calls = generations.trace(world.database, trace_id)
    assert [span.name for span in spans] == ["POST /ask", "chat tiny"], "an answered export is committed"
    assert spans[1].parent_id == spans[0].span_id
    (call,) = calls
    assert (dict(call.group), call.outcome, call.goodput) == (GROUP, "good", "good")
    assert (call.input_tokens, call.output_tokens, call.ttft, call.finish_reason) == (12, 20, 0.05, "stop")
    judged = world.until(120, "every detector has said something", lambda: four(world, trace_id))
    verdicts = {score.detector: score.verdict for score in judged}
    assert verdicts == {"pii": "flagged", "secrets": "clear", "injection": "clear", "groundedness": "not_applicable"}
    assert [span["type"] for score in judged if score.detector == "pii" for span in score.spans] == ["EMAIL_ADDRESS"]
    goodput = world.until(150, "the goodput SLI counts it", lambda: world.status("goodput-here"))
    assert (goodput["good"], goodput["total"], goodput["sli"]) == (1, 1, 1.0)
    quality = world.until(150, "the quality SLI counts it", lambda: world.status("no-personal-data"))
    assert (quality["good"], quality["total"]) == (0, 1)
    assert quality["corrected"] is False
    assert 0 <= quality["interval"][0] <= quality["interval"][1] < 1


def four(world: World, trace_id: str) -> list[scores.Score] | None:
    found = scores.of_trace(world.database, trace_id)
    return found if len(found) == 4 else None


def test_what_was_scored_left_no_text_anywhere(world: World) -> None:
    for text in (PHRASE, MAIL):
        assert world.files_with(text.encode()) == []


def test_a_text_that_nobody_scores_is_unreadable_at_once_and_gone_after_its_time_to_live(world: World) -> None:
    world.parts["evaluator"].end()
    send(world.port, f"Again the {PHRASE}.", f"And {MAIL}.")
    assert world.files_with(PHRASE.encode()) == []
    sealed = world.until(10, "the text waits", lambda: waiting(world))
    part = sealed[len(sealed) // 3 : len(sealed) // 3 + 48]
    assert world.files_with(part) != [], "the sealed text is what waits"
    world.until(TTL + 60, "the sealed text is in no file", lambda: world.files_with(part) == [])


def waiting(world: World) -> bytes | None:
    """The newest sealed text."""
    from sqlalchemy import select

    from storage.tables import sample

    with world.database.read() as connection:
        return connection.execute(select(sample.c.text).order_by(sample.c.id.desc())).scalar()
