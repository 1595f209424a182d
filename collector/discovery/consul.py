"""consul_sd: targets from the services of a Consul catalogue, through blocking queries.

One question waits for a change of the list of services, and one for each service waits for a change of its instances.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from collector.discovery.client import ApiClient
from collector.discovery.port import Group, Sink, joined
from collector.settings import ConsulSd
from core.errors import DiscoveryError

WAIT_SECONDS = 120
"""How long Consul holds a question without news; it adds up to a sixteenth itself."""
_GRACE = 30.0
_PAUSE = 5.0
"""Seconds to the next try after a failure, or refresh_interval where that is shorter."""
_UNNAMED = re.compile(r"[^a-zA-Z0-9_]")
_META = "__meta_consul_"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Node(_Entry):
    name: str = Field(default="", alias="Node")
    address: str = Field(default="", alias="Address")
    datacenter: str = Field(default="", alias="Datacenter")
    tagged: Mapping[str, str] | None = Field(default=None, alias="TaggedAddresses")
    meta: Mapping[str, str] | None = Field(default=None, alias="Meta")


class _Service(_Entry):
    id: str = Field(default="", alias="ID")
    address: str = Field(default="", alias="Address")
    port: int = Field(default=0, alias="Port")
    tags: tuple[str, ...] | None = Field(default=None, alias="Tags")
    meta: Mapping[str, str] | None = Field(default=None, alias="Meta")
    namespace: str = Field(default="", alias="Namespace")
    partition: str = Field(default="", alias="Partition")


class _Check(_Entry):
    id: str = Field(default="", alias="CheckID")
    status: str = Field(default="", alias="Status")


class Instance(_Entry):
    """An instance of a service, as /v1/health/service tells it."""

    node: _Node = Field(alias="Node")
    service: _Service = Field(alias="Service")
    checks: tuple[_Check, ...] | None = Field(default=None, alias="Checks")


_INSTANCES = TypeAdapter(list[Instance])
_SERVICES = TypeAdapter(dict[str, tuple[str, ...] | None])


T = TypeVar("T")


@dataclass(frozen=True)
class _Question(Generic[T]):
    """What is asked, and what its answer looks like; the key is the service, or empty for the list of them."""

    key: str
    path: str
    params: tuple[tuple[str, str], ...]
    shape: TypeAdapter[T]


@dataclass(frozen=True)
class _Answer(Generic[T]):
    told: T
    version: int


class Consul:
    """The services of one catalogue."""

    def __init__(self, given: ConsulSd) -> None:
        self.name = f"consul {given.server}"
        self._given = given
        self._groups: dict[str, Group] = {}
        self._errors: dict[str, str] = {}
        self._expected: frozenset[str] | None = None

    async def watch(self, sink: Sink) -> None:
        """Follow the catalogue; told once each of its services is known."""
        async with ApiClient(self._given.server.rstrip("/"), self._given) as client, asyncio.TaskGroup() as tasks:
            running: dict[str, asyncio.Task[None]] = {}
            async for names in self._services(client, sink):
                for gone in running.keys() - names:
                    running.pop(gone).cancel()
                    self._groups.pop(gone, None)
                    self._errors.pop(gone, None)
                for new in sorted(names - running.keys()):
                    running[new] = tasks.create_task(self._watch_service(client, new, sink))
                self._expected = names
                self._tell(sink)

    def _tell(self, sink: Sink) -> None:
        if self._expected is not None and self._groups.keys() >= self._expected:
            sink.accept(dict(sorted(self._groups.items())))
        if self._errors:
            sink.refuse(next(iter(self._errors.values())))

    async def _services(self, client: ApiClient, sink: Sink) -> AsyncIterator[frozenset[str]]:
        """Names of the services to look at, at once and after every change."""
        if self._given.services and not self._given.tags:
            yield frozenset(self._given.services)
            return
        async for told in self._follow(client, _Question("", "/v1/catalog/services", (), _SERVICES), sink):
            yield frozenset(name for name, tags in told.items() if self._wanted(name, tags or ()))

    def _wanted(self, name: str, tags: tuple[str, ...]) -> bool:
        return (not self._given.services or name in self._given.services) and set(self._given.tags) <= set(tags)

    async def _watch_service(self, client: ApiClient, name: str, sink: Sink) -> None:
        tags = tuple(("tag", tag) for tag in self._given.tags)
        question = _Question(name, f"/v1/health/service/{quote(name, safe='')}", tags, _INSTANCES)
        async for instances in self._follow(client, question, sink):
            self._groups[name] = group_of(name, instances, self._given.tag_separator)
            self._tell(sink)

    async def _follow(self, client: ApiClient, question: _Question[T], sink: Sink) -> AsyncIterator[T]:
        """What is answered to one question, each time it has another answer."""
        index = 0
        while True:
            try:
                answer = await self._ask(client, question, index)
            except DiscoveryError as error:
                self._errors[question.key] = f"{question.path}: {error}"
                sink.refuse(self._errors[question.key])
                index = 0
                await asyncio.sleep(min(_PAUSE, self._given.refresh_interval))
                continue
            if self._errors.pop(question.key, None) is not None:
                self._tell(sink)
            if answer.version != index or not index:
                yield answer.told
            # An index that goes back is begun anew, as Consul asks of its clients.
            index = answer.version if answer.version >= index else 0
            await asyncio.sleep(self._given.refresh_interval)

    async def _ask(self, client: ApiClient, question: _Question[T], index: int) -> _Answer[T]:
        params = (*self._params(index), *question.params)
        document, headers = await client.answer(question.path, params, WAIT_SECONDS * 17 / 16 + _GRACE)
        try:
            told = question.shape.validate_python(document)
            return _Answer(told, max(0, int(headers.get("X-Consul-Index", "0"))))
        except ValidationError as error:
            raise DiscoveryError(f"the answer cannot be read: {error.errors()[0]['msg']}") from None
        except ValueError:
            raise DiscoveryError("X-Consul-Index is no number") from None

    def _params(self, index: int) -> list[tuple[str, str]]:
        given = self._given
        told = {"dc": given.datacenter, "ns": given.namespace, "partition": given.partition}
        blocking = [("index", str(index)), ("wait", f"{WAIT_SECONDS}s")] if index else []
        meta = [("node-meta", f"{name}:{value}") for name, value in given.node_meta.items()]
        stale = [("stale", "")] if given.allow_stale else []
        return [*((name, value) for name, value in told.items() if value), *meta, *stale, *blocking]


def group_of(name: str, instances: list[Instance], separator: str) -> Group:
    """The targets of one service."""
    return Group(tuple(_target(one, separator) for one in instances), {f"{_META}service": name})


def _target(one: Instance, separator: str) -> dict[str, str]:
    node, service = one.node, one.service
    # Separators stand at both ends too, so that a rule need not care where a tag stands.
    tags = f"{separator}{separator.join(service.tags or ())}{separator}"
    told = {
        "address": node.address,
        "node": node.name,
        "dc": node.datacenter,
        "namespace": service.namespace,
        "partition": service.partition,
        "tags": tags,
        "service_address": service.address,
        "service_port": str(service.port),
        "service_id": service.id,
        "health": _health(one.checks or ()),
    }
    return {
        "__address__": joined(service.address or node.address, service.port),
        **{f"{_META}{name}": value for name, value in told.items()},
        **_named("metadata", node.meta),
        **_named("service_metadata", service.meta),
        **_named("tagged_address", node.tagged),
    }


def _named(prefix: str, pairs: Mapping[str, str] | None) -> dict[str, str]:
    return {f"{_META}{prefix}_{_UNNAMED.sub('_', name)}": value for name, value in (pairs or {}).items()}


def _health(checks: tuple[_Check, ...]) -> str:
    """The worst of the checks; maintenance hides them all."""
    if any(one.id == "_node_maintenance" or one.id.startswith("_service_maintenance:") for one in checks):
        return "maintenance"
    found = {one.status for one in checks}
    return next((status for status in ("critical", "warning") if status in found), "passing")
