"""Burnline as its user runs it: `burnline up --demo` in a folder of its own, on ports of its own.

    with Instance(tmp_path, "engine-hang") as burnline:
        burnline.until(60, "an incident is open", lambda: burnline.cli("incident", "list"))
        burnline.kill("engine")

Whatever happens, leaving the block ends every process that it started. Failures show the ends of the logs.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from burnline.demo import journal
from storage.database import Database, sqlite_url

Found = TypeVar("Found")

ROOT = Path(__file__).parents[2]
STOP_WITHIN = 10.0
"""`burnline up` and all of its parts end within this after SIGTERM."""
_LOG_LINES = 40
_FIRST_PORT = 12_000


class Gone(AssertionError):
    """What was waited for did not come; the message ends with the logs."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, below those that Linux gives to outgoing connections."""
    found: list[int] = []
    port = _FIRST_PORT + os.getpid() * 37 % 8000
    while len(found) < count:
        port += 1
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


def environment(**settings: object) -> dict[str, str]:
    """This process's environment without settings of Burnline's, and with these (`API__PORT=1` for `api.port`)."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    return own | {f"BURNLINE_{name}": str(value) for name, value in settings.items()}


def burnline(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "burnline", *map(str, arguments)]
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**(env or environment()), **path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def until(seconds: float, what: str, look: Callable[[], Found | None], *logs: Path) -> Found:
    """What `look` finds as soon as it is true; Gone with the ends of the logs after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Gone(f"not within {seconds:.0f} s: {what}; the last look gave {found!r}\n{ends_of(logs)}")
        time.sleep(0.2)


def ends_of(logs: Sequence[Path]) -> str:
    """The last lines of each file that is there."""
    parts = []
    for log in logs:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else ["(no such file)"]
        parts.append("\n".join([f"--- {log.name}", *lines[-_LOG_LINES:]]))
    return "\n".join(parts)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Instances start one after the other, in all test processes: each looks for free ports, and binds them later."""
    with (Path(tempfile.gettempdir()) / "burnline-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file with one a line; none while there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def command_of(pid: int) -> list[str]:
    """A process's command line; empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return []


