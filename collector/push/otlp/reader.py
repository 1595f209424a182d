"""The way of OTLP metrics: from a request to pages, one of each resource and time.

A resource is a target: `service.namespace/service.name` is its job, `service.instance.id` its instance, as in
Prometheus. Points of one resource whose times lie within half a second are of one page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import cramjam
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from collector.otlp.spans import read_attributes
from collector.promql.claims import PUSHED
from collector.promql.pages import Address
from collector.push.assembly import Part
from collector.push.catalog import Catalog
from collector.push.otlp.points import Point, read, text_of
from collector.push.pages import SINCE
from collector.push.remote_write import AHEAD, BACK
from collector.push.way import Pushed, Way
from collector.settings import CollectorSettings
from core.clock import Clock
from core.errors import ParseError
from core.labels import Labels, make, with_target

SETTLE = 2.0
"""Seconds for which the rest of a page is waited for: an exporter that splits one sends its parts right after each
other."""
LEAVES_AFTER = 300.0
"""An application that has ended says nothing: after so many seconds, or two intervals, it has left."""
_ONE_PAGE = 500
"""Milliseconds."""
_BEGAN = "process_start_time_seconds"
_INSTANCE = (("service.instance.id",), ("k8s.pod.uid",), ("k8s.pod.name",), ("host.name", "process.pid"))
"""Attributes that tell processes apart, best first."""


def way_of(settings: CollectorSettings) -> Way:
    """How pages come by OTLP."""
    return Way(f"{settings.shard_name}/otlp{PUSHED}", "otlp-metrics", SETTLE, LEAVES_AFTER, at_once=True)


@dataclass
class _Page:
    """What a resource tells at one time."""

    points: list[Point] = field(default_factory=list)

    def deltas(self) -> bool:
        return any(point.delta for point in self.points)

    def start(self) -> float:
        """The earliest start of its points, in Unix seconds; infinite where none tells one."""
        return min((p.start / 1e9 for p in self.points if p.start and p.delta is not None), default=inf)


class OtlpReader:
    """Reads requests that `keep` made."""

    def __init__(self, settings: CollectorSettings, clock: Clock) -> None:
        self._dimensions, self._clock = settings.otlp.dimensions, clock
        self._catalog = Catalog()

    def read(self, body: bytes) -> Pushed:
        """ParseError where it is no request."""
        request = service.ExportMetricsServiceRequest()
        try:
            request.ParseFromString(bytes(cramjam.snappy.decompress_raw(body)))
        except (DecodeError, cramjam.DecompressionError):
            raise ParseError("the body is no ExportMetricsServiceRequest in protobuf") from None
        parts: list[Part] = []
        refused: list[str] = []
        for resource in request.resource_metrics:
            for found in self._resource(resource):
                (refused if isinstance(found, str) else parts).append(found)  # type: ignore[arg-type]  # by its type
        return Pushed(body, parts, Counter(rejected=len(refused)), len(refused), refused[0] if refused else "")

    def forget(self, address: Address) -> None:
        """Nothing is remembered of a target."""

    def _resource(self, resource: otlp.ResourceMetrics) -> Iterator[Part | str]:
        told = [one for scope in resource.scope_metrics for metric in scope.metrics for one in read(metric)]
        attributes = read_attributes(resource.resource.attributes)
        address = address_of(attributes)
        if isinstance(address, str):
            yield from [address] * len(told)
            return
        target = make({**self._told(attributes), "job": address.job, "instance": address.instance})
        yield from (one for one in told if isinstance(one, str))
        points = [one for one in told if isinstance(one, Point)]
        wrong = [self._wrong(one.time) for one in points]
        yield from filter(None, wrong)
        for time, page in _pages([one for one, why in zip(points, wrong, strict=True) if not why]).items():
            yield from self._page(page, time, address, target)

    def _wrong(self, time: int) -> str:
        """Why a time in nanoseconds is none that is counted; empty where it is."""
        now = self._clock.now()
        if not time:
            return "a point has no time"
        if time > (now + AHEAD) * 1e9:
            return "a point is ahead of our clock by over a minute"
        return "a point is over two days old" if time <= (now - BACK) * 1e9 else ""

    def _told(self, attributes: Mapping[str, object]) -> dict[str, str]:
        """The dimensions that a resource tells."""
        return {
            dimension: next((text_of(attributes[name]) for name in names if attributes.get(name)), "")
            for dimension, names in self._dimensions.items()
        }

    def _page(self, page: _Page, time: int, address: Address, target: Labels) -> Iterator[Part | str]:
        deltas = page.deltas()
        for point in page.points:
            if deltas and point.delta is False:
                yield "a cumulative point beside deltas of one resource: set one temporality preference for all"
                continue
            for name, bound, value in point.values:
                own = make({**point.labels, **({"le": bound} if bound else {})})
                yield self._part(name, own, address, target, time, value)
        yield self._part("up", (), address, target, time, 1.0)
        if page.start() < inf:
            yield self._part(SINCE if deltas else _BEGAN, (), address, target, time, page.start())

    def _part(self, name: str, own: Labels, address: Address, target: Labels, time: int, value: float | None) -> Part:
        labels = make({**with_target(own, dict(target)), "__name__": name})
        return Part(self._catalog.one(name, labels, address), time, value)


def keep(request: service.ExportMetricsServiceRequest) -> bytes:
    """A request as it is kept."""
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def address_of(attributes: Mapping[str, object]) -> Address | str:
    """The target that a resource is, or why it is none."""
    name, space = text_of(attributes.get("service.name")), text_of(attributes.get("service.namespace"))
    if not name:
        return "a resource without service.name is no target"
    for keys in _INSTANCE:
        values = [text_of(attributes.get(key)) for key in keys]
        if all(values):
            return Address(":".join(values), f"{space}/{name}" if space else name)
    return f"{name}: its processes cannot be told apart: set service.instance.id in the resource"


def _pages(points: Sequence[Point]) -> dict[int, _Page]:
    """Points by the time of their page (milliseconds): the last of times that lie close together."""
    times = sorted({_ms(point.time) for point in points})
    last: dict[int, int] = {}
    for time, after in pairwise([*reversed(times), -_ONE_PAGE * 10]):
        last.setdefault(time, time)
        if time - after <= _ONE_PAGE:
            last[after] = last[time]
    found: dict[int, _Page] = {}
    for point in points:
        found.setdefault(last[_ms(point.time)], _Page()).points.append(point)
    return found


def _ms(nanoseconds: int) -> int:
    """Rounded up, so that nothing begins after its page."""
    return -(-nanoseconds // 10**6)
