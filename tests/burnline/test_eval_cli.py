from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = "AKIA" + "Z7QX2MPLRT5VWN3K"


def score(folder: Path, *arguments: str, given: str = "in.jsonl", output: str = "out.jsonl"):
    command = [sys.executable, "-m", "burnline", "eval", "score", "--input", given, "--output", output]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [{"id": "a", "output": f"use {SECRET}"}, {"id": "b", "output": "nothing"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_a_file_is_scored_and_a_second_run_skips_it(folder: Path) -> None:
    first = score(folder, "--detectors", "secrets")
    assert first.returncode == 0, first.stderr
    found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [(one["id"], one["scores"]["secrets"]["label"]) for one in found] == [("a", "flagged"), ("b", "clear")]
    assert found[0]["scores"]["secrets"]["spans"] == [{"start": 4, "end": 24, "type": "AWS_ACCESS_KEY_ID"}]
    assert SECRET not in (folder / "out.jsonl").read_text()
    second = score(folder, "--detectors", "secrets")
    assert "0 scored, 2 were already, 0 bad lines" in second.stderr


def test_bad_lines_end_with_one_and_wrong_use_with_two(folder: Path) -> None:
    with (folder / "in.jsonl").open("a") as file:
        file.write("broken\n")
    bad = score(folder, "--detectors", "secrets")
    assert (bad.returncode, "in.jsonl:3: not JSON" in bad.stderr) == (1, True)
    unknown = score(folder, "--detectors", "secretz")
    assert (unknown.returncode, "did you mean 'secrets'?" in unknown.stderr) == (2, True)
    assert score(folder, "--device", "gpu").returncode == 2
    same = score(folder, output="in.jsonl")
    assert (same.returncode, "another file" in same.stderr) == (2, True)
