"""kubernetes_sd: targets from pods, services, endpoints and endpoint slices, through the watch API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from collector.discovery.client import ApiClient
from collector.discovery.kubernetes.access import Api, api_of
from collector.discovery.kubernetes.objects import Endpoints, EndpointSlice, Known, Pod, Service
from collector.discovery.kubernetes.roles import (
    SERVICE_NAME,
    endpoints_group,
    endpointslice_group,
    pod_group,
    service_group,
)
from collector.discovery.kubernetes.watch import PAUSES, Pauses, Resource, Watch
from collector.discovery.port import Group, Sink
from collector.settings import KubernetesSd
from core.errors import DiscoveryError

_CORE, _DISCOVERY = "/api/v1", "/apis/discovery.k8s.io/v1"
_SETTLE = 0.1
"""Seconds in which changes are gathered: a deployment changes many objects at once."""


class _Kind(NamedTuple):
    resource: str
    api: str
    kind: type[Known]


_KINDS: Mapping[str, _Kind] = {
    "pod": _Kind("pods", _CORE, Pod),
    "service": _Kind("services", _CORE, Service),
    "endpoints": _Kind("endpoints", _CORE, Endpoints),
    "endpointslice": _Kind("endpointslices", _DISCOVERY, EndpointSlice),
}
_LOOKS_AT: Mapping[str, tuple[str, ...]] = {
    "pod": ("pod",),
    "service": ("service",),
    "endpoints": ("endpoints", "service", "pod"),
    "endpointslice": ("endpointslice", "service", "pod"),
}
"""What a role watches: endpoints tell of their service and their pods."""


class Kubernetes:
    """One role in some or all namespaces of a cluster."""

    def __init__(
        self, given: KubernetesSd, pauses: Pauses = PAUSES, api: Callable[[KubernetesSd], Api] = api_of
    ) -> None:
        self.name = f"kubernetes {given.role} {given.api_server or 'in the cluster'}"
        self._given = given
        self._pauses = pauses
        self._api = api
        self._news = asyncio.Event()
        self._watches: dict[str, list[Watch]] = {}

    async def watch(self, sink: Sink) -> None:
        """List and watch what the role looks at, and tell its targets once all of it is known."""
        try:
            api = self._api(self._given)
        except DiscoveryError as error:
            sink.refuse(str(error))  # the surroundings of a process do not change
            return
        async with ApiClient(api.base, api.access) as client, asyncio.TaskGroup() as tasks:
            for role in _LOOKS_AT[self._given.role]:
                self._watches[role] = [
                    Watch(client, self._resource(role, namespace), self._news.set, self._pauses)
                    for namespace in api.namespaces
                ]
            for one in self._all():
                tasks.create_task(one.run())
            await self._tell(sink)

    async def _tell(self, sink: Sink) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if all(one.synced for one in self._all()):
                sink.accept(dict(self._groups()))
            errors = [one.error for one in self._all() if one.error]
            if errors:
                sink.refuse(errors[0])
            await asyncio.sleep(_SETTLE)

    def _all(self) -> list[Watch]:
        return [one for watches in self._watches.values() for one in watches]

    def _resource(self, role: str, namespace: str) -> Resource:
        found = _KINDS[role]
        within = f"/namespaces/{namespace}" if namespace else ""
        given = next((one for one in self._given.selectors if one.role == role), None)
        selectors = {"labelSelector": given.label, "fieldSelector": given.field} if given else {}
        path = f"{found.api}{within}/{found.resource}"
        return Resource(path, found.kind, {name: value for name, value in selectors.items() if value})

    def _groups(self) -> Iterator[tuple[str, Group]]:
        services, pods = self._objects("service"), self._objects("pod")

        def pod_of(key: str) -> Pod | None:
            found = pods.get(key)
            return found if isinstance(found, Pod) else None

        def service_of(namespace: str, name: str) -> Service | None:
            found = services.get(f"{namespace}/{name}")
            return found if isinstance(found, Service) else None

        for key, one in sorted(self._objects(self._given.role).items()):
            if isinstance(one, Pod):
                yield key, pod_group(one)
            elif isinstance(one, Service):
                yield key, service_group(one)
            elif isinstance(one, Endpoints):
                yield key, endpoints_group(one, service_of(one.metadata.namespace, one.metadata.name), pod_of)
            else:
                name = one.metadata.labels.get(SERVICE_NAME, "")
                yield key, endpointslice_group(one, service_of(one.metadata.namespace, name), pod_of)

    def _objects(self, role: str) -> dict[str, Known]:
        return {key: one for watch in self._watches.get(role, ()) for key, one in watch.objects.items()}
