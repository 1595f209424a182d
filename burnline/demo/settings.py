"""What a demo fleet is made of: settings, the replicas that follow from them, and their addresses."""

from __future__ import annotations

import random
import socket
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from burnline.demo.scenarios import SCENARIOS
from core.errors import ConfigError

MODEL_NAME = "demo-llm-8b"
STABLE, CANARY = "v1", "v2"

# Linux gives ports from 32768 up to outgoing connections: up there, a replica's port may be taken when it restarts.
_PORT_RANGE = (20_000, 32_000)


@dataclass(frozen=True)
class Cell:
    """How many replicas of one model version run in one region."""

    version: str
    region: str
    replicas: int


DEFAULT_CELLS = (
    Cell(STABLE, "eu-west", 2),
    Cell(STABLE, "us-east", 2),
    Cell(CANARY, "eu-west", 1),
    Cell(CANARY, "us-east", 1),
)


@dataclass(frozen=True)
class DemoSettings:
    """Everything that a demo fleet needs to know; checked once, ConfigError names what is wrong.

    `speed` is simulated seconds in a wall second. `request_rate` and `start_delay` are in simulated seconds,
    `duration` is in wall seconds (None: until told to stop). `base_port` is the first of the consecutive ports in use;
    with 0, `with_free_ports` chooses them. `otlp` is where clients send traces (`http://host:port`, empty: nowhere).
    """

    scenario: str = "canary-regression"
    seed: int = 1
    speed: float = 1.0
    directory: Path = Path("var/demo")
    host: str = "127.0.0.1"
    base_port: int = 0
    cells: tuple[Cell, ...] = DEFAULT_CELLS
    request_rate: float = 20.0
    canary_share: float = 0.25
    abort_share: float = 0.0005
    start_delay: float = 0.0
    otlp: str = ""
    duration: float | None = None

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise ConfigError(f"no demo scenario {self.scenario!r}: choose one of {', '.join(sorted(SCENARIOS))}")
        if self.speed <= 0 or self.request_rate < 0 or self.start_delay < 0:
            raise ConfigError("speed must be above 0, request_rate and start_delay at least 0")
        if not (0 <= self.canary_share <= 1 and 0 <= self.abort_share <= 1):
            raise ConfigError("canary_share and abort_share are shares from 0 to 1")
        if not self.cells or any(cell.replicas < 1 for cell in self.cells):
            raise ConfigError("a demo fleet needs at least one cell, and each cell at least one replica")


@dataclass(frozen=True)
class Replica:
    """One simulated server, and the GPU that it runs on."""

    name: str
    version: str
    region: str
    port: int
    gpu: int
    gpu_uuid: str
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class Target(NamedTuple):
    """A group of scrape targets as Prometheus's file_sd writes it: `host:port` addresses and their labels."""

    targets: list[str]
    labels: dict[str, str]


@dataclass(frozen=True)
class Topology:
    """All addresses of a demo fleet (`host:port`)."""

    replicas: tuple[Replica, ...]
    dcgm: str
    receiver: str
    node_region: str

    def targets(self) -> list[Target]:
        """What there is to scrape: the replicas in order, then the GPU exporter. A dead replica stays a target."""
        exporter = Target([self.dcgm], {"job": "dcgm", "region": self.node_region})
        return [*(Target([replica.address], _labels(replica)) for replica in self.replicas), exporter]


def _labels(replica: Replica) -> dict[str, str]:
    return {"job": "vllm", "version": replica.version, "region": replica.region, "replica": replica.name}


def topology(settings: DemoSettings) -> Topology:
    """The fleet that the settings describe; ConfigError when no ports are chosen yet."""
    if settings.base_port == 0:
        raise ConfigError("the demo fleet has no ports yet: call with_free_ports(settings) first")
    places = [(cell, number) for cell in settings.cells for number in range(cell.replicas)]
    replicas = tuple(_replica(settings, cell, number, gpu) for gpu, (cell, number) in enumerate(places))
    after = settings.base_port + len(replicas)
    return Topology(
        replicas, f"{settings.host}:{after}", f"{settings.host}:{after + 1}", node_region=settings.cells[0].region
    )


def _replica(settings: DemoSettings, cell: Cell, number: int, gpu: int) -> Replica:
    name = f"{cell.version}-{cell.region}-{number}"
    port = settings.base_port + gpu
    gpu_uuid = f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{settings.seed}.{name}.burnline-demo')}"
    return Replica(name, cell.version, cell.region, port, gpu, gpu_uuid, f"{settings.host}:{port}")


def with_free_ports(settings: DemoSettings) -> DemoSettings:
    """The same settings with ports that were free just now; settings that name ports come back unchanged."""
    if settings.base_port:
        return settings
    count = sum(cell.replicas for cell in settings.cells) + 2
    choose = random.SystemRandom()
    for _ in range(200):
        base = choose.randrange(*_PORT_RANGE)
        if all(is_free(settings.host, base + offset) for offset in range(count)):
            return replace(settings, base_port=base)
    raise ConfigError(f"found no {count} free ports in a row on {settings.host}: set base_port")


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
