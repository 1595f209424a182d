"""Generations, the traces of drawn ones, what detectors said of them, and what stays of their texts by policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from burnline.api.context import Context
from burnline.api.fields import From, Name, moment
from burnline.views import time_text
from core.durations import HOUR
from core.measures import Group
from storage import generations, kept_texts, scores


class Generation(BaseModel):
    """One model call; durations in seconds, what the span did not tell is null."""

    trace_id: str
    span_id: str
    at: str
    received_at: str
    group: dict[str, str]
    operation: str
    outcome: str
    goodput: str
    duration: float
    stratum: str
    probability: float = Field(description="with which a generation of its stratum is drawn")
    sampled: bool
    provider: str | None
    error_type: str | None
    finish_reason: str | None
    streamed: bool | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    ttft: float | None
    itl: float | None
    cost_micros: int | None
    dialect: str | None = Field(description="the way in which the span told the call")
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    tool_calls: int | None
    tool_names: list[str] | None
    retrieval: list[dict[str, Any]] | None


class Span(BaseModel):
    """One step of a drawn trace, without content."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: int
    started_at: str
    ended_at: str
    error: str | None
    attributes: dict[str, Any]
    events: list[dict[str, Any]]


class Score(BaseModel):
    """A detector's verdict; `spans` are places in the text, never the text."""

    trace_id: str
    span_id: str
    detector: str
    revision: str
    at: str
    judged_at: str
    group: dict[str, str]
    stratum: str
    verdict: str
    score: float | None
    reason: str | None
    spans: list[dict[str, Any]]


class Text(BaseModel):
    """What stays of a prompt and an answer by `evaluator.keep`: a keyed hash of each, or each redacted."""

    trace_id: str
    span_id: str
    at: str
    kept_at: str
    policy: str
    prompt: str | None
    output: str | None


class Trace(BaseModel):
    """Everything known of one trace. Only drawn ones have spans."""

    trace_id: str
    spans: list[Span]
    generations: list[Generation]
    scores: list[Score]
    texts: list[Text]


TraceId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])]
Dimension = Annotated[Name | None, Query()]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1", tags=["generations"])
    database = context.database

    @routes.get("/generations", response_model=list[Generation])
    def list_generations(
        start: From = None,
        model: Dimension = None,
        version: Dimension = None,
        region: Dimension = None,
        tenant: Dimension = None,
        sampled: bool = False,
        failed: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[dict[str, Any]]:
        """The newest generations of the last hour, or from `from` on; `sampled`, `failed`: only those."""
        group = _group(model=model, version=version, region=region, tenant=tenant)
        since = moment(start, context.clock.now() - HOUR)
        found = generations.recent(database, since, group, sampled_only=sampled, failed_only=failed, limit=limit)
        return [_row(one) for one in found]

    @routes.get("/traces/{trace_id}", response_model=Trace, responses={404: {"description": "no such trace"}})
    def trace(trace_id: TraceId) -> dict[str, Any]:
        """The spans, generations and scores of a trace, by time, and what stays of its texts."""
        spans, calls = generations.trace(database, trace_id)
        if not spans and not calls:
            raise HTTPException(404, f"nothing is known of trace {trace_id}: it never came, or is past its retention")
        judged = scores.of_trace(database, trace_id)
        told: dict[str, Sequence[Any]] = {"spans": spans, "generations": calls, "scores": judged}
        told["texts"] = kept_texts.of_trace(database, trace_id)
        return {"trace_id": trace_id, **{name: [_row(one) for one in rows] for name, rows in told.items()}}

    return routes


def _group(**wanted: str | None) -> Group:
    return tuple(sorted((name, value) for name, value in wanted.items() if value is not None))


def _row(found: Any) -> dict[str, Any]:
    """A generation, span, score or text: its times as text, its group as a mapping."""
    row = asdict(found)
    times = {name: time_text(value) for name, value in row.items() if name == "at" or name.endswith("_at")}
    return row | times | ({"group": dict(row["group"])} if "group" in row else {})
