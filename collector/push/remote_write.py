"""The way of remote write 1.0: from a body to the samples that are taken."""

from __future__ import annotations

from collections import Counter

from collector.promql.claims import PUSHED
from collector.promql.pages import Address
from collector.push import wire
from collector.push.assembly import Part
from collector.push.catalog import Catalog
from collector.push.replicas import Replicas
from collector.push.way import Pushed, Way
from collector.settings import CollectorSettings, RemoteWriteReceiver
from core.clock import Clock
from core.matchers import parse_selector

AHEAD = 60.0
"""A sample may be this much ahead of our clock (seconds)."""
BACK = 48 * 3600.0
"""A sample may be this old: no sender keeps more, and a wrong clock must not make a target expected for years."""
_SILENT = 3600.0
"""A target that is scraped by its sender leaves when it was silent for this long: its sender is gone as well."""


def way_of(settings: CollectorSettings) -> Way:
    """How pages come by remote write."""
    return Way(f"{settings.servers_name}{PUSHED}", "push", settings.remote_write_receiver.settle, _SILENT)


class RemoteWriteReader:
    """Reads requests of remote write."""

    def __init__(self, settings: RemoteWriteReceiver, clock: Clock) -> None:
        self._clock, self._limit = clock, settings.max_body
        selected = [parse_selector(text).matchers for text in settings.match]
        self._catalog = Catalog(selected, frozenset(settings.replica_labels))
        self._replicas = Replicas()

    def read(self, body: bytes) -> Pushed:
        """ParseError where it is no remote write request, TooLarge where it is too much."""
        parts: list[Part] = []
        dropped: Counter[str] = Counter()
        now = self._clock.now()
        earliest, latest = round((now - BACK) * 1000), round((now + AHEAD) * 1000)
        for sent in wire.series(wire.plain(body, self._limit)):
            dropped["native_histogram"] += sent.histograms
            found, replica, reason = self._catalog.find(sent.labels)
            if found is None:
                dropped[reason] += len(sent.samples)
                continue
            if replica and not self._replicas.follows(found.address, replica, self._clock.monotonic()):
                dropped["replica"] += len(sent.samples)
                continue
            parts += [Part(found, time, value) for time, value in sent.samples if earliest < time <= latest]
            dropped["past"] += sum(time <= earliest for time, _ in sent.samples)
            dropped["future"] += sum(time > latest for time, _ in sent.samples)
        return Pushed(body, parts, dropped)

    def forget(self, address: Address) -> None:
        """The target has left."""
        self._replicas.forget([address])
