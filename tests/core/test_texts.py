from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, ParseError
from core.texts import Payload, TextCipher

IDS = ("a" * 32, "b" * 16)
CIPHER = TextCipher(bytes(32))
SAID = Payload("what is it?", "a secret", ("one", "two"), "be kind")

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.none() | texts, st.none() | texts, st.lists(texts, max_size=3).map(tuple), st.none() | texts)
def test_what_is_sealed_opens_to_the_same(
    prompt: str | None, output: str | None, context: tuple[str, ...], system: str | None
) -> None:
    payload = Payload(prompt, output, context, system)
    assert CIPHER.open(IDS, CIPHER.seal(IDS, payload)) == payload


def test_one_text_is_sealed_differently_each_time_and_cannot_be_read() -> None:
    one, other = (CIPHER.seal(IDS, Payload(output="secret " * 50)) for _ in range(2))
    assert one != other
    assert b"secret" not in one


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_text_does_not_open(at: int, change: int) -> None:
    blob = bytearray(CIPHER.seal(IDS, SAID))
    blob[at % len(blob)] ^= change
    with pytest.raises(ParseError):
        CIPHER.open(IDS, bytes(blob))


@given(st.binary(max_size=40))
def test_any_bytes_open_or_are_a_parse_error(blob: bytes) -> None:
    with pytest.raises(ParseError):
        CIPHER.open(IDS, b"\x01" + blob)
    if blob[:1] != b"\x01":
        with pytest.raises(ParseError):
            CIPHER.open(IDS, blob)


def test_a_text_opens_for_its_own_generation_and_key_alone() -> None:
    blob = CIPHER.seal(IDS, SAID)
    for cipher, ids in ((CIPHER, (IDS[0], "c" * 16)), (CIPHER, ("c" * 32, IDS[1])), (TextCipher(b"k" * 32), IDS)):
        with pytest.raises(ParseError) as caught:
            cipher.open(ids, blob)
        assert "secret" not in str(caught.value)


def test_a_missing_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "text.key"
    blob = TextCipher.from_file(path).seal(IDS, SAID)
    assert TextCipher.from_file(path).open(IDS, blob) == SAID
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert [one.name for one in path.parent.iterdir()] == ["text.key"]


def test_processes_that_make_a_key_together_have_one(tmp_path: Path) -> None:
    path = tmp_path / "text.key"
    with ThreadPoolExecutor(8) as pool:
        ciphers = list(pool.map(lambda _: TextCipher.from_file(path), range(16)))
    assert {cipher.open(IDS, ciphers[0].seal(IDS, SAID)) for cipher in ciphers} == {SAID}


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_key_of_another_length_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"text\.key"):
        TextCipher.from_file(path)


def test_a_key_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        TextCipher.from_file(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError):
        TextCipher.from_file(tmp_path / "file" / "text.key")


def test_derived_keys_differ_by_purpose_and_from_their_origin() -> None:
    assert len({CIPHER.derive("a"), CIPHER.derive("b"), bytes(32)}) == 3
    assert CIPHER.derive("a") == TextCipher(bytes(32)).derive("a")