def children_of(pid: int) -> Iterator[int]:
    """The processes that a process started and that are not gone."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def descendants_of(pid: int) -> list[int]:
    """All processes below one, the nearest first."""
    found = list(children_of(pid))
    for child in found:
        found += [one for one in children_of(child) if one not in found]
    return found


class Process:
    """One command with its log; ended with everything below it."""

    def __init__(self, log: Path, arguments: Sequence[object], env: Mapping[str, str]) -> None:
        self.log = log
        command = [sys.executable, "-m", "burnline", *map(str, arguments)]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as when the kernel runs out of memory."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._process.terminate()

    def stop(self) -> int:
        """SIGTERM; its exit code, Gone when it takes longer than STOP_WITHIN."""
        self.terminate()
        try:
            return self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            raise Gone(f"not stopped within {STOP_WITHIN:.0f} s\n{ends_of([self.log])}") from None

    def end(self) -> None:
        """Whatever state it is in: nothing of it is left."""
        below = descendants_of(self.pid) if self.running else []
        with suppress(OSError):
            self.kill()
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Instance:
    """A running `burnline up --demo`. `settings` are overrides, as `API__PORT=1`."""

    def __init__(self, folder: Path, scenario: str, *, own_metrics: bool = False, **settings: object) -> None:
        api, dashboard, otlp, grpc, *own = free_ports(8)
        self.folder = folder
        self.directory = folder / "demo"
        self.config = self.directory / "burnline.yaml"
        self.api = f"http://127.0.0.1:{api}"
        self.dashboard = f"http://127.0.0.1:{dashboard}"
        self.otlp = f"http://127.0.0.1:{otlp}"
        names = ("COLLECTOR", "ENGINE", "ALERTER", "EVALUATOR")
        ports = {f"METRICS_PORTS__{name}": port if own_metrics else 0 for name, port in zip(names, own, strict=True)}
        served = {"API__PORT": api, "DASHBOARD__PORT": dashboard, "COLLECTOR__OTLP__PORT": otlp, **ports}
        served["COLLECTOR__OTLP__GRPC__PORT"] = grpc
        # Scoring would take a core from the fleet: a test that wants it says so.
        self.env = environment(**{"EVALUATOR__ENABLED": "false", **served, **settings})
        self._arguments = ("up", "--demo", "--days", 0, "--scenario", scenario, "--directory", self.directory)
        self._up: Process | None = None

    def __enter__(self) -> Self:
        with one_at_a_time():
            self._up = Process(self.folder / "up.log", self._arguments, self.env)
            try:
                self.until(60, "the fleet runs", self.fleet_file.exists)
            except BaseException:
                self._up.end()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._up is not None:
            self._up.end()

    @property
    def fleet_file(self) -> Path:
        return self.directory / "fleet.json"

    @property
    def up(self) -> Process:
        assert self._up is not None, "the instance was not entered"
        return self._up

    # --- asking ---

    def until(self, seconds: float, what: str, look: Callable[[], Found | None]) -> Found:
        """What `look` finds as soon as it is true; a failure shows the log."""

        def alive_and_look() -> Found | None:
            if self._up is not None and not self._up.running:
                raise Gone(f"burnline up has ended while this was awaited: {what}\n{ends_of([self._up.log])}")
            return look()

        return until(seconds, what, alive_and_look, self.folder / "up.log", self.directory / "events.jsonl")

    def cli(self, *arguments: object) -> str:
        """What a command prints; it must succeed."""
        done = burnline(*arguments, "--config", self.config, env=self.env)
        assert done.returncode == 0, f"burnline {arguments}: exit code {done.returncode}\n{done.stderr}"
        return done.stdout

    def cli_json(self, *arguments: object) -> Any:
        """What a command prints with --json."""
        return json.loads(self.cli(*arguments, "--json"))

    def get(self, path: str) -> httpx.Response | None:
        """An answer of the API; None while it does not answer."""
        try:
            return httpx.get(self.api + path, timeout=5, trust_env=False)
        except httpx.TransportError:
            return None

    def database(self) -> Database:
        """The instance's database; for reading."""
        return Database(sqlite_url(self.directory / "storage" / "burnline.db"))

    def received(self) -> list[dict[str, Any]]:
        """What the demo's pager got."""
        return json_lines(self.directory / "received.jsonl")

    def alerts_received(self, *, path: str = "/page") -> list[dict[str, Any]]:
        """Alerts of the webhooks at one path, each as its body has it."""
        return [alert for entry in self.received() if entry["path"] == path for alert in entry["body"]["alerts"]]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the demo's script did, of one kind."""
        return [event for event in json_lines(self.directory / "events.jsonl") if event["kind"] == kind]

    # --- processes ---

    def pid_of(self, part: str) -> int:
        """A part's process (`collector`, `demo-fleet`), or one of the fleet's by its name (`v1-eu-west-0`, `load`)."""
        return self.until(20, f"{part} runs", lambda: self._pids_of(part))

    def _pids_of(self, part: str) -> int | None:
        for pid in descendants_of(self.up.pid):
            words = command_of(pid)
            if part in words[3:4] or (part == "dashboard" and "streamlit" in words):
                return pid
            if f"burnline.demo.{part}" in words or any(f'"name":"{part}"' in word for word in words):
                return pid
        return None

    def kill(self, part: str) -> None:
        """kill -9 one process, and wait until its supervisor has started another in its place."""
        dead = self.pid_of(part)
        os.kill(dead, signal.SIGKILL)
        self.until(20, f"{part} runs again", lambda: self._pids_of(part) not in (None, dead))

    def end_load(self) -> None:
        """The clients go away for good, and a scrape sees what every replica has counted until then."""
        fleet = self.pid_of("demo-fleet")
        os.kill(fleet, signal.SIGSTOP)  # or it would start other clients
        os.kill(self.pid_of("load"), signal.SIGKILL)
        try:
            self.until(40, "every replica's last count was scraped", lambda: not self._behind())
        except Gone as error:
            raise Gone(f"{error}\n--- behind\n" + "\n".join(self._behind())) from None

    def _behind(self) -> list[str]:
        """Living replicas that were not scraped three times since their last request: by then the first is counted."""
        return [
            f"{run.replica}: {len(run.requests)} requests until {run.requests[-1].time if run.requests else None}, "
            f"the last scrapes: {run.scrapes[-3:]}"
            for run in journal.read(self.directory).runs
            if not run.ended and [line.upto for line in run.scrapes[-3:]] != [len(run.requests)] * 3
        ]

    def stop(self) -> int:
        """SIGTERM to `burnline up`; its exit code."""
        fleet = self._pids_of("demo-fleet")
        self.up.terminate()
        if fleet is not None:
            os.kill(fleet, signal.SIGCONT)
        return self.up.stop()
