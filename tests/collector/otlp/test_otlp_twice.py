"""Calls that two instrumentations tell: within one request the inner span is the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from collector.otlp.prepare import Prepared
from tests.collector.otlp.told import CHAT, NOW, pairs, preparer, span

LLM = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
WRONG = {**CHAT, "gen_ai.usage.input_tokens": "many"}


class One(NamedTuple):
    """A span by its number; its parent 0 is none."""

    number: int
    parent: int
    scope: str
    attributes: Mapping[str, Any] = CHAT
    service: str = "shop"
    trace: int = 1
    end: float = NOW - 1
    duration: float = 1.0


def read(spans: Sequence[One]) -> Prepared:
    message = ExportTraceServiceRequest()
    for one in spans:
        made = span(one.number, trace=one.trace, end=one.end, duration=one.duration, **one.attributes)
        made.parent_span_id = one.parent.to_bytes(8, "big") if one.parent else b""
        scope = ScopeSpans(scope=InstrumentationScope(name=one.scope), spans=[made])
        resource = Resource(attributes=pairs({"service.name": one.service}))
        message.resource_spans.append(ResourceSpans(resource=resource, scope_spans=[scope]))
    return preparer().prepare(message, NOW, 0.0)


def counted(*spans: One) -> list[int]:
    found = read(spans)
    assert found.told_again + len(found.calls) + found.rejected == sum(bool(one.attributes) for one in spans)
    return [int(call.generation.span_id, 16) for call in found.calls]


OUTER, INNER = One(1, 0, "langchain", LLM), One(2, 1, "openai")


@pytest.mark.parametrize("spans", [(OUTER, INNER), (INNER, OUTER), (OUTER, INNER, OUTER)])
def test_the_inner_of_two_instrumentations_is_the_call(spans: Sequence[One]) -> None:
    assert counted(*spans) == [2]
    assert {one.span_id[-1] for one in read(spans).spans} == {"1", "2"}, "the waterfall shows both"


def test_of_three_that_wrap_each_other_the_innermost_is_the_call() -> None:
    assert counted(OUTER, INNER, One(3, 2, "http-llm", LLM)) == [3]


def test_every_attempt_within_a_wrapper_is_a_call() -> None:
    assert counted(OUTER, INNER, One(3, 1, "openai")) == [2, 3]


@pytest.mark.parametrize(
    "inner",
    [
        INNER._replace(scope="langchain"),
        INNER._replace(service="gateway"),
        INNER._replace(trace=2),
        INNER._replace(parent=9),
        INNER._replace(end=NOW + 5),
    ],
    ids=["one instrumentation", "another process", "another trace", "another parent", "begun afterwards"],
)
def test_calls_that_are_not_known_to_be_one_are_two(inner: One) -> None:
    assert sorted(counted(OUTER, inner)) == [1, 2]


def test_a_tool_that_asks_a_model_again_makes_a_call_of_its_own() -> None:
    tool = One(3, 1, "langchain", {"openinference.span.kind": "TOOL"})
    found = read([OUTER, tool, INNER._replace(parent=3)])
    assert len(found.calls) == 2


def test_an_inner_span_that_is_refused_leaves_the_outer_one_counted() -> None:
    assert counted(OUTER, INNER._replace(attributes=WRONG)) == [1]


def test_a_span_that_names_itself_as_its_parent_is_counted() -> None:
    assert counted(One(1, 1, "a")) == [1]


def test_spans_that_name_each_other_as_parents_are_not_lost() -> None:
    circle = One(1, 2, "a"), One(2, 1, "b")
    assert counted(*circle) == [1, 2]
    assert counted(*circle, One(3, 1, "c")) == [3]
