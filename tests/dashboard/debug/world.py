"""Traces, scores and histories for the Debug and SLO pages, as the other parts would have left them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.measures import Group
from storage import deployments, generations, scores
from storage.deployments import Deployment
from storage.generations import Generation, Span
from storage.scores import Score
from tests.dashboard.world import CANARY, World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALL = "00f067aa0ba902b7"
CANARY_GROUP: Group = tuple(sorted(CANARY.items()))


def call(world: World, ago: float = 60.0, **values: Any) -> Generation:
    """A generation that ended `ago` seconds before now; not drawn if nothing else is said."""
    made: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": CALL,
        "at": world.now - ago,
        "received_at": world.now - ago + 1,
        "group": CANARY_GROUP,
        "operation": "chat",
        "outcome": "good",
        "goodput": "good",
        "duration": 4.2,
        "stratum": "default",
        "probability": 0.05,
        "sampled": False,
        "provider": "vllm",
        "finish_reason": "stop",
        "streamed": True,
        "input_tokens": 1812,
        "cached_tokens": 512,
        "cache_write_tokens": 96,
        "reasoning_tokens": 24,
        "dialect": "genai-1.41",
        "output_tokens": 96,
        "ttft": 0.62,
        "itl": 0.0377,
        "cost_micros": 2120,
    }
    found = Generation(**(made | values))
    with world.db.write() as connection:
        generations.add(connection, [found])
    return found


def span(world: World, span_id: str, parent: str | None, start: float, length: float, name: str, **values: Any) -> Span:
    """A span that began `start` seconds after a minute and five seconds before now."""
    began = world.now - 65 + start
    made: dict[str, Any] = {"trace_id": TRACE, "service": "chat-api", "kind": 1, "error": None, "attributes": {}}
    made |= {"events": [], "span_id": span_id, "parent_id": parent, "name": name}
    found = Span(**(made | {"started_at": began, "ended_at": began + length} | values))
    with world.db.write() as connection:
        generations.add_spans(connection, [found])
    return found


def answered(world: World) -> None:
    """A drawn trace: retrieval, a tool that failed, a streamed answer with an event a token, and verdicts on it."""
    began = world.now - 65 + 0.8
    times = [began + 0.62 + 0.02 * n + (1.6 if n > 60 else 0.0) for n in range(90)]
    ticks = [{"name": "gen_ai.token", "at": time, "attributes": {}} for time in times]
    span(world, "a" * 16, None, 0.0, 5.2, "POST /chat")
    span(world, "b" * 16, "a" * 16, 0.05, 0.6, "retrieve documents", service="search")
    span(world, "c" * 16, "b" * 16, 0.1, 0.08, "embed question", service="embeddings")
    span(world, "d" * 16, "b" * 16, 0.2, 0.4, "query index", service="search", error="timeout after 400 ms")
    span(world, CALL, "a" * 16, 0.8, 4.2, "chat llama", events=ticks)
    span(world, "e" * 16, "f" * 16, 5.05, 0.1, "write audit log", service="audit")
    documents = [
        {"id": "doc-17", "score": 0.83, "changed_at": world.now - 3 * 86_400},
        {"id": "doc-4", "score": 0.61, "changed_at": world.now + 60},
        {"id": "<b>doc</b>", "score": None, "changed_at": None},
    ]
    call(world, sampled=True, retrieval=documents, tool_calls=3, tool_names=["look_up", "<i>add</i>"])
    put_scores(
        world,
        score(
            world,
            "groundedness",
            "flagged",
            0.91,
            "one claim has no support",
            [{"start": 40, "end": 71, "type": "unsupported"}],
        ),
        score(world, "pii", "clear", 0.02),
        score(world, "injection", "failed", None, "the model gave no number"),
    )


def score(
    world: World, detector: str, verdict: str, value: float | None, reason: str | None = None, spans: Any = ()
) -> Score:
    """A detector's verdict on the drawn generation."""
    times = {"at": world.now - 60, "judged_at": world.now - 20}
    who = {"detector": detector, "revision": f"{detector}-3", "group": CANARY_GROUP, "stratum": "default"}
    return Score(TRACE, CALL, **who, **times, verdict=verdict, score=value, reason=reason, spans=spans)


def put_scores(world: World, *found: Score) -> None:
    """Store verdicts."""
    with world.db.write() as connection:
        scores.put(connection, found)


def busy(world: World) -> None:
    """Calls of several kinds beside the drawn trace."""
    answered(world)
    for n in range(12):
        trace = f"{n:032x}"
        kind: Mapping[str, Any] = (
            {
                "outcome": "bad",
                "error_type": "timeout",
                "goodput": "bad",
                "ttft": None,
                "itl": None,
                "finish_reason": None,
            }
            if n % 5 == 1
            else {"goodput": "bad", "ttft": 2.4}
            if n % 5 == 3
            else {"goodput": "good"}
        )
        call(world, ago=80.0 + 31 * n, trace_id=trace, span_id=f"{n + 1:016x}", **kind)


def deployed(world: World, ago: float, version: str = "v2", **values: Any) -> Deployment:
    """A registered deployment."""
    made: dict[str, Any] = {"model": "llama", "region": "eu-west", "share": 0.1, "note": "10 %", "created_by": "ci"}
    at = world.now - ago
    return deployments.add(world.db, Deployment(0, at, version=version, created_at=at, **(made | values)))
