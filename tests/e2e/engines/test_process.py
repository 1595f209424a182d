"""The harness of the smaller engines, without an engine."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.engines.process import EngineError, EngineProcess, folder_of
from tests.e2e.engines.vllm_server import free_port


def test_a_missing_environment_is_a_reason_that_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BURNLINE_RAY_VENV", str(tmp_path))
    reason = f"no ray in {tmp_path}: .ci/engines/install-ray makes it"
    assert folder_of("BURNLINE_RAY_VENV", "ray", "bin/ray") == (tmp_path, reason)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ray").touch()
    assert folder_of("BURNLINE_RAY_VENV", "ray", "bin/ray") == (tmp_path, None)


def test_a_server_that_ends_at_once_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo no such flag; exit 2"]
    with pytest.raises(EngineError, match="no such flag"), EngineProcess(command, tmp_path, lambda _: False):
        pass


def test_a_server_is_ready_when_it_answers_and_gone_when_it_was_stopped(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    url = f"http://127.0.0.1:{port}/"
    with EngineProcess(command, tmp_path, lambda http: http.get(url).status_code == 200) as server:
        server.restart()
        assert server.http.get(url).status_code == 200
        server.stop()
        with pytest.raises(httpx.TransportError):
            server.http.get(url)
