"""The life of the gRPC port: listens, again and again where the port is taken, and ends with the receiver.

grpcio costs the collector some 12 MB, so this is imported only where gRPC is served.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before the import: its core writes a line for calls that it refuses
import grpc
import grpc.aio

from collector.metrics import OtlpMetrics
from collector.otlp.grpc_services import Services
from collector.otlp.receive import Receiver
from collector.settings import OtlpSettings

log = logging.getLogger(__name__)

_IDENTITY_AND_GZIP = 0b101
"""Bits of gRPC's list of compressions: none, deflate, gzip."""


class GrpcServer:
    """Serves the receiver's table of services."""

    def __init__(self, receiver: Receiver, settings: OtlpSettings, metrics: OtlpMetrics) -> None:
        self._services = Services(receiver, settings.max_body, metrics)
        self._settings = settings
        self._metrics = metrics
        self._server: grpc.aio.Server | None = None
        self._bound = 0
        self._ready = asyncio.Event()

    async def run(self, again: float) -> None:
        """Serve until cancelled; a port that is taken is tried every `again` seconds."""
        said = False
        while not await self._bind(said=said):
            said = True
            await asyncio.sleep(again)
        self._ready.set()
        self._metrics.grpc_listening.set(1)
        log.info("OTLP spans are received over gRPC on %s:%d", self._settings.host, self._bound)
        await asyncio.Event().wait()

    async def port(self) -> int:
        """The port that is listened on, once it is."""
        await self._ready.wait()
        return self._bound

    async def stop(self, grace: float) -> None:
        """Take no more calls; those on their way have `grace` seconds for their answer."""
        if self._server is not None:
            await self._server.stop(grace)
        self._metrics.grpc_listening.set(0)

    async def _bind(self, *, said: bool) -> bool:
        server = grpc.aio.server(handlers=(self._services,), options=self._options())
        host, port = self._settings.host, self._settings.grpc.port
        try:
            _try(host, port)
            self._bound = server.add_insecure_port(f"{_bracketed(host)}:{port}")
        except (OSError, RuntimeError) as error:
            if not said:
                log.error("no spans are received over gRPC yet: collector.otlp.grpc.port %d: %s", port, error)
            return False
        await server.start()
        self._server = server
        return True

    def _options(self) -> list[tuple[str, int]]:
        return [
            ("grpc.so_reuseport", 0),  # or two collectors would listen on one port, and neither hear of it
            ("grpc.max_receive_message_length", self._settings.max_body),
            ("grpc.per_message_decompression", 0),
            ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
        ]


def _try(host: str, port: int) -> None:
    """OSError with the reason where a port cannot be had: grpcio itself does not tell one."""
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
        pass


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
