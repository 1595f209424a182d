from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from safety_eval import files, loading
from safety_eval.detectors.unavailable import Unavailable
from safety_eval.settings import EvaluatorSettings
from tests.safety_eval.world import Words

LINES = [orjson.dumps({"id": f"n{n}", "output": "bad" if n % 3 == 0 else "good"}) for n in range(10)]


class Quiet:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.place = 0

    def at(self, place: int, scored: int) -> None:
        assert place >= self.place
        self.place = place

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load", lambda name, *_: Words(name=name))
    monkeypatch.setattr(loading, "device_of", lambda *_: "cpu")


def run(folder: Path, progress: Quiet | None = None, batch: int = 3) -> files.Outcome:
    job = files.plan(folder / "in.jsonl", folder / "out.jsonl")
    return files.run(job, ["pii"], EvaluatorSettings(batch=batch), progress or Quiet())


def written(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "out.jsonl").read_bytes().splitlines()
    return [(line["id"], line["scores"]["pii"]["label"]) for line in map(orjson.loads, lines)]


EXPECTED = [(f"n{n}", "flagged" if n % 3 == 0 else "clear") for n in range(10)]


def test_every_line_is_scored_in_order(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(LINES))
    progress = Quiet()
    outcome = run(tmp_path, progress)
    assert (outcome.scored, outcome.skipped, outcome.bad) == (10, 0, 0)
    assert written(tmp_path) == EXPECTED
    assert progress.place == (tmp_path / "in.jsonl").stat().st_size


def test_a_run_that_was_cut_anywhere_ends_with_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    run(tmp_path)
    whole = (tmp_path / "out.jsonl").read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "out.jsonl").write_bytes(whole[:size])
        outcome = run(tmp_path, batch=4)
        assert (tmp_path / "out.jsonl").read_bytes() == whole
        assert outcome.skipped == whole[:size].count(b"\n")
        assert outcome.scored + outcome.skipped == 10


def test_bad_lines_are_said_by_number_and_the_rest_is_scored(tmp_path: Path) -> None:
    bad = [
        (b"not json", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"output": "x"}', "id must be a text"),
        (b'{"id": 3, "output": "x"}', "id must be a text"),
        (b'{"id": "a"}', "output must be a text"),
        (b'{"id": "a", "output": "x", "prompt": 1}', "prompt must be a text"),
        (b'{"id": "a", "output": "x", "context": "x"}', "context must be a list of texts"),
        (b'{"id": "a", "output": "x", "context": [1]}', "context must be a list of texts"),
        (b'{"id": "a", "output": "\xff"}', "not JSON"),
        (LINES[0], "the id 'n0' was already in line 1"),
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([LINES[0], *(line for line, _ in bad), b"", LINES[1]]))
    progress = Quiet()
    outcome = run(tmp_path, progress)
    assert (outcome.scored, outcome.bad) == (2, len(bad))
    for number, (text, (_, why)) in enumerate(zip(progress.said, bad, strict=True), 2):
        assert text.startswith(f"{tmp_path / 'in.jsonl'}:{number}: {why}")
    assert written(tmp_path) == EXPECTED[:2]


@given(st.binary(max_size=200))
def test_no_line_is_too_broken_to_be_reported(data: bytes) -> None:
    found = files.parse(data)
    assert isinstance(found, str) or found[0]


def test_files_that_cannot_be_used_are_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(LINES[0])
    (tmp_path / "same.jsonl").symlink_to(tmp_path / "in.jsonl")
    (tmp_path / "other.jsonl").write_text("something else\n")
    for source, target in (
        ("in.jsonl", "in.jsonl"),
        ("in.jsonl", "same.jsonl"),
        ("none.jsonl", "out.jsonl"),
        ("in.jsonl", "no/folder.jsonl"),
        ("in.jsonl", "other.jsonl"),
        ("in.jsonl", "."),
    ):
        with pytest.raises(ConfigError):
            files.plan(tmp_path / source, tmp_path / target)
    assert (tmp_path / "other.jsonl").read_text() == "something else\n"


def test_a_detector_that_cannot_judge_is_told_and_never_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.jsonl").write_bytes(LINES[0])
    monkeypatch.setattr(loading, "load", lambda name, *_: Unavailable(name, "is missing"))
    assert run(tmp_path).unavailable == {"pii": "is missing"}
    assert written(tmp_path) == [("n0", "failed")]
