"""`burnline slo rules` as its user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from burnline.rules import write_rules
from core.errors import ConfigError, SpecError
from tests.burnline.rules import slos

PLAIN = slos.ratio("{selector: 'a_total{code=\"500\"}'}", "{selector: a_total}")
SIGNAL = slos.threshold("{signal: ttft}")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "burnline", "slo", "rules", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_rules_go_to_standard_output_and_what_is_left_out_to_standard_error(tmp_path: Path) -> None:
    slos.write(tmp_path, PLAIN, "{target: 0.99}", name="plain")
    whole = run(tmp_path)
    assert (whole.returncode, whole.stderr) == (0, "")
    slos.write(tmp_path, SIGNAL, "{op: lte, value: 1, target: 0.99}", name="signal")
    some = run(tmp_path)
    assert some.returncode == 1
    assert some.stdout == whole.stdout
    assert "signal.yaml:13: signal: no rules: ttft is a signal" in some.stderr


def test_a_policy_and_an_engine_may_be_named(tmp_path: Path) -> None:
    file = slos.write(tmp_path, SIGNAL, "{op: lte, value: 1, target: 0.99}")
    out = tmp_path / "out.yaml"
    assert run(file, "--engine", "vllm", "--policy", "sloth", "--out", out).returncode == 0
    assert "keep_firing_for" not in out.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_slo_that_is_off_has_no_rules_and_nothing_is_missing(tmp_path: Path) -> None:
    file = slos.write(tmp_path, PLAIN, "{target: 0.99}")
    file.write_text(
        file.read_text().replace("{name: promise}", '{name: promise, annotations: {burnline/enabled: "false"}}', 1)
    )
    told = write_rules([file], str(tmp_path / "out"), (), "burnline")
    assert told.complete and "off by burnline/enabled" in told.lines[0]


def test_wrong_files_and_places_are_refused_with_their_names(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: SLO\n")
    with pytest.raises(SpecError, match=r"broken\.yaml:1"):
        write_rules([broken], "-", (), "burnline")
    broken.unlink()
    file = slos.write(tmp_path, PLAIN, "{target: 0.99}")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_rules([file], str(tmp_path / "none" / "out.yaml"), (), "burnline")
