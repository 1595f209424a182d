"""Spans of every dialect against what must become of them: the cases are in recorded/."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.otlp.dialects import Dialect, FieldName, combined, dialects, reading
from collector.otlp.flattened import entries
from core.texts import Payload, TextCipher
from core.yaml import load_file
from storage.generations import Generation
from tests.collector.otlp.told import KEY, NOW, pairs, prepared, span

FIELDS = (
    *("dialect", "provider", "operation", "outcome", "error_type", "finish_reason", "streamed", "input_tokens"),
    *("cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "ttft", "itl", "cost_micros"),
    *("tool_calls", "tool_names", "retrieval"),
)
# Each kind of token has a price that tells it apart: 2 fresh, 1 cached, 3 written to a cache, 0.25 an output token.
PRICES = ({"model": "demo*", "input": 2.0, "cached": 1.0, "cache_write": 3.0, "output": 0.25},)


CASES = [
    pytest.param(case, id=f"{file.stem}: {case['case']}")
    for file in sorted(Path(__file__).with_name("recorded").glob("*.yaml"))
    for case in load_file(file)[0].value
]


def sent(case: dict[str, Any]) -> Span:
    """The span of a case."""
    made = span(
        kind=case["kind"],
        duration=case.get("duration", 1.0),
        failed=case.get("failed", False),
        **case["attributes"],
    )
    for event in case.get("events", ()):
        at = made.start_time_unix_nano + round(event.get("after", 0.0) * 1e9)
        made.events.add(name=event["name"], time_unix_nano=at, attributes=pairs(event.get("attributes", {})))
    return made


def known(found: Generation) -> dict[str, Any]:
    """What a generation says of itself, without what is unknown."""
    told = {name: getattr(found, name) for name in FIELDS} | {"model": dict(found.group).get("model")}
    return {name: round(v, 6) if isinstance(v, float) else v for name, v in told.items() if v is not None}


@pytest.mark.parametrize("case", CASES)
def test_a_recorded_span_becomes_what_its_case_says(case: dict[str, Any]) -> None:
    found = prepared(sent(case), prices=PRICES)
    assert (found.rejected, found.problem) == (0, "")
    assert [known(call.generation) for call in found.calls] == ([case["generation"]] if case["generation"] else [])
    assert set(case.get("kept", ())) <= found.spans[0].attributes.keys()
    for call in found.calls:
        expected = {"context": (), **{k: tuple(v) if k == "context" else v for k, v in case.get("text", {}).items()}}
        ids = call.generation.trace_id, call.generation.span_id
        text = Payload() if call.text is None else TextCipher(KEY).open(ids, call.text)
        assert text == Payload(**expected)


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_a_recorded_text_is_kept_for_the_waterfall(case: dict[str, Any]) -> None:
    kept = repr(prepared(sent(case)).spans)
    for text in ("hello", "good day", "be kind", "be brief", "boom", "one moment", '"q"', "last"):
        assert text not in kept


# Retrieval.

STORE = {"metadata": '{"updated_at": 1767000000, "secret": "x"}'}


def named(*found: tuple[str, float | None, float | None]) -> list[dict[str, Any]]:
    return [{"id": id_, "score": score, "changed_at": at} for id_, score, at in found]


def test_documents_of_openinference_reach_the_call_and_a_reranker_s_choice_replaces_them() -> None:
    retrieved = {
        "openinference.span.kind": "RETRIEVER",
        "retrieval.documents.1.document.id": "b",
        "retrieval.documents.0.document.id": "a",
        "retrieval.documents.0.document.score": 0.9,
        "retrieval.documents.0.document.content": "one",
        "retrieval.documents.0.document.metadata": STORE["metadata"],
    }
    chosen = {
        "openinference.span.kind": "RERANKER",
        "reranker.output_documents.0.document.id": "b",
        "reranker.output_documents.0.document.score": 0.8,
        "reranker.input_documents.0.document.id": "a",
    }
    call = span(1, **{"openinference.span.kind": "LLM", "llm.model_name": "demo"})
    first = span(2, end=NOW - 5, **retrieved)
    (alone,) = prepared(call, first).calls
    assert alone.generation.retrieval == named(("a", 0.9, 1_767_000_000.0), ("b", None, None))
    (reranked,) = prepared(call, first, span(3, end=NOW - 4, **chosen)).calls
    assert reranked.generation.retrieval == named(("b", 0.8, None))


def test_documents_on_traceloop_s_events_reach_the_call() -> None:
    store = span(2, end=NOW - 5, **{"db.system": "chroma", "db.operation": "query"})
    for n, told in enumerate(({"db.query.result.score": 0.7, "db.query.result.distance": 0.3}, {})):
        attributes = {"db.query.result.id": f"d{n}", "db.query.result.metadata": STORE["metadata"], **told}
        store.events.add(name="db.query.result", time_unix_nano=int(NOW * 1e9), attributes=pairs(attributes))
    (call,) = prepared(span(1, **{"llm.request.type": "chat", "gen_ai.request.model": "demo"}), store).calls
    assert call.generation.retrieval == named(("d0", 0.7, 1_767_000_000.0), ("d1", None, 1_767_000_000.0))


@pytest.mark.parametrize(
    ("told", "changed_at"),
    [
        ({"updated_at": "2026-01-02T03:04:05Z"}, 1_767_323_045.0),
        ({"updated_at": "2026-01-02T05:04:05+02:00"}, 1_767_323_045.0),
        ({"updated_at": "2026-01-02"}, 1_767_312_000.0),
        ({"updated_at": 1_767_323_045}, 1_767_323_045.0),
        ({"updated_at": 1_767_323_045_000}, 1_767_323_045.0),
        ({"updated_at": "1767323045.5"}, 1_767_323_045.5),
        ({"updated_at": "soon", "created_at": "2026-01-02"}, 1_767_312_000.0),
        ({"author": "2026-01-02"}, None),
        *(({"updated_at": odd}, None) for odd in (True, -5, 1e300, float("nan"), [], {}, "", "9" * 60, "0001-01-01")),
    ],
)
def test_when_a_document_was_changed_is_read_from_its_metadata(told: dict[str, Any], changed_at: float | None) -> None:
    documents = {"gen_ai.retrieval.documents": [{"id": "a", "metadata": told}]}
    one = span(**{"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **documents})
    assert prepared(one).calls[0].generation.retrieval == named(("a", None, changed_at))


# The data.


def test_the_newest_dialect_is_asked_first() -> None:
    names = ["genai-next", "genai-1.41", "traceloop", "genai-1.36", "openinference"]
    assert [one.dialect for one in dialects()] == names
    assert len({one.rank for one in dialects()}) == len(names)
    assert reading().fields["input_tokens"][0].attribute == "gen_ai.usage.input_tokens"


def test_every_field_is_told_by_some_dialect_and_every_dialect_has_a_case() -> None:
    assert all(reading().fields[name] for name in get_args(FieldName))
    told = [case.values[0]["generation"] for case in CASES]
    assert {one["dialect"] for one in told if one} == {one.dialect for one in dialects()}


def test_a_dialect_that_is_written_wrongly_is_refused() -> None:
    good = dialects()[0].model_dump()
    with pytest.raises(ValueError, match="attribute or below"):
        Dialect.model_validate(good | {"prompt": [{"attribute": "a", "prefix": "b"}]})
    with pytest.raises(ValueError, match="on events"):
        Dialect.model_validate(good | {"documents": [good["documents"][0] | {"prefix": "b"}]})
    with pytest.raises(ValueError, match="fields"):
        Dialect.model_validate(good | {"fields": {"tokens": ["a"]}})


def test_dialects_together_name_each_source_once_in_their_order() -> None:
    one, other = dialects()[:2]
    fields = combined([one, other]).fields["cache_write_tokens"]
    assert [source.attribute.split(".")[2] for source in fields] == ["cache_write", "cache_creation"]
    assert len(combined([one, other]).fields["model"]) == 1


@given(st.dictionaries(st.text(st.sampled_from("a.0123*é٣")), st.integers(), max_size=20))
def test_flattened_entries_are_in_the_order_of_their_numbers(attributes: dict[str, int]) -> None:
    below = {f"p.{name}": value for name, value in attributes.items()}
    found = entries(below | attributes, "p")
    assert sum(len(values) for entry in found for values in entry.values()) == sum(
        name.split(".")[0].isascii() and name.split(".")[0].isdigit() and len(name.split(".")[0]) <= 6
        for name in attributes
    ) + sum(name.startswith("p.") for name in attributes)
