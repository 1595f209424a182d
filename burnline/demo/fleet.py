"""The demo fleet: starts its processes, follows the script, restarts what dies, and leaves nothing behind.

Files below the demo's directory: `targets.json` (Prometheus file_sd), `fleet.json` (addresses, scenario, start),
`events.jsonl` (what the script did when), `journal/` (the truth), `load.jsonl` (the clients' side), `received.jsonl`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from burnline.demo import child
from burnline.demo.dcgm import ExporterSettings
from burnline.demo.journal import Writer
from burnline.demo.load import LoadSettings
from burnline.demo.receiver import ReceiverSettings
from burnline.demo.replica import ReplicaSettings
from burnline.demo.scenarios import SCENARIOS, Change, Effects, Event, Kill, Scope, Traffic
from burnline.demo.settings import DemoSettings, Replica, Topology, topology, with_free_ports
from core.errors import BurnlineError

__all__ = ["DemoSettings", "run", "with_free_ports"]

# A model server takes long to load; the demo shortens it to two simulated seconds, but never spins.
_RESTART_SECONDS, _SHORTEST_RESTART = 2.0, 0.2
_READY_WITHIN = 30.0
_STOP_WITHIN = 3.0


class StartError(BurnlineError):
    """A process of the demo fleet does not listen in time."""


def run(settings: DemoSettings) -> int:
    """Run the fleet until SIGTERM, SIGINT or the end of `duration`; 0, or 1 when it could not start."""
    return asyncio.run(_Supervisor(with_free_ports(settings)).run())


@dataclass
class _Child:
    """A process of the fleet, and what it takes to start another one in its place."""

    name: str
    module: str
    settings: Any
    replica: Replica | None = None
    process: asyncio.subprocess.Process | None = None
    stays_dead: bool = False
    latest: dict[str, Any] = field(default_factory=dict)


class _Supervisor:
    def __init__(self, settings: DemoSettings) -> None:
        self._settings = settings
        self._fleet = topology(settings)
        self._directory = Path(settings.directory).absolute()
        self._stopping = asyncio.Event()
        self._children = list(_children(settings, self._fleet, self._directory))
        self._load = _load(settings, self._fleet, self._directory)

    async def run(self) -> int:
        self._prepare()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        keepers = [asyncio.create_task(self._keep(each)) for each in self._children]
        try:
            await self._until_ready()
            keepers.append(asyncio.create_task(self._keep(self._load)))
            self._describe()
            keepers.append(asyncio.create_task(self._follow_script()))
            await self._until_stopped(keepers)
        except StartError as error:
            print(error, file=sys.stderr)  # noqa: T201 -- the one word that the person who started the fleet needs
            return 1
        finally:
            await self._stop(keepers)
        return 0

    def _prepare(self) -> None:
        (self._directory / "journal").mkdir(parents=True, exist_ok=True)
        _replace(self._directory / "targets.json", [target._asdict() for target in self._fleet.targets()])

    def _describe(self) -> None:
        addresses = {replica.name: replica.url for replica in self._fleet.replicas}
        _replace(
            self._directory / "fleet.json",
            {
                "scenario": self._settings.scenario,
                "description": SCENARIOS[self._settings.scenario].description,
                "started": time.time(),
                "speed": self._settings.speed,
                "seed": self._settings.seed,
                "pid": os.getpid(),
                "replicas": [asdict(replica) | {"url": addresses[replica.name]} for replica in self._fleet.replicas],
                "dcgm": f"http://{self._fleet.dcgm}",
                "receiver": f"http://{self._fleet.receiver}",
            },
        )

    async def _until_ready(self) -> None:
        """Wait until every server listens."""
        addresses = [replica.address for replica in self._fleet.replicas]
        waiting = (_listens(address) for address in (*addresses, self._fleet.dcgm, self._fleet.receiver))
        ready = asyncio.gather(*waiting)
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait((ready, stopping), timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        ready.cancel()
        if not done:
            raise StartError(f"the demo fleet does not listen after {_READY_WITHIN:.0f} s: see the messages above")

    async def _until_stopped(self, keepers: list[asyncio.Task[None]]) -> None:
        """Until a signal or the end of the duration; a fault of the supervisor's own ends the fleet too."""
        stopping = asyncio.create_task(self._stopping.wait())
        failing = asyncio.gather(*keepers)
        done, _ = await asyncio.wait(
            (stopping, failing), timeout=self._settings.duration, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        if failing in done:
            failing.result()

    async def _keep(self, this: _Child) -> None:
        """Keep a process running for as long as the fleet runs and the script does not want it dead."""
        while not this.stays_dead:
            process = await self._start(this)
            if self._stopping.is_set():  # the stop went round while this process was being started
                process.terminate()
            exit_code = await process.wait()
            if this.replica is not None:
                _write_end(self._directory, this.replica, exit_code)
            if self._stopping.is_set():
                return
            self._note("exit", name=this.name, exit_code=exit_code)
            await self._pause(max(_SHORTEST_RESTART, _RESTART_SECONDS / self._settings.speed))
            if self._stopping.is_set():
                return
        await self._stopping.wait()

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than the fleet runs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _start(self, this: _Child) -> asyncio.subprocess.Process:
        """A process group of its own keeps the terminal's Ctrl-C for the supervisor, which passes it on in order."""
        this.process = await asyncio.create_subprocess_exec(
            *child.command(this.module, this.settings), stdin=asyncio.subprocess.PIPE, process_group=0
        )
        if this.latest:
            _tell(this, this.latest)
        return this.process

    async def _follow_script(self) -> None:
        begin = time.monotonic()
        for event in SCENARIOS[self._settings.scenario].events:
            due = begin + (self._settings.start_delay + event.at) / self._settings.speed
            await self._pause(max(0.0, due - time.monotonic()))
            if self._stopping.is_set():
                return
            self._play(event)
        await self._stopping.wait()

    def _play(self, event: Event) -> None:
        if isinstance(event, Traffic):
            self._note("traffic", share=event.share)
            _tell(self._load, {"share": event.share})
            return
        for target in self._matching(event.scope):
            if isinstance(event, Change):
                self._change(target, event.effects)
            else:
                self._kill(target, event)

    def _change(self, target: _Child, effects: Effects) -> None:
        self._note("effects", name=target.name, **asdict(effects))
        _tell(target, asdict(effects))

    def _kill(self, target: _Child, event: Kill) -> None:
        self._note("kill", name=target.name, stays_dead=event.stays_dead)
        target.stays_dead = event.stays_dead
        if target.process is not None and target.process.returncode is None:
            target.process.kill()

    def _matching(self, scope: Scope) -> list[_Child]:
        replicas = [(each, each.replica) for each in self._children if each.replica is not None]
        found = [each for each, replica in replicas if scope.covers(replica.version, replica.region)]
        return found if scope.number is None else found[scope.number : scope.number + 1]

    def _note(self, kind: str, **fields: Any) -> None:
        with (self._directory / "events.jsonl").open("ab") as file:
            file.write(orjson.dumps({"time": time.time(), "kind": kind, **fields}) + b"\n")

    async def _stop(self, keepers: list[asyncio.Task[None]]) -> None:
        """SIGTERM to all, SIGKILL to those that linger, and wait until each is gone and its end is written down."""
        self._stopping.set()
        everyone = [each.process for each in (*self._children, self._load) if each.process is not None]
        _signal(everyone, signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in everyone]
        if waits:
            await asyncio.wait(waits, timeout=_STOP_WITHIN)
        _signal(everyone, signal.SIGKILL)
        await asyncio.gather(*waits)
        if keepers:
            await asyncio.wait(keepers, timeout=_STOP_WITHIN / 3)
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


def _children(settings: DemoSettings, fleet: Topology, directory: Path) -> Iterator[_Child]:
    for replica in fleet.replicas:
        own = ReplicaSettings(
            name=replica.name,
            version=replica.version,
            region=replica.region,
            address=replica.address,
            directory=str(directory),
            speed=settings.speed,
            seed=settings.seed,
        )
        yield _Child(replica.name, "burnline.demo.replica", own, replica)
    gpus = [[replica.gpu, replica.gpu_uuid, replica.name, replica.address] for replica in fleet.replicas]
    yield _Child("dcgm", "burnline.demo.dcgm", ExporterSettings(fleet.dcgm, gpus, settings.speed))
    yield _Child("receiver", "burnline.demo.receiver", ReceiverSettings(fleet.receiver, str(directory)))


def _load(settings: DemoSettings, fleet: Topology, directory: Path) -> _Child:
    own = LoadSettings(
        replicas=[[replica.name, replica.version, replica.region, replica.address] for replica in fleet.replicas],
        directory=str(directory),
        request_rate=settings.request_rate,
        canary_share=settings.canary_share,
        abort_share=settings.abort_share,
        speed=settings.speed,
        seed=settings.seed,
        otlp=settings.otlp,
    )
    return _Child("load", "burnline.demo.load", own)


def _tell(this: _Child, message: dict[str, Any]) -> None:
    """Send a control message; a process that is dead gets it when it starts again."""
    this.latest = message
    if this.process is not None and this.process.stdin is not None and this.process.returncode is None:
        this.process.stdin.write(orjson.dumps(message) + b"\n")


def _signal(processes: list[asyncio.subprocess.Process], number: signal.Signals) -> None:
    for process in processes:
        if process.returncode is None:
            process.send_signal(number)


def _write_end(directory: Path, replica: Replica, exit_code: int) -> None:
    writer = Writer(directory, replica.name)
    writer.end(time.time(), exit_code)
    writer.close()


async def _listens(address: str) -> None:
    host, _, port = address.rpartition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _replace(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a part."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    fresh.replace(path)
