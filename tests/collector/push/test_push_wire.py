"""Bytes of a request: what Google's protobuf wrote is read, and garbage is refused without harm."""

from __future__ import annotations

from contextlib import suppress
from math import isnan, nan

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.push import wire
from core.errors import ParseError
from tests.collector.push.world import Sent, body_of

LIMIT = 2**20
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200)
LABELS = st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=6)
TIMES = st.integers(-(2**63), 2**63 - 1)


def read(body: bytes) -> list[tuple[tuple[tuple[str, str], ...], int, float | None]]:
    return [
        (wire.labels(one.labels), time, value)
        for one in wire.series(wire.plain(body, LIMIT))
        for time, value in one.samples
    ]


@given(st.lists(st.tuples(LABELS, TIMES, st.floats(allow_nan=False)), max_size=8))
def test_what_another_codec_wrote_is_read(told: list[tuple[dict[str, str], int, float]]) -> None:
    sent = [Sent(tuple(sorted(labels.items())), time, value) for labels, time, value in told]
    assert sorted(read(body_of(sent))) == sorted((one.labels, one.time, one.value) for one in sent)


def test_what_no_database_holds_is_taken_off() -> None:
    assert read(body_of([Sent((("__name__", "a\0b"),), 1, 1.0)])) == [((("__name__", "ab"),), 1, 1.0)]


def test_a_stale_marker_is_no_other_nan() -> None:
    stale = Sent((("__name__", "a"),), 1, nan)
    assert read(body_of([stale])) == [((("__name__", "a"),), 1, None)]
    label, value = b"\x0a\x05\x0a\x01a\x12\x00", b"\x00\x00\x00\x00\x00\x00\xf8\x7f"
    inside = label + b"\x12\x0b\x09" + value + b"\x10\x01"
    other = bytes(cramjam.snappy.compress_raw(b"\x0a" + bytes([len(inside)]) + inside))
    ((_, _, found),) = read(other)
    assert found is not None and isnan(found)


def test_metadata_exemplars_and_histograms_are_passed_over() -> None:
    series = b"\x0a\x0c\x0a\x08__name__\x12\x01a"[2:]
    label = b"\x0a" + bytes([len(series)]) + series
    histogram, exemplar = b"\x22\x02\x08\x01", b"\x1a\x02\x08\x01"
    inside = label + exemplar + histogram
    message = b"\x1a\x02\x08\x01" + b"\x0a" + bytes([len(inside)]) + inside
    (found,) = wire.series(wire.plain(bytes(cramjam.snappy.compress_raw(message)), LIMIT))
    assert found.samples == [] and found.histograms == 1


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_read_and_nothing_else(data: bytes) -> None:
    for body in (data, bytes(cramjam.snappy.compress_raw(data))):
        with suppress(ParseError):
            read(body)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3), st.integers(0, 200))
def test_a_damaged_request_is_refused_or_read(at: int, noise: bytes, cut: int) -> None:
    whole = body_of([Sent((("__name__", "up"), ("instance", "a:1"), ("job", "vllm")), 1_800_000_000_000, 1.0)] * 3)
    message = bytearray(cramjam.snappy.decompress_raw(whole))
    message[at : at + len(noise)] = noise
    with suppress(ParseError):
        read(bytes(cramjam.snappy.compress_raw(bytes(message[: len(message) - cut]))))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = bytes(cramjam.snappy.compress_raw(bytes(LIMIT + 1)))
    assert len(bomb) < LIMIT / 10
    with pytest.raises(wire.TooLarge):
        wire.plain(bomb, LIMIT)
    with pytest.raises(ParseError):
        wire.plain(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", LIMIT)


@pytest.mark.parametrize("body", [b"", b"\x05abc", b"hello"])
def test_what_is_no_snappy_block_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        wire.plain(body, LIMIT)
