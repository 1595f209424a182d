"""Runs a real vLLM on the CPU with the tiny model: start, ask, stop, kill, start again on the same port.

    with VllmServer(folder) as vllm:
        vllm.complete(prompt="word1", max_tokens=4)
        page = vllm.page()

The environment is the one that `.ci/engines/install-vllm` makes. The server takes 1.2 GB of memory, up to
1 GB more for its KV cache, and most of a core while it starts.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MODEL_NAME = "tiny"
ADMITTED = 64
# Starts took 38 to 46 s: the engine's imports alone are 15 to 20 s of one core, twice.
READY_SECONDS = 150.0
# An idle server ends within 3 s; one with a request in flight hangs until its client goes (docs/engines-vllm.md).
STOP_SECONDS = 10.0

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    # The model runs in the engine core's process and not in a third one, which would import everything once more: 20 s.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
_FLAGS = (
    *("--served-model-name", MODEL_NAME),
    *("--host", "127.0.0.1"),
    *("--max-model-len", "512"),
    *("--dtype", "bfloat16"),
    "--enforce-eager",
    # High enough for any test's load; a request with a greater n is refused at once.
    *("--max-num-queued-reqs", str(ADMITTED)),
)


class VllmError(RuntimeError):
    """The server ended or did not become ready; the message ends with the last lines of its log."""


def vllm_folder() -> Path:
    """Where the environment should be: $BURNLINE_VLLM_VENV, by default `.cache/vllm` under the repository."""
    return Path(os.environ.get("BURNLINE_VLLM_VENV", ROOT / ".cache" / "vllm"))


def why_not_installed() -> str | None:
    """The reason for which no server can be run here, None when one can."""
    if not sys.platform.startswith("linux"):
        return "the CPU build of vLLM is for Linux"
    if not (vllm_folder() / ".pins.sha256").is_file():
        return f"no vLLM in {vllm_folder()}: .ci/engines/install-vllm makes it"
    return None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watch_group(group: int) -> subprocess.Popen[bytes]:
    """A shell that kills a process group when this process has ended, however it ended: its pipe closes then.

    A signal at the parent's death would not do: while it starts, vLLM ignores SIGTERM, and SIGKILL orphans its core.
    """
    command = ["sh", "-c", 'read -r _; kill -s KILL -- -"$1"', "sh", str(group)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


class VllmServer:
    """One vLLM and its tiny model under `folder`; `flags` are added to its command line."""

    def __init__(self, folder: Path, flags: Sequence[str] = (), port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._flags = tuple(flags)
        self._model = folder / "model"
        self._log = folder / "vllm.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        # No proxy of the environment may stand between the tests and the loopback interface.
        self._http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)

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

    # --- life ---

    def start(self) -> None:
        """Start the server and wait until it answers; VllmError with the end of its log when it does not."""
        if self._process is not None:
            raise VllmError("the server is running already")
        self._make_model()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={**os.environ, **_ENVIRONMENT},
                cwd=self._model,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the engine core is a child of the server: both are ended as one group
            )
        self._watcher = watch_group(self._process.pid)
        self._wait_until_ready()

    def stop(self) -> None:
        """Ask the server to end as Kubernetes does (SIGTERM), wait, and kill what is left of it."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the server and its engine core at once (SIGKILL); does nothing when they have ended."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def restart(self) -> None:
        """Stop, then start a new process on the same port: all counters begin again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and give its connections back."""
        self.stop()
        self._http.close()

    @property
    def pid(self) -> int:
        """Process id of the API server, which is also the id of its process group."""
        if self._process is None:
            raise VllmError("the server is not running")
        return self._process.pid

    # --- requests ---

    def page(self) -> str:
        """The metrics page as text."""
        return self._http.get("/metrics").raise_for_status().text

    def post(self, path: str, body: Any) -> httpx.Response:
        """Send any body to any path; the answer whatever its status."""
        return self._http.post(path, json=body)

    def complete(self, **body: Any) -> httpx.Response:
        """One completion, not streamed; greedy, of 8 tokens and with a short prompt unless `body` says else."""
        return self.post("/v1/completions", _with_defaults(body))

    @contextmanager
    def streaming(self, **body: Any) -> Iterator[httpx.Response]:
        """One streamed completion; leaving the block early closes the connection, as a client that gives up."""
        with self._http.stream("POST", "/v1/completions", json=_with_defaults({**body, "stream": True})) as response:
            yield response

    # --- inside ---

    def _command(self) -> list[str]:
        python = str(vllm_folder() / "bin" / "python")
        return [
            *(python, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(self._model), "--port", str(self.port)),
            *_FLAGS,
            *self._flags,
        ]

    def _make_model(self) -> None:
        if not self._model.exists():
            subprocess.run([vllm_folder() / "bin" / "python", HERE / "tiny_llama.py", self._model], check=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise VllmError(f"vLLM ended before it was ready\n{self._end_of_log()}")
            if self._is_healthy():
                return
            time.sleep(0.2)
        raise VllmError(f"vLLM was not ready after {READY_SECONDS:.0f} s\n{self._end_of_log()}")

    def _is_healthy(self) -> bool:
        try:
            return self._http.get("/health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _end_of_log(self, lines: int = 40) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def _with_defaults(body: dict[str, Any]) -> dict[str, Any]:
    return {"model": MODEL_NAME, "prompt": "word1 word2", "max_tokens": 8, "temperature": 0, **body}
