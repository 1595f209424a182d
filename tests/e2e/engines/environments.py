"""Environments of servers from PyPI that the install scripts make, and processes that are run from them.

    with Server([program("routers", "vllm-router"), "--port", "1"], folder / "router.log") as server:
        server.until("it answers", lambda: httpx.get(...).status_code == 200)

Leaving the block ends the process; it ends too when the tests are killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.e2e.engines.vllm_server import ROOT, watch_group

READY_SECONDS = 60.0
"""Routers answer after 2 s, Triton after 6 to 18 s of a busy machine."""
_STOP_SECONDS = 10.0


def folder_of(name: str) -> Path:
    """Where an environment should be: `$BURNLINE_<NAME>_VENV`, by default `.cache/<name>` under the repository."""
    return Path(os.environ.get(f"BURNLINE_{name.upper()}_VENV", ROOT / ".cache" / name))


def program(name: str, command: str) -> str:
    """A program of an environment."""
    return str(folder_of(name) / "bin" / command)


def why_missing(name: str) -> str | None:
    """The reason for which an environment's servers cannot be run here, None when they can."""
    if not (folder_of(name) / ".pins.sha256").is_file():
        return f"no servers in {folder_of(name)}: .ci/engines/install-{name} makes it"
    return None


class Server:
    """A process in a group of its own, and its log."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = command
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watcher = watch_group(self._process.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._watcher.kill()
        self._watcher.communicate()

    def until(self, what: str, look: Callable[[], object]) -> None:
        """Wait until something holds of the running process; a refused connection is a no."""
        deadline = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if look():
                    return
            time.sleep(0.1)
        tail = self._log.read_text(errors="replace").splitlines()[-20:]
        raise AssertionError(f"not within {READY_SECONDS:.0f} s, or ended before: {what}\n" + "\n".join(tail))
