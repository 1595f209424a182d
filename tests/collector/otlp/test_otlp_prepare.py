"""What is kept of spans, what is sealed, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.otlp.attributes import kept_span
from collector.otlp.content import payload_of
from collector.otlp.dialects import reading
from collector.otlp.documents import retrieved_by
from collector.otlp.prepare import MOST_SPANS, MOST_TEXT
from collector.otlp.retrieval import Retrievals
from collector.settings import Stratum
from core.texts import HIDDEN, Payload, TextCipher
from storage.generations import Generation
from tests.collector.otlp.told import CHAT, KEY, NOW, call, pairs, prepared, preparer, raw, request, span

CANARY = "wandering heliotrope"
DETAILS_EVENT = "gen_ai.client.inference.operation.details"
TIMES = ("updated_at",)
ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "be kind"}]},
    {"role": "user", "parts": [{"type": "text", "content": "hello"}, {"type": "blob", "content": "AAAA"}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "response": "42"}, {"type": "text"}]},
]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "good day"}], "finish_reason": "stop"}]
DOCUMENTS = [{"id": "a", "score": 0.5, "content": "one"}, {"id": 7, "score": None, "text": "two"}, {"id": "c"}, "odd"]
NAMED = [{"id": id_, "score": score, "changed_at": None} for id_, score in (("a", 0.5), ("7", None), ("c", None))]


def event(name: str, **attributes: Any) -> Span.Event:
    return Span.Event(name=name, time_unix_nano=int(NOW * 1e9), attributes=pairs(attributes))


def payload(**attributes: Any) -> Payload | None:
    one = raw(call(told=attributes))
    return payload_of(one, retrieved_by(one, TIMES).documents)


def opened(text: bytes | None, number: int = 1, trace: int = 1) -> Payload:
    assert text is not None
    return TextCipher(KEY).open((f"{trace:032x}", f"{number:016x}"), text)


# Text.


@pytest.mark.parametrize("write", [lambda found: found, json.dumps], ids=["structured", "JSON"])
def test_messages_are_read_in_both_forms(write: Any) -> None:
    found = payload(
        **{
            "gen_ai.input.messages": write(ASKED),
            "gen_ai.output.messages": write(ANSWERED),
            "gen_ai.system_instructions": write([{"type": "text", "content": "be brief"}]),
            "gen_ai.retrieval.documents": write(DOCUMENTS[:3]),
        }
    )
    assert found == Payload("hello\n\n42", "good day", ("one", "two"), "be brief\n\nbe kind")


def test_messages_may_stand_on_the_event() -> None:
    details = event(DETAILS_EVENT, **{"gen_ai.output.messages": json.dumps(ANSWERED)})
    one = raw(call(events=[event("other", **{"gen_ai.input.messages": "no"}), details]))
    assert payload_of(one, ()) == Payload(None, "good day")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("a plain text", "a plain text"),
        ("12", "12"),
        ([{"role": "user", "content": "older form"}], "older form"),
        ([{"role": "user", "content": [{"type": "text", "text": "a list"}]}], "a list"),
        ([{"role": "user", "parts": ["bare"]}], "bare"),
        ([{"role": "user", "parts": [{"type": "text", "content": "12"}]}], "12"),
        ("[unclosed", "[unclosed"),
    ],
)
def test_other_forms_of_messages(told: Any, text: str) -> None:
    assert payload(**{"gen_ai.input.messages": told}) == Payload(prompt=text)


@pytest.mark.parametrize(
    "told",
    [
        HIDDEN,
        [{"role": "user", "parts": [{"type": "text", "content": HIDDEN}]}],
        [{"role": "user", "parts": ["seen"]}, {"role": "user", "parts": [HIDDEN]}],
    ],
)
def test_what_is_hidden_in_part_is_hidden_as_a_whole(told: Any) -> None:
    assert payload(**{"gen_ai.input.messages": told}) == Payload(HIDDEN)


@pytest.mark.parametrize(
    "told",
    [
        [{"role": "user", "parts": [{"type": "text", "content": 5}, {"type": "future", "content": "?"}, 7]}],
        [{"role": 5}, None, 7],
        [],
        7,
        True,
    ],
)
def test_what_is_no_text_is_no_text(told: Any) -> None:
    assert payload(**{"gen_ai.input.messages": told}) is None


def test_a_drawn_call_has_its_text_sealed_and_another_none() -> None:
    told = {"gen_ai.output.messages": CANARY}
    (drawn,) = prepared(call(told=told)).calls
    assert opened(drawn.text) == Payload(output=CANARY)
    assert CANARY.encode() not in (drawn.text or b"")
    (left,) = prepared(call(told=told), strata=(Stratum(name="default", probability=0.0),)).calls
    assert (left.text, left.generation.sampled) == (None, False)


def test_a_text_that_is_too_long_is_left_out_and_counted() -> None:
    found = prepared(call(1, told={"gen_ai.output.messages": "x" * MOST_TEXT}), call(2))
    assert [one.text for one in found.calls] == [None, None]
    assert [one.generation.sampled for one in found.calls] == [True, True]
    assert found.texts_dropped == {"too_long": 1}


# Retrieval.


def retrieval(number: int, *, trace: int = 1, end: float = NOW - 5, **told: Any) -> Span:
    told = told or {"gen_ai.retrieval.documents": json.dumps(DOCUMENTS)}
    return span(number, trace=trace, end=end, **{"gen_ai.operation.name": "retrieval", **told})


def test_documents_reach_the_call_of_their_trace_also_from_an_earlier_request() -> None:
    reader = preparer()
    reader.prepare(request(retrieval(8), retrieval(8)), NOW, 0.0)
    found = reader.prepare(request(call(1), call(2, trace=2), retrieval(9, trace=2)), NOW + 60, 0.0)
    for one, trace in zip(found.calls, (1, 2), strict=True):
        assert opened(one.text, trace, trace).context == ("one", "two")
        assert one.generation.retrieval == NAMED


def test_documents_that_came_after_the_call_or_to_another_trace_are_not_its_context() -> None:
    found = prepared(call(1), retrieval(8, end=NOW), retrieval(9, trace=2))
    assert found.calls[0].generation.retrieval is None
    assert found.calls[0].text is None


def test_documents_are_forgotten_after_five_minutes_and_when_there_are_too_many() -> None:
    known = Retrievals(TIMES)
    known.remember([raw(retrieval(8))], NOW)
    assert len(known.before(raw(call()))) == 3
    known.remember([], NOW + 299)
    assert len(known.before(raw(call()))) == 3
    known.remember([], NOW + 301)
    assert known.before(raw(call())) == ()
    long = json.dumps([{"id": "l", "content": "x" * 2**20}])
    known.remember([raw(retrieval(8, trace=n, **{"gen_ai.retrieval.documents": long})) for n in range(1, 41)], NOW)
    kept = [n for n in range(1, 41) if known.before(raw(call(trace=n)))]
    assert kept == list(range(10, 41))


# What is kept of a span.


def test_only_known_attributes_are_kept_and_texts_are_cut() -> None:
    told = {
        **CHAT,
        "gen_ai.input.messages": CANARY,
        "gen_ai.prompt.0.content": CANARY,
        "gen_ai.request.stop_sequences": [CANARY],
        "gen_ai.tool.call.arguments": CANARY,
        "gen_ai.response.id": "x" * 5000,
        "gen_ai.response.finish_reasons": ["stop", {"odd": CANARY}],
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.request.temperature": float("nan"),
        "input.value": CANARY,
        "http.route": "/chat",
        "url.full": CANARY,
        "team": "red",
    }
    kept = kept_span(raw(span(**told)), ("team",))
    assert kept.attributes == {
        **CHAT,
        "gen_ai.response.id": "x" * 1024,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.output_tokens": 5,
        "http.route": "/chat",
        "team": "red",
    }
    assert (kept.service, kept.kind, kept.parent_id, kept.error) == ("shop", 3, None, None)


def test_events_are_kept_as_a_timeline_and_not_without_end() -> None:
    tokens = [event("token", **{"token.index": n, "token.text": 1.5, "text": CANARY}) for n in range(600)]
    kept = kept_span(raw(call(events=tokens)))
    assert len(kept.events) == 512
    assert kept.events[7] == {"name": "token", "at": NOW, "attributes": {"token.index": 7, "token.text": 1.5}}


@pytest.mark.parametrize(
    ("failed", "events", "told", "error"),
    [
        (True, [event("exception", **{"exception.type": "ValueError", "exception.message": CANARY})], {}, "ValueError"),
        (True, [], {"error.type": "timeout"}, "timeout"),
        (True, [], {}, "error"),
        (False, [event("exception", **{"exception.type": "Retried"})], {}, None),
    ],
)
def test_of_a_failure_only_its_type_is_kept(failed: bool, events: Any, told: Any, error: str | None) -> None:
    one = call(failed=failed, events=events, told=told)
    one.status.message = CANARY
    kept = kept_span(raw(one))
    assert kept.error == error
    assert CANARY not in repr(kept)


def test_one_trace_keeps_so_many_spans_of_a_request() -> None:
    found = prepared(*(span(n) for n in range(1, MOST_SPANS + 6)), span(1, trace=2))
    assert (len(found.spans), found.spans_cut) == (MOST_SPANS + 1, 5)


def test_the_traces_of_what_cannot_be_drawn_are_not_kept() -> None:
    found = prepared(call(), strata=(Stratum(name="default", probability=0.0),))
    assert (len(found.calls), found.spans) == (1, ())


# Refusals.


def without(one: Span, field: str) -> Span:
    one.ClearField(field)
    return one


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (without(call(), "trace_id"), "no trace id"),
        (without(call(), "span_id"), "no span id"),
        (Span(trace_id=bytes(16), span_id=bytes(8)), "no trace id"),
        (Span(trace_id=b"x" * 16, span_id=b"x" * 8, parent_span_id=b"p"), "parent"),
        (without(call(), "end_time_unix_nano"), "no end"),
        (call(duration=-1.0), "before it starts"),
        (call(end=NOW + 601), "ahead"),
        (call(end=NOW - 401 * 86_400), "400 days"),
        (call(told={"gen_ai.usage.input_tokens": "many"}), "gen_ai.usage.input_tokens"),
    ],
)
def test_a_wrong_span_is_refused_by_name_and_the_others_are_counted(wrong: Span, says: str) -> None:
    found = prepared(wrong, call(2), call(3))
    assert (len(found.calls), found.rejected) == (2, 1)
    assert says in found.problem


def test_a_call_beyond_the_horizon_is_refused_and_another_span_is_not() -> None:
    old = NOW - 86_401
    found = prepared(call(1, end=old), span(2, end=old), earliest=NOW - 86_400)
    assert (found.calls, found.rejected, len(found.spans)) == ((), 1, 1)
    assert "retention.unsampled" in found.problem


PATHS = (
    *(
        "",
        ".role",
        ".content",
        ".message.role",
        ".message.content",
        ".message.contents.0.message_content.text",
        ".prompt.text",
    ),
    *(".message.tool_calls.0.tool_call.function.name", ".tool_calls.1.name", ".completion.text"),
    *(".document.id", ".document.score", ".document.content", ".document.metadata"),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.just(CANARY),
        st.sampled_from(
            [
                "",
                "\x00",
                "[",
                "[{}]",
                "LLM",
                "chat",
                "__REDACTED__",
                '[{"role":"\\u0000","content":"t","finish_reason":"\\u0000"}]',
                '{"model":"\\u0000a","updated_at":1e999}',
                '[{"role":1,"parts":[{"type":"text","content":"t"}]}]',
                "[[[[1]]]]",
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "parts",
                    "content",
                    "type",
                    "id",
                    "score",
                    "metadata",
                    "updated_at",
                    "tool_calls",
                    "function",
                    "name",
                    "finish_reason",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
READ = reading()
NAMES = st.sampled_from(
    sorted(
        {
            *("error.type", "tenant.id", "gen_ai.operation.name", "openinference.span.kind", "llm.request.type"),
            *("input.mime_type", "db.query.result.id", "db.query.result.score", "db.query.result.metadata"),
            *(source.attribute for sources in READ.fields.values() for source in sources),
            *(name for name in READ.content | READ.retrieved if name),
            *(
                f"{below}{n}{path}"
                for below in READ.content_below + READ.retrieved_below
                for n in (0, 1, 10)
                for path in PATHS
            ),
        }
    )
)
EVENTS = st.sampled_from(
    [DETAILS_EVENT, "db.query.result", "gen_ai.content.completion", "First Token Stream Event", "exception"]
)


@given(
    st.dictionaries(NAMES, VALUES), EVENTS, st.dictionaries(NAMES, VALUES), st.sampled_from(["chat", "retrieval", None])
)
def test_any_attributes_are_read_or_refused_and_never_quoted(
    told: dict[str, Any], event_name: str, on_event: dict[str, Any], operation: str | None
) -> None:
    told |= {} if operation is None else {"gen_ai.operation.name": operation}
    one = span(1, events=[event(event_name, **on_event)], **told)
    found = prepared(one, call(2), prices=({"model": "*", "input": 1.0, "output": 1.0},))
    assert found.calls[-1].generation.span_id == "0" * 15 + "2"
    assert len(found.calls) + found.rejected <= 2
    assert CANARY not in found.problem
    for call_ in found.calls:
        whole(call_.generation)
    for name, kept in (pair for span_ in found.spans for pair in span_.attributes.items()):
        assert CANARY not in repr(kept) or name in READ.kept or not content(name)
    json.dumps([span_.attributes for span_ in found.spans], allow_nan=False)


def content(name: str) -> bool:
    return name in READ.content or name.startswith(READ.content_below)


def whole(found: Generation) -> None:
    """Every figure is one that may be counted or stored, or unknown."""
    for name in (
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "cost_micros",
    ):
        figure = getattr(found, name)
        assert figure is None or (type(figure) is int and 0 <= figure < 2**63)
    for name in ("ttft", "itl"):
        seconds = getattr(found, name)
        assert seconds is None or (type(seconds) is float and 0 <= seconds < math.inf)
    assert found.outcome in {"good", "bad", "excluded"}
    assert found.goodput in {"good", "bad", "excluded"}
    assert (found.tool_calls is None) == (found.tool_names is None)
    assert len(found.tool_names or ()) <= (found.tool_calls or 0)
    assert all(len(value) <= 256 for _, value in found.group)
    texts = [found.operation, found.provider, found.error_type, found.finish_reason, *(found.tool_names or ())]
    assert "\x00" not in "".join(text for text in texts if text is not None)
    json.dumps([found.retrieval, found.tool_names], allow_nan=False)
