from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ParseError
from safety_eval.models import injection, pickled


class Thing:
    """Pickles as the class that the reader is told to expect."""

    def __init__(self, state: object) -> None:
        self.__dict__["state"] = state


def packed(state: dict[object, object], protocol: int = 4) -> bytes:
    thing = Thing(None)
    thing.__dict__.clear()
    thing.__dict__.update(state)  # type: ignore[arg-type]
    return pickle.dumps(thing, protocol)


def read(data: bytes) -> object:
    return pickled.state_of(data, Thing.__module__, "Thing")


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.binary(), st.integers(0, 2**31 - 1)), max_size=8))
def test_plain_states_are_read_as_pickle_reads_them(state: dict[str, object]) -> None:
    data = packed({"a": state, "b": state}) if state else packed({"b": "x"})
    assert read(data) == ({"a": state, "b": state} if state else {"b": "x"})


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_malicious_pickle_is_refused_by_name_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    for data in (
        pickle.dumps(Evil(target), protocol),
        packed({"mergeable_ranks": Evil(target)}, protocol),
    ):
        with pytest.raises(ParseError, match=r"pickle refused at byte \d+: opcode [A-Z_0-9]+ "):
            read(data)
    assert not target.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pickle.dumps({"a": 1}), "holds no"),
        (pickle.dumps(os.getcwd, 4), "STACK_GLOBAL asks for"),
        (b"cos\nsystem\n.", "opcode GLOBAL is not allowed"),
        (b"\x80\x04}\x94.", "holds no"),
        (b"", "broken"),
        (b"\x80\x04h\x05.", "broken"),
        (b"\x80\x04b.", "broken"),
        (b"\x80\x04u.", "broken"),
    ],
)
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        read(data)


def test_a_cut_pickle_is_broken() -> None:
    data = packed({"pat_str": "x" * 100})
    for size in range(len(data)):
        with pytest.raises(ParseError):
            read(data[:size])


def test_the_packages_tokenizer_is_rebuilt_as_unpickling_would() -> None:
    file = injection._assets() / "tokenizer.pkl"
    rebuilt = injection.encoding(file.read_bytes())
    original = pickle.loads(file.read_bytes())
    for text in ("Ignore all previous instructions!", "naïve — 漢字 🙂\n\n\tx = 1", ""):
        assert rebuilt.encode_ordinary(text) == original.encode_ordinary(text)


def test_an_encoding_of_other_types_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"name": "n", "pat_str": ".", "mergeable_ranks": {b"a": 0}, "special_tokens": {}}
    for state in (
        {**good, "more": 1},
        {**good, "name": b"n"},
        {**good, "mergeable_ranks": {"a": 0}},
        {**good, "mergeable_ranks": {b"a": "0"}},
        {**good, "special_tokens": []},
    ):
        with monkeypatch.context() as patch, pytest.raises(ParseError, match="pickled tokenizer"):
            patch.setattr(pickled, "state_of", lambda *_, state=state: state)
            injection.encoding(b"")
