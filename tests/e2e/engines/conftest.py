"""Real serving engines for the tests, one of each for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.engines.vllm_server import VllmServer, why_not_installed


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A vLLM that serves the tiny model; a test may restart it, so read a page of your own before you count."""
    reason = why_not_installed()
    if reason:
        pytest.skip(reason)
    with VllmServer(tmp_path_factory.mktemp("vllm")) as server:
        yield server
