"""The supervisor: children are kept running, and stopped together, whatever they are doing at that moment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from burnline import supervisor as module
from burnline.process import SUPERVISED
from burnline.supervisor import USAGE, Child, Supervisor

WAITS = "import signal, sys, time; open(sys.argv[1], 'a').write('started\\n'); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


def child(code: str, log: Path, name: str = "part", after: float = 0.0) -> Child:
    return Child(name, [sys.executable, "-c", code, str(log)], after)


def starts(log: Path) -> int:
    return log.read_text().count("started") if log.exists() else 0


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def supervised(supervisor: Supervisor, then: Callable[[], object], stop: asyncio.Event | None = None) -> None:
    """Run until `then` is true, stop, and wait for the end of all."""
    stop = stop or asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until(then)
    stop.set()
    await asyncio.wait_for(running, 12)


def test_a_child_that_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    log = tmp_path / "log"
    dies = "import sys; open(sys.argv[1], 'a').write('started\\n'); sys.exit(1)"
    asyncio.run(supervised(Supervisor([child(dies, log)]), lambda: starts(log) >= 3))


def test_the_pause_begins_short_and_doubles_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note(stop: asyncio.Event, seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        if len(pauses) == 8:
            stop.set()

    monkeypatch.setattr(module, "_pause", note)
    asyncio.run(asyncio.wait_for(Supervisor([Child("part", ["false"])]).run(asyncio.Event()), 20))
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_child_that_lived_long_begins_anew_with_the_short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note(stop: asyncio.Event, seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        monkeypatch.setattr(module, "HEALTHY_AFTER", -1.0 if len(pauses) == 2 else 60.0)
        if len(pauses) == 4:
            stop.set()

    monkeypatch.setattr(module, "_pause", note)
    asyncio.run(asyncio.wait_for(Supervisor([Child("part", ["false"])]).run(asyncio.Event()), 20))
    assert pauses == [0.5, 1.0, 0.5, 1.0]


def test_a_misconfigured_child_stops_everything(tmp_path: Path) -> None:
    log = tmp_path / "log"
    wrong = Child("wrong", [sys.executable, "-c", f"import sys; sys.exit({USAGE})"])
    supervisor = Supervisor([child(WAITS, log), wrong])
    asyncio.run(asyncio.wait_for(supervisor.run(asyncio.Event()), 12))
    assert supervisor.misconfigured


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_WITHIN", 0.3)
    log = tmp_path / "log"
    asyncio.run(supervised(Supervisor([child(STUBBORN, log)]), lambda: starts(log) == 1))


def test_a_stop_reaches_a_child_that_is_just_being_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the decision to start and the started process lies an await: the stop may come there."""
    start = asyncio.create_subprocess_exec
    stop = asyncio.Event()

    async def slowly(*command: str, **options: object) -> asyncio.subprocess.Process:
        stop.set()
        await asyncio.sleep(0.2)
        return await start(*command, **options)  # type: ignore[arg-type]  # passed through as they came

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    supervisor = Supervisor([child(WAITS, tmp_path / "log")])
    asyncio.run(asyncio.wait_for(supervisor.run(stop), 12))


def test_a_child_that_waits_for_its_turn_is_not_started_after_the_stop(tmp_path: Path) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    supervisor = Supervisor([child(WAITS, early), child(WAITS, late, "late", after=30.0)])
    asyncio.run(supervised(supervisor, lambda: starts(early) == 1))
    assert starts(late) == 0


def test_children_know_that_they_are_supervised(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tells = (
        f"import os, sys, time; open(sys.argv[1], 'a').write('started ' + os.environ['{SUPERVISED}']); time.sleep(60)"
    )
    asyncio.run(supervised(Supervisor([child(tells, log)]), lambda: starts(log) == 1))
    assert log.read_text() == f"started {os.getpid()}"


@pytest.mark.skipif(sys.platform != "linux", reason="parts end with their parent by prctl, which Linux has")
def test_children_end_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    part = f"from burnline.process import prepare; prepare('part'); {WAITS}"
    code = (
        "import asyncio, sys; from burnline.supervisor import Child, Supervisor; "
        f"asyncio.run(Supervisor([Child('part', [sys.executable, '-c', {part!r}, {str(log)!r}])]).run(asyncio.Event()))"
    )

    async def check() -> None:
        parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path(__file__).parents[2])
        await until(lambda: starts(log) == 1)
        children = _children(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
        await parent.wait()
        await until(lambda: not any(_lives(pid) for pid in children))

    asyncio.run(check())


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
