"""The parts of the harness that can be tested without the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.engines.vllm_server import ROOT, VllmError, VllmServer, watch_group, why_not_installed

# Starts a process group with a child that holds our pipe open, has it watched, and dies without any cleaning up.
DIES = """
import os, signal, subprocess
from tests.e2e.engines.vllm_server import watch_group
group = subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60"], start_new_session=True)
watch_group(group.pid)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_group_ends_with_the_process_that_watches_it() -> None:
    # The sleepers hold the other end of stdout: run() returns only when they have ended, else it times out.
    run = subprocess.run([sys.executable, "-c", DIES], cwd=ROOT, stdout=subprocess.PIPE, timeout=20, check=False)
    assert run.returncode == -9


def test_a_process_group_lives_while_its_watcher_waits() -> None:
    group = subprocess.Popen(["sleep", "60"], start_new_session=True)
    watcher = watch_group(group.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        group.wait(0.3)
    watcher.communicate()  # closes the pipe
    assert group.wait(10) == -9


def test_a_missing_environment_is_a_reason_that_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BURNLINE_VLLM_VENV", str(tmp_path))
    assert why_not_installed() == f"no vLLM in {tmp_path}: .ci/engines/install-vllm makes it"


def test_a_server_that_ends_at_once_is_an_error_with_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho no such flag: $*\nexit 2\n")
    fake.chmod(0o755)
    (tmp_path / "model").mkdir()
    monkeypatch.setenv("BURNLINE_VLLM_VENV", str(tmp_path))
    with pytest.raises(VllmError, match=r"no such flag: .*--nonsense"), VllmServer(tmp_path, flags=["--nonsense"]):
        pass
