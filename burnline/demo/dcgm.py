"""A GPU exporter like NVIDIA's: one GPU a replica, its figures derived from what the replica's engine does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from burnline.demo import child
from burnline.demo.engine import Hardware
from core import labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_POLL_SECONDS = 1.0
_MEMORY_MIB = 81_559
_IDLE_WATTS, _BUSY_WATTS = 68.0, 560.0
_MODEL, _HOST, _DRIVER = "NVIDIA H100 80GB HBM3", "demo-node", "550.90.07"


class Gpu(NamedTuple):
    """The identity of a GPU and of the replica that runs on it."""

    number: int
    uuid: str
    pod: str


class Reading(NamedTuple):
    """What a GPU shows: shares from 0 to 1, energy in millijoules since boot.

    `utilisation` is the share of time in which any kernel ran, so one running request makes it 1;
    `occupancy` is how full the batch was, which is what power follows.
    """

    utilisation: float
    occupancy: float
    memory: float
    energy: float
    xid: int = 0

    @property
    def activity(self) -> float:
        """The share of the GPU's units that work: a decode step alone keeps a third of them busy."""
        return self.utilisation * (0.35 + 0.65 * self.occupancy)

    @property
    def watts(self) -> float:
        return _IDLE_WATTS + (_BUSY_WATTS - _IDLE_WATTS) * self.activity


# name, type, help, and the value of a reading
_FIELDS = (
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock in MHz.", lambda r: 1980 if r.utilisation else 345),
    ("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock in MHz.", lambda r: 2619),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature in degrees C.", lambda r: int(38 + 40 * r.activity)),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature in degrees C.", lambda r: int(31 + 36 * r.activity)),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw in W.", lambda r: f"{r.watts:.6f}"),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since boot in mJ.", lambda r: int(r.energy)),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilisation in percent.", lambda r: round(100 * r.utilisation)),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilisation in percent.", lambda r: round(62 * r.activity)),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Code of the last XID error.", lambda r: r.xid),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Free memory in MiB.", lambda r: _MEMORY_MIB - round(_MEMORY_MIB * r.memory)),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Used memory in MiB.", lambda r: round(_MEMORY_MIB * r.memory)),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Share of time active.", lambda r: f"{r.utilisation:.6f}"),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Tensor pipe.", lambda r: f"{0.31 * r.activity:.6f}"),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Memory interface.", lambda r: f"{0.58 * r.activity:.6f}"),
)


def render(readings: Iterable[tuple[Gpu, Reading]]) -> bytes:
    """The exporter's page: a family a field, a sample a GPU."""
    rows = [(_labels(gpu), reading) for gpu, reading in readings]
    lines = []
    for name, kind, text, value in _FIELDS:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{own} {value(reading)}" for own, reading in rows]
    return ("\n".join(lines) + "\n").encode()


def _labels(gpu: Gpu) -> str:
    pairs = (
        ("gpu", str(gpu.number)),
        ("UUID", gpu.uuid),
        ("pci_bus_id", f"00000000:{0x10 + gpu.number:02X}:00.0"),
        ("device", f"nvidia{gpu.number}"),
        ("modelName", _MODEL),
        ("Hostname", _HOST),
        ("DCGM_FI_DRIVER_VERSION", _DRIVER),
        ("container", "vllm"),
        ("namespace", "demo"),
        ("pod", gpu.pod),
    )
    return "{" + ",".join(f'{name}="{labels.escape(value)}"' for name, value in pairs) + "}"


@dataclass(frozen=True)
class ExporterSettings:
    """What the exporter is told: `gpus` are (number, uuid, replica, `host:port` of the replica)."""

    address: str
    gpus: list[list[Any]]
    speed: float


class Exporter:
    """Watches the replicas and serves the page. A GPU whose replica is dead is idle and empty."""

    def __init__(self, settings: ExporterSettings) -> None:
        self._speed = settings.speed
        self._gpus = {str(address): Gpu(number, uuid, pod) for number, uuid, pod, address in settings.gpus}
        self._readings = {address: Reading(0.0, 0.0, 0.0, 0.0) for address in self._gpus}
        self._seen: dict[str, tuple[float, float]] = {}

    async def metrics(self, request: web.Request) -> web.Response:
        page = render((gpu, self._readings[address]) for address, gpu in self._gpus.items())
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})

    async def watch(self, session: aiohttp.ClientSession) -> None:
        """Look at every replica once a second, for ever."""
        while True:
            await asyncio.gather(*(self._look(session, address) for address in self._gpus))
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self, session: aiohttp.ClientSession, address: str) -> None:
        try:
            async with session.get(f"http://{address}/state") as response:
                state = await response.json()
        except (aiohttp.ClientError, TimeoutError):
            state = None
        self._readings[address] = self._read(address, state)

    def _read(self, address: str, state: dict[str, Any] | None) -> Reading:
        before = self._readings[address]
        energy = before.energy + before.watts * 1000 * _POLL_SECONDS * self._speed
        if state is None:
            self._seen.pop(address, None)
            return Reading(0.0, 0.0, 0.0, energy, before.xid)
        then, busy = self._seen.get(address, (0.0, 0.0))
        if state["now"] <= then:  # the replica has restarted between two looks
            then, busy = 0.0, 0.0
        self._seen[address] = (state["now"], state["busy"])
        share = (state["busy"] - busy) / max(state["now"] - then, 1e-9)
        utilisation = 1.0 if state["frozen"] else min(1.0, max(0.0, share))
        occupancy = state["running"] / Hardware.max_sequences
        return Reading(utilisation, occupancy, state["gpu_memory"], energy, state["xid"] or before.xid)


async def serve(settings: ExporterSettings) -> None:
    """Run the exporter until its supervisor ends it."""
    exporter = Exporter(settings)
    app = web.Application()
    app.router.add_get("/metrics", exporter.metrics)
    timeout = aiohttp.ClientTimeout(total=_POLL_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, child.serving(app, settings.address):
        watching = asyncio.create_task(exporter.watch(session))
        await child.until_stopped(child.ignore)
        watching.cancel()


if __name__ == "__main__":
    child.die_with_parent()
    asyncio.run(serve(child.settings_of(ExporterSettings)))
