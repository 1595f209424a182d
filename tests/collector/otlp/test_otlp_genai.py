from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.otlp.documents import Document
from collector.otlp.genai import Timing, Told, Usage, cost_of, goodput_of, is_generation, timing_of, to_generation
from collector.settings import GoodputLimits, Price
from core.errors import ParseError
from storage.generations import Generation
from tests.collector.otlp.told import CHAT, RESOURCE, call, raw, rules, span

LIMITS = GoodputLimits(ttft=0.5, itl=0.1)
STREAM = {"gen_ai.response.time_to_first_chunk": 0.4, "gen_ai.usage.output_tokens": 11}


def told(one: Span, own: tuple[Document, ...] = (), others: tuple[Document, ...] = (), **settings: Any) -> Told:
    return to_generation(raw(one), rules(**settings), 0.0, own, others)


def generation(one: Span, **settings: Any) -> Generation:
    return told(one, **settings).generation


def test_a_span_of_the_conventions_becomes_a_generation() -> None:
    attributes = {
        **STREAM,
        "gen_ai.provider.name": "vllm",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "gen_ai.request.stream": True,
    }
    found = generation(call(5, trace=6, duration=1.4, told=attributes))
    assert found.group == (("model", "m"), ("region", "eu"), ("tenant", "acme"), ("version", "v1"))
    assert (found.trace_id, found.span_id) == ("0" * 31 + "6", "0" * 15 + "5")
    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (100, 40, 11)
    assert (found.ttft, found.duration) == (0.4, 1.4)
    assert found.itl == pytest.approx(0.1)
    assert (found.operation, found.provider, found.finish_reason, found.streamed) == ("chat", "vllm", "stop", True)
    assert (found.outcome, found.goodput, found.sampled, found.probability) == ("good", "good", True, 1.0)
    assert found.cost_micros is None
    assert found.error_type is None


def test_what_a_span_does_not_tell_is_unknown() -> None:
    found = generation(call())
    unknown = ("provider", "finish_reason", "streamed", "input_tokens", "cached_tokens", "output_tokens", "ttft", "itl")
    assert [getattr(found, name) for name in unknown] == [None] * len(unknown)
    assert found.retrieval is None


def test_names_of_1_36_stand_in() -> None:
    old = {"gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 3, "gen_ai.usage.completion_tokens": 4}
    found = generation(call(told=old))
    assert (found.provider, found.input_tokens, found.output_tokens) == ("openai", 3, 4)
    both = generation(call(told={**old, "gen_ai.usage.input_tokens": 5}))
    assert both.input_tokens == 5


@pytest.mark.parametrize(
    ("kind", "operation", "counts"),
    [(3, "chat", True), (1, "chat", True), (0, "chat", True), (2, "chat", False), (4, "chat", False),
     (3, "execute_tool", False), (3, "embeddings", False), (3, 7, False)],
)  # fmt: skip
def test_model_calls_are_counted_as_their_caller_sees_them(kind: int, operation: Any, counts: bool) -> None:
    one = raw(span(kind=kind, **{**CHAT, "gen_ai.operation.name": operation}))
    assert is_generation(one, ("chat", "text_completion")) is counts
    assert not is_generation(raw(span()), ("chat",))


@pytest.mark.parametrize(
    ("failed", "attributes", "outcome", "error"),
    [
        (False, {}, "good", None),
        (True, {}, "bad", "error"),
        (False, {"error.type": "timeout"}, "bad", "timeout"),
        (True, {"error.type": "CancelledError"}, "excluded", "CancelledError"),
        (True, {"error.type": "client_disconnect"}, "excluded", "client_disconnect"),
        (False, {"gen_ai.response.finish_reasons": ["error"]}, "bad", None),
        (False, {"gen_ai.response.finish_reasons": ["content_filter"]}, "good", None),
    ],
)
def test_outcomes(failed: bool, attributes: dict[str, Any], outcome: str, error: str | None) -> None:
    found = generation(call(failed=failed, told=attributes))
    assert (found.outcome, found.error_type) == (outcome, error)


@pytest.mark.parametrize(
    ("outcome", "ttft", "itl", "no_gap", "goodput"),
    [
        ("good", 0.5, 0.1, False, ("good", "met")),
        ("good", 0.51, 0.1, False, ("bad", "ttft")),
        ("good", 0.5, 0.11, False, ("bad", "itl")),
        ("good", 0.6, 0.2, False, ("bad", "ttft_and_itl")),
        ("good", None, None, False, ("excluded", "not_measured")),
        ("good", 0.1, None, False, ("excluded", "not_measured")),
        ("good", 0.6, None, False, ("bad", "ttft")),
        ("good", 0.1, None, True, ("good", "met")),
        ("good", None, None, True, ("excluded", "not_measured")),
        ("bad", 0.1, 0.01, False, ("bad", "failed")),
        ("excluded", 0.1, 0.01, False, ("excluded", "cancelled")),
    ],
)
def test_goodput_asks_for_both_limits_at_once(
    outcome: str, ttft: float | None, itl: float | None, no_gap: bool, goodput: tuple[str, str]
) -> None:
    assert goodput_of(outcome, Timing(ttft, itl, no_gap), LIMITS) == goodput


@pytest.mark.parametrize(
    ("duration", "ttft", "tokens", "timing"),
    [
        (2.0, 1.0, 11, Timing(1.0, 0.1, False)),
        (2.0, 1.0, None, Timing(1.0, None, False)),
        (2.0, None, 11, Timing(None, None, False)),
        (2.0, 1.0, 1, Timing(1.0, None, True)),
        (2.0, 1.0, 0, Timing(1.0, None, True)),
        (2.0, 3.0, 11, Timing(3.0, None, False)),
    ],
)
def test_inter_token_time(duration: float, ttft: float | None, tokens: int | None, timing: Timing) -> None:
    assert timing_of(duration, ttft, tokens) == timing


def test_dimensions_are_of_the_span_first_and_then_of_the_resource() -> None:
    own = {"service.version": "canary", "cloud.region": "", "tenant.id": 7}
    assert dict(generation(call(told=own)).group) == {"model": "m", "version": "canary", "tenant": "7"}
    named = generation(call(told={"team": "red"}), dimensions={"tenant": ("team", "tenant.id")})
    assert dict(named.group)["tenant"] == "red"
    assert dict(named.group)["region"] == RESOURCE["cloud.region"]


def test_the_answering_model_stands_in_for_the_requested() -> None:
    found = generation(span(**{"gen_ai.operation.name": "chat", "gen_ai.response.model": "r"}))
    assert dict(found.group)["model"] == "r"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("gen_ai.usage.input_tokens", "many"),
        ("gen_ai.usage.input_tokens", -1),
        ("gen_ai.usage.output_tokens", 1.5),
        ("gen_ai.usage.output_tokens", True),
        ("gen_ai.usage.output_tokens", 1e300),
        ("gen_ai.usage.output_tokens", 10**12),
        ("gen_ai.usage.cache_write.input_tokens", "many"),
        ("gen_ai.usage.reasoning_tokens", -5),
        ("llm.token_count.prompt", [5]),
        ("gen_ai.is_streaming", "yes"),
        ("llm.finish_reason", 7),
        ("gen_ai.usage.output_tokens", math.nan),
        ("gen_ai.response.time_to_first_chunk", "0.1"),
        ("gen_ai.response.time_to_first_chunk", -0.1),
        ("gen_ai.response.time_to_first_chunk", math.nan),
        ("gen_ai.response.time_to_first_chunk", math.inf),
        ("gen_ai.response.finish_reasons", [1]),
        ("gen_ai.request.stream", "yes"),
        ("gen_ai.provider.name", 4),
    ],
)
def test_an_attribute_of_the_wrong_type_refuses_the_span_by_its_name(name: str, wrong: Any) -> None:
    with pytest.raises(ParseError, match=name.replace(".", r"\.")):
        generation(call(told={name: wrong}))


