"""A receiver of remote write that only keeps what it gets, for `bench.remote_write`.

    python -m bench.receiving --folder DIR

prints its port and takes requests until SIGTERM; those to /NAME go to the file DIR/NAME, each after its length.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cramjam
from aiohttp import web

from bench.remote_proto import WriteRequest

_LENGTH = struct.Struct("<I")

Series = tuple[tuple[str, str], ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Receive until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.receiving", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    asyncio.run(_receive(parser.parse_args(argv).folder))
    return 0


async def _receive(folder: Path) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def take(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        with (folder / request.path.strip("/")).open("ab") as file:
            file.write(_LENGTH.pack(len(body)) + body)
        return web.Response(status=204)

    runner = web.ServerRunner(web.Server(take, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await ended.wait()
    await runner.cleanup()


class Received:
    """What one sender sent: bytes of bodies, samples of each time in whole seconds, and all samples of some series."""

    def __init__(self, path: Path, wanted: set[tuple[str, str]]) -> None:
        """`wanted`: pairs of (instance, worker) of which every sample is told."""
        self.bytes = 0
        self.times: Counter[int] = Counter()
        self.watched: dict[tuple[str, str], dict[int, float]] = {pair: {} for pair in wanted}
        for body in _bodies(path):
            self.bytes += len(body)
            for series in WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body))).timeseries:
                self._take(series)

    def _take(self, series: WriteRequest) -> None:
        for sample in series.samples:
            self.times[sample.timestamp // 1000] += 1
        labels = {label.name: label.value for label in series.labels}
        pair = labels.get("instance", ""), labels.get("worker", "")
        if pair in self.watched:
            self.watched[pair].update((sample.timestamp, sample.value) for sample in series.samples)

    @property
    def samples(self) -> int:
        return self.times.total()


def _bodies(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield file.read(_LENGTH.unpack(head)[0])


if __name__ == "__main__":
    sys.exit(main())
