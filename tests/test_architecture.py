from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("core", "storage", "collector", "slo_engine", "safety_eval", "alerting", "dashboard", "burnline")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

pytestmark = pytest.mark.skipif(not LINT_IMPORTS.exists(), reason="import-linter is not installed")


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a tree with the project's own contract, and on no other tree's packages."""
    return subprocess.run(
        [str(LINT_IMPORTS), "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The project's contract over parts that hold nothing yet."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in PARTS:
        (tmp_path / part).mkdir()
        (tmp_path / part / "__init__.py").touch()
    return tmp_path


def test_the_parts_meet_only_in_storage() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_part_is_under_the_contract() -> None:
    parts = sorted(
        path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in ("tests", "bench")
    )
    assert parts == sorted(PARTS)
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert sorted(contract["root_packages"]) == parts


def test_a_part_that_imports_only_what_it_may_is_kept(skeleton: Path) -> None:
    (skeleton / "collector" / "a.py").write_text("import core\nimport storage\n")
    (skeleton / "burnline" / "a.py").write_text("import collector\nimport dashboard\n")
    result = lint(skeleton)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("part", "imports"),
    [
        ("core", "storage"),
        ("storage", "collector"),
        ("collector", "slo_engine"),
        ("alerting", "burnline"),
        ("dashboard", "alerting"),
    ],
)
def test_a_planted_violation_is_caught(skeleton: Path, part: str, imports: str) -> None:
    (skeleton / part / "planted.py").write_text(f"def late() -> None:\n    import {imports}\n")
    result = lint(skeleton)
    assert result.returncode != 0
    assert f"{part}.planted -> {imports}" in result.stdout
