"""A real server that a test starts, asks and ends, whichever engine it is."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.e2e.engines.vllm_server import watch_group

STOP_SECONDS = 10.0


class EngineError(RuntimeError):
    """The server ended or did not become ready; the message ends with the last lines of its log."""


class EngineProcess:
    """A command that serves until it is stopped; it is ready when `is_ready` says so, within `ready_seconds`."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        is_ready: Callable[[httpx.Client], bool],
        *,
        environment: Mapping[str, str] | None = None,
        ready_seconds: float = 60.0,
    ) -> None:
        self._command, self._folder, self._is_ready = list(command), folder, is_ready
        self._environment = dict(environment or {})
        self._ready_seconds = ready_seconds
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        # No proxy of the environment may stand between the tests and the loopback interface; a server may close a
        # connection that is kept alive, so each request has its own.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(timeout=30.0, trust_env=False, limits=limits)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server and wait until it is ready; EngineError with the end of its log when it is not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its workers are ended with it, as one group
            )
        self._watcher = watch_group(self._process.pid)
        self._wait()

    def stop(self) -> None:
        """Ask the server to end (SIGTERM), wait, and kill what is left of its group."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def restart(self) -> None:
        """Stop, then start a new process on the same ports: all counters begin again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and give its connections back."""
        self.stop()
        self.http.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._ready_seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise EngineError(f"the server ended before it was ready\n{self._end_of_log()}")
            with suppress(httpx.TransportError):
                if self._is_ready(self.http):
                    return
            time.sleep(0.2)
        raise EngineError(f"the server was not ready after {self._ready_seconds:.0f} s\n{self._end_of_log()}")

    def _end_of_log(self, lines: int = 30) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def folder_of(variable: str, name: str, has: str) -> tuple[Path, str | None]:
    """Where an engine's environment should be, and the reason why no server can be run from it."""
    root = Path(__file__).parents[3]
    folder = Path(os.environ.get(variable, root / ".cache" / name))
    missing = f"no {name} in {folder}: .ci/engines/install-{name} makes it"
    return folder, None if (folder / has).exists() else missing
