"""What is passed over changes nothing of what is counted, kept and refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.otlp import prepare
from collector.otlp.dialects import reading
from collector.otlp.glance import ROOTS, Glance
from collector.otlp.prepare import Prepared
from collector.otlp.sampling import Sampler
from collector.settings import Stratum
from tests.collector.otlp.told import CHAT, KEY, NOW, preparer, request, span

HALF = (Stratum(name="default", probability=0.5),)
NONE = (Stratum(name="default", probability=0.0),)
PLAIN = {"http.request.method": "POST", "server.port": 443}

spans = st.builds(
    lambda trace, number, end, duration, told, event: span(
        number, trace=trace, end=end, duration=duration, events=[Span.Event(name="e")] if event else [], **told
    ),
    st.integers(0, 40),
    st.integers(0, 5),
    st.sampled_from([NOW - 1, NOW + 30, NOW + 500, NOW + 1000, NOW - 7200, NOW - 500 * 86_400]),
    st.sampled_from([0.0, 1.0, 30.0, -1.0, 4000.0]),
    st.sampled_from(
        [{}, PLAIN, CHAT, {**CHAT, "gen_ai.usage.output_tokens": "x"}, {"gen_ai.operation.name": "retrieval"}]
    ),
    st.booleans(),
)


class _Looks(Glance):
    def passes_over(self, span: Span) -> bool:
        return False


@given(st.lists(spans, max_size=30))
def test_a_request_brings_the_same_when_nothing_is_passed_over(found: list[Span]) -> None:
    assert _prepared(found, Glance) == _prepared(found, _Looks)


def _prepared(found: list[Span], glance: type[Glance]) -> Prepared:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "Glance", glance)
        result = preparer(strata=HALF).prepare(request(*found), NOW, NOW - 86_400)
    return result._replace(calls=tuple(one._replace(text=None) for one in result.calls))


@pytest.mark.parametrize(
    ("told", "passed"),
    [({}, True), (PLAIN, True), (CHAT, False), *(({f"{root}x": 1}, False) for root in ROOTS)],
)
def test_a_span_is_passed_over_only_without_an_attribute_of_a_dialect(told: dict[str, Any], passed: bool) -> None:
    assert _glance().passes_over(span(**told)) is passed


def test_a_span_of_a_trace_that_could_be_drawn_or_with_events_is_read() -> None:
    drawn = Glance(Sampler((Stratum(name="default", probability=1.0),), KEY), NOW)
    assert not drawn.passes_over(span(**PLAIN))
    assert not _glance().passes_over(span(events=[Span.Event(name="documents")], **PLAIN))


def _glance() -> Glance:
    return Glance(Sampler(NONE, KEY), NOW)


def test_every_attribute_that_a_dialect_reads_is_one_that_a_glance_sees() -> None:
    read = reading()
    told = {
        *(name for _, names in read.recognised_by for name in names),
        *(attribute for attribute, _ in read.operations),
        *(source.attribute for sources in read.fields.values() for source in sources),
        *read.content,
        *read.content_below,
        *(place.attribute for place in read.documents if place.attribute),
        *read.retrieved_below,
    }
    assert {name for name in told if not name.startswith(ROOTS)} == set()
