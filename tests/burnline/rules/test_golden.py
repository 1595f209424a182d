"""What is written for each kind of SLI, whole: golden/<kind>.yaml gives golden/<kind>.rules.yaml.

BURNLINE_GOLDEN=write pytest tests/burnline/rules/test_golden.py writes the files anew.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from burnline.rules import write_rules

GOLDEN = Path(__file__).parent / "golden"
KINDS = sorted(file.name.removesuffix(".rules.yaml") for file in GOLDEN.glob("*.rules.yaml"))
NOT_EXPRESSIBLE = {"sampled": "interval", "traces": "traces"}


def engines_of(kind: str) -> tuple[str, ...]:
    """LiteLLM is before vLLM, so signals that both tell would be the gateway's."""
    return ("litellm",) if kind == "price" else ("vllm",)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_sli_is_written_as_in_its_golden_file(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "rules.yaml"
    told = write_rules([GOLDEN / f"{kind}.yaml"], str(out), engines_of(kind), "burnline")
    assert told.complete
    golden = GOLDEN / f"{kind}.rules.yaml"
    if os.environ.get("BURNLINE_GOLDEN") == "write":
        golden.write_text(out.read_text())
    assert out.read_text() == golden.read_text()


@pytest.mark.server("promtool")
def test_prometheus_accepts_every_golden_file() -> None:
    files = [str(GOLDEN / f"{kind}.rules.yaml") for kind in KINDS]
    done = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", NOT_EXPRESSIBLE)
def test_what_promql_cannot_say_is_left_out_with_the_reason(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "rules.yaml"
    told = write_rules([GOLDEN / f"{kind}.yaml"], str(out), ("vllm",), "burnline")
    assert not told.complete
    assert out.read_text().endswith("groups: []\n")
    place, _, reason = told.lines[0].partition(f": {kind}: no rules: ")
    assert place.endswith(f"{kind}.yaml:14")
    assert NOT_EXPRESSIBLE[kind] in reason


def test_every_kind_is_here() -> None:
    kinds = {file.stem for file in GOLDEN.glob("*.yaml") if not file.stem.endswith(".rules")}
    assert kinds == {*KINDS, *NOT_EXPRESSIBLE}
