"""Bytes that are nearly what applications send: refused, or read without nonsense."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.otlp.answer import JSON, PROTOBUF
from tests.collector.otlp.fuzz import check, mutated, seeds

SEEDS = list(seeds())


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_recorded_spans_are_read_in_both_encodings(media: str) -> None:
    found = [check(data, kind) for data, kind in SEEDS if kind == media]
    assert all(one is not None and not one.rejected for one in found)
    assert sum(len(one.calls) for one in found if one is not None) > 15


@given(st.sampled_from(SEEDS), st.integers(0, 2**32))
def test_mutated_requests_are_refused_or_read_without_nonsense(seed: tuple[bytes, str], chance: int) -> None:
    data, media = seed
    check(mutated(data, random.Random(chance)), media)


@given(st.binary(max_size=300), st.sampled_from([PROTOBUF, JSON]))
def test_any_bytes_are_refused_or_read_without_nonsense(data: bytes, media: str) -> None:
    check(data, media)


@pytest.mark.parametrize("n", [2_000, 20_000])
def test_many_attributes_and_messages_are_read_and_documents_cut(n: int) -> None:
    from tests.collector.otlp.told import request, span

    names = {f"llm.input_messages.{i}.message.contents.{i % 7}.message_content.text": "x" for i in range(n)}
    documents = {f"retrieval.documents.{i}.document.id": i for i in range(n)}
    made = request(span(**{"openinference.span.kind": "LLM", **names, **documents}))
    found = check(made.SerializeToString(), PROTOBUF)
    assert found is not None
    assert len(found.calls[0].generation.retrieval or ()) == 200