def test_what_a_caller_asked_for_is_free_form_and_refuses_nothing() -> None:
    for asked in ('{"stream": "yes", "model": 5}', '{"stream": 1}', "[]", "no JSON", 7):
        found = generation(span(**{"openinference.span.kind": "LLM", "llm.invocation_parameters": asked}))
        assert (found.streamed, dict(found.group).get("model")) == (None, None)


def test_a_whole_float_is_a_number_of_tokens_and_one_text_a_list() -> None:
    found = generation(call(told={"gen_ai.usage.output_tokens": 3.0, "gen_ai.response.finish_reasons": "stop"}))
    assert (found.output_tokens, found.finish_reason) == (3, "stop")


PRICES = (
    Price(model="m-*", input=2.0, output=8.0, cached=0.5, cache_write=3.0),
    Price(model="*", input=1.0, output=1.0),
)


@pytest.mark.parametrize(
    ("usage", "model", "cost"),
    [
        (Usage(100, 40, 10), "m-1", 60 * 2 + 40 * 0.5 + 80),
        (Usage(100, 40, 10), "other", 110),
        (Usage(100, None, 10), "m-1", 280),
        (Usage(10, 40, 0), "m-1", 5),
        (Usage(100, 40, 10, 30), "m-1", 30 * 2 + 40 * 0.5 + 30 * 3 + 80),
        (Usage(100, 90, 10, 30), "m-1", 90 * 0.5 + 10 * 3 + 80),
        (Usage(100, None, 10, 30), "other", 110),
        (Usage(None, None, 10), "m-1", None),
        (Usage(100, None, None), "m-1", None),
    ],
)
def test_cached_tokens_are_priced_apart_and_once(usage: Usage, model: str, cost: float | None) -> None:
    assert cost_of(usage, model, PRICES) == cost
    assert cost_of(usage, model, ()) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_cached_tokens_never_cost_more(input_: int, cached: int, output: int) -> None:
    with_cache = cost_of(Usage(input_, cached, output), "m-1", PRICES)
    without = cost_of(Usage(input_, 0, output), "m-1", PRICES)
    assert with_cache is not None
    assert without is not None
    assert 0 <= with_cache <= without


def test_documents_of_the_trace_are_shown_but_decide_no_stratum() -> None:
    strata = ({"name": "rag", "match": 'retrieval="true"', "probability": 0.5}, {"name": "default", "probability": 1.0})
    document = Document("d", 0.5, "text")
    own, others = (
        told(call(), (document,), strata=strata).generation,
        told(call(), (), (document,), strata=strata).generation,
    )
    assert own.retrieval == others.retrieval == [{"id": "d", "score": 0.5, "changed_at": None}]
    assert (own.stratum, others.stratum) == ("rag", "default")
