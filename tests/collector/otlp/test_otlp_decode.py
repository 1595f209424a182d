from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.otlp.answer import JSON, PROTOBUF
from collector.otlp.decode import decode
from core.errors import ParseError
from tests.collector.otlp.told import request, span

IDS = ("traceId", "spanId", "parentSpanId")

VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)),
    max_leaves=6,
)


def one_span(**fields: Any) -> bytes:
    told = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}).encode()


def spans_in(data: bytes) -> Any:
    return decode(data, JSON).resource_spans[0].scope_spans[0].spans[0]


def as_otlp_json(message: ExportTraceServiceRequest) -> bytes:
    """By the protobuf library's own JSON, with OTLP's differences put in."""

    def with_hexadecimal_ids(found: Any) -> Any:
        if isinstance(found, list):
            return [with_hexadecimal_ids(one) for one in found]
        if isinstance(found, dict):
            return {
                name: base64.b64decode(one).hex() if name in IDS and isinstance(one, str) else with_hexadecimal_ids(one)
                for name, one in found.items()
            }
        return found

    return orjson.dumps(with_hexadecimal_ids(json_format.MessageToDict(message, use_integers_for_enums=True)))


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), VALUES, max_size=4), st.integers(0, 5))
def test_both_encodings_say_the_same(attributes: dict[str, Any], kind: int) -> None:
    message = request(span(7, trace=9, kind=kind, failed=True, **attributes))
    assert decode(as_otlp_json(message), JSON) == decode(message.SerializeToString(), PROTOBUF) == message


def test_ids_are_hexadecimal_in_either_case() -> None:
    found = spans_in(one_span())
    assert found.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert found.span_id.hex() == "eee19b7ec3c1b174"


def test_times_come_as_texts_and_as_numbers() -> None:
    found = spans_in(one_span(startTimeUnixNano="1544712660000000000", endTimeUnixNano=1544712661000000000))
    assert found.end_time_unix_nano - found.start_time_unix_nano == 10**9


def test_unknown_names_and_names_with_underscores_are_left_out() -> None:
    found = spans_in(one_span(future={"a": [1]}, start_time_unix_nano=5, parentSpanId=None))
    assert found.start_time_unix_nano == 0
    assert not found.parent_span_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "SPAN_KIND_CLIENT"},
        {"kind": True},
        {"kind": 2**31},
        {"traceId": "not hexadecimal"},
        {"traceId": 5},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": 1.5},
        {"attributes": {"gen_ai.request.model": "m"}},
        {"attributes": ["a"]},
        {"attributes": [{"key": "a", "value": {"stringValue": 5}}]},
        {"attributes": [{"key": "a", "value": {"boolValue": 1}}]},
        {"attributes": [{"key": "a", "value": {"doubleValue": "much"}}]},
        {"attributes": [{"key": "a", "value": {"bytesValue": "*"}}]},
        {"status": [1]},
        {"name": 5},
    ],
)
def test_a_value_of_the_wrong_type_refuses_the_body(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParseError):
        decode(one_span(**wrong), JSON)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"null", b'{"resourceSpans": 1}', b"\xff", b'{"resourceSpans": [1]}']
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError):
        decode(data, JSON)


def test_a_wrong_value_is_not_quoted() -> None:
    with pytest.raises(ParseError) as caught:
        decode(one_span(attributes=[{"key": "a", "value": {"intValue": "my secret"}}]), JSON)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_deep_nesting_is_refused_and_not_followed() -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(120):
        value = {"arrayValue": {"values": [value]}}
    with pytest.raises(ParseError, match="nested"):
        decode(one_span(attributes=[{"key": "a", "value": value}]), JSON)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_parse_error(data: bytes) -> None:
    for media in (JSON, PROTOBUF):
        with contextlib.suppress(ParseError):
            assert isinstance(decode(data, media), ExportTraceServiceRequest)


def test_special_floats_have_names() -> None:
    told = [{"key": "a", "value": {"doubleValue": "-Infinity"}}]
    assert spans_in(one_span(attributes=told)).attributes[0].value.double_value == float("-inf")


def test_an_empty_request_is_one() -> None:
    assert decode(b"{}", JSON) == decode(b"", PROTOBUF) == ExportTraceServiceRequest()
