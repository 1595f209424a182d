"""Batches of traces as applications with GenAI instrumentation send them, for `bench.otlp`: cheap to make in masses.

A trace is one request of a user: the server's span, a search in a vector database, the model call with its texts, the
HTTP request below it, and a check of the answer. A batch is serialised once; each use gets new trace ids and times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

TRACES, SPANS_OF_TRACE = 100, 5
"""A batch has 500 spans; the SDKs' default is 512 at most."""
_APPLICATIONS = 5
_MODELS = ("llama-3.1-70b", "llama-3.1-8b", "qwen3-32b", "mistral-small")
_TENANTS = ("acme", "globex", "initech", "umbrella", "hooli")
_WORDS = ("order", "of", "our", "customer", "was", "sent", "on", "needs", "a", "label", "before", "paid", "by", "card")
_SERVER, _CLIENT, _INTERNAL = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL
_EPOCH = 1 << 60
"""Times are written as distances from here, so that their places are found again."""


class Batch(NamedTuple):
    """A request's body, and the sum of its calls' output tokens."""

    body: bytes
    tokens: int


class Template:
    """One batch whose trace ids and times are exchanged in the serialised bytes."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self._ids = [rng.randbytes(16) for _ in range(TRACES)]
        self.tokens = 0
        share = TRACES // _APPLICATIONS
        applications = [self._application(rng, self._ids[at : at + share]) for at in range(0, TRACES, share)]
        body = ExportTraceServiceRequest(resource_spans=applications).SerializeToString()
        self._body = np.frombuffer(body, np.uint8)
        self._id_places = np.array([_places(body, id_, 16, SPANS_OF_TRACE) for id_ in self._ids])
        starts = _places(body, b"\x39", 9), _places(body, b"\x41", 9)  # the tags of a span's start and end
        self._time_places, self._distances = _times(body, [*starts[0], *starts[1]])

    def batch(self, ids: np.random.Generator, end: float) -> Batch:
        """A batch with new traces, the last of which end at `end` (Unix seconds)."""
        body = self._body.copy()
        fresh = ids.integers(0, 256, (TRACES, 1, 16), np.uint8)
        body[self._id_places[:, :, None] + np.arange(16)] = fresh
        times = (self._distances + round(end * 1e9)).astype("<u8")
        body[self._time_places[:, None] + np.arange(8)] = times.view(np.uint8).reshape(-1, 8)
        return Batch(body.tobytes(), self.tokens)

    def _application(self, rng: Random, ids: Sequence[bytes]) -> ResourceSpans:
        resource = {
            "service.name": rng.choice(("shop", "search", "support")),
            "service.version": rng.choice(("v41", "v42")),
            "service.instance.id": rng.randbytes(16).hex(),
            "cloud.region": rng.choice(("eu-central-1", "us-east-1")),
            "deployment.environment.name": "production",
            "tenant.id": rng.choice(_TENANTS),
            "host.name": f"host-{rng.randrange(100)}",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": "1.41.1",
        }
        scope = InstrumentationScope(name="opentelemetry.instrumentation.openai_v2", version="2.3")
        found = ResourceSpans(
            scope_spans=[ScopeSpans(scope=scope, spans=[s for id_ in ids for s in self._trace(rng, id_)])]
        )
        found.resource.attributes.extend(_pairs(resource))
        return found

    def _trace(self, rng: Random, trace_id: bytes) -> list[Span]:
        own = [rng.randbytes(8) for _ in range(SPANS_OF_TRACE)]
        length, model = rng.uniform(0.5, 8.0), rng.choice(_MODELS)
        tokens = rng.randrange(20, 800)
        self.tokens += tokens
        parts = (
            (own[0], b"", _SERVER, "POST /v1/answers", 0.0, 1.0, _server(rng)),
            (own[1], own[0], _CLIENT, "query documents", 0.01, 0.05, _search(rng)),
            (own[2], own[0], _CLIENT, f"chat {model}", 0.06, 0.95, _call(rng, model, tokens, length)),
            (own[3], own[2], _CLIENT, "POST", 0.07, 0.94, _request(rng)),
            (own[4], own[0], _INTERNAL, "check answer", 0.96, 0.99, _check(rng)),
        )
        return [
            Span(
                trace_id=trace_id,
                span_id=span_id,
                parent_span_id=parent,
                name=name,
                kind=kind,
                flags=257,
                start_time_unix_nano=_EPOCH + round(begin * length * 1e9),
                end_time_unix_nano=_EPOCH + round(end * length * 1e9),
                attributes=_pairs(attributes),
            )
            for span_id, parent, kind, name, begin, end, attributes in parts
        ]


def _times(body: bytes, places: Sequence[int]) -> tuple[Any, Any]:
    """Where times stand, and how far each is before the last."""
    found = [(at + 1, int.from_bytes(body[at + 1 : at + 9], "little") - _EPOCH) for at in places]
    kept = [(at, distance) for at, distance in found if 0 <= distance < 10**11]
    if len(kept) != 2 * TRACES * SPANS_OF_TRACE:
        raise AssertionError(f"{len(kept)} times were found in a batch")
    distances = np.array([distance for _, distance in kept])
    return np.array([at for at, _ in kept]), distances - distances.max()


def _places(body: bytes, what: bytes, length: int, expected: int | None = None) -> list[int]:
    found, at = [], body.find(what)
    while 0 <= at <= len(body) - length:
        found.append(at)
        at = body.find(what, at + 1)
    if expected is not None and len(found) != expected:
        raise AssertionError(f"{len(found)} places were found, not {expected}")
    return found


def _text(rng: Random, words: int) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(words))


def _server(rng: Random) -> dict[str, Any]:
    return {
        "http.request.method": "POST",
        "url.scheme": "https",
        "url.path": "/v1/answers",
        "http.route": "/v1/answers",
        "server.address": "shop.example.com",
        "server.port": 443,
        "client.address": f"10.1.{rng.randrange(256)}.{rng.randrange(256)}",
        "network.protocol.version": "1.1",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "http.response.status_code": 200,
    }


def _search(rng: Random) -> dict[str, Any]:
    return {
        "db.system.name": "postgresql",
        "db.namespace": "documents",
        "db.operation.name": "SELECT",
        "db.collection.name": "chunks",
        "db.query.text": "SELECT id, body, embedding <=> $1 AS distance FROM chunks ORDER BY distance LIMIT $2",
        "db.response.returned_rows": rng.randrange(1, 11),
        "server.address": "pg-1",
        "server.port": 5432,
    }


def _call(rng: Random, model: str, tokens: int, length: float) -> dict[str, Any]:
    asked = [{"role": "user", "parts": [{"type": "text", "content": _text(rng, 120)}]}]
    answer = {"role": "assistant", "parts": [{"type": "text", "content": _text(rng, 80)}], "finish_reason": "stop"}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": model,
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.top_p": 0.95,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.stream": True,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"chatcmpl-{rng.randbytes(12).hex()}",
        "gen_ai.response.finish_reasons": ["length" if tokens > 780 else "stop"],
        "gen_ai.response.time_to_first_chunk": rng.uniform(0.05, 0.06 * length + 0.05),
        "gen_ai.usage.input_tokens": rng.randrange(100, 4000),
        "gen_ai.usage.cache_read.input_tokens": rng.randrange(0, 100),
        "gen_ai.usage.output_tokens": tokens,
        "gen_ai.conversation.id": rng.randbytes(8).hex(),
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps([answer]),
        "server.address": "llm.internal",
        "server.port": 8000,
    }


def _request(rng: Random) -> dict[str, Any]:
    return {
        "http.request.method": "POST",
        "url.full": "http://llm.internal:8000/v1/chat/completions",
        "server.address": "llm.internal",
        "server.port": 8000,
        "network.peer.address": f"10.2.0.{rng.randrange(256)}",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }


def _check(rng: Random) -> dict[str, Any]:
    return {"check.name": "policy", "check.result": "pass", "check.score": rng.random(), "code.function.name": "check"}


def _pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in attributes.items()]


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(_value, value)))
    return AnyValue(string_value=value)
