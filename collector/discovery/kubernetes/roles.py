"""From Kubernetes's objects to groups of targets, with the labels that Prometheus gives them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from collector.discovery.kubernetes.objects import (
    Address,
    Container,
    ContainerPort,
    Endpoint,
    Endpoints,
    EndpointSlice,
    Meta,
    Pod,
    Port,
    Reference,
    Service,
)
from collector.discovery.port import Group, joined

PREFIX = "__meta_kubernetes_"
SERVICE_NAME = "kubernetes.io/service-name"
"""The label by which a slice names its service."""
_UNNAMED = re.compile(r"[^a-zA-Z0-9_]")

Labels = dict[str, str]
Find = Callable[[str], Pod | None]
"""A pod by namespace and name."""


def pod_group(pod: Pod) -> Group:
    """A target for each port of each container, or one for a container without ports; none before it has an address."""
    found: list[Labels] = []
    if pod.status.pod_ip:
        for init, container in _containers(pod):
            own = {**_container(container, pod, init=init), f"{PREFIX}pod_container_init": _bool(init)}
            found += [
                {"__address__": joined(pod.status.pod_ip, port.container_port), **own, **_container_port(port)}
                for port in container.ports
            ] or [{"__address__": pod.status.pod_ip, **own}]
    return Group(tuple(found), {**_namespace(pod.metadata), **_pod(pod)})


def service_group(service: Service) -> Group:
    """A target for each port, at the service's name in the cluster's DNS."""
    meta, spec = service.metadata, service.spec
    place = (
        {f"{PREFIX}service_external_name": spec.external_name}
        if spec.type == "ExternalName"
        else {f"{PREFIX}service_cluster_ip": spec.cluster_ip}
    )
    own = {**place, f"{PREFIX}service_type": spec.type, f"{PREFIX}service_loadbalancer_ip": spec.load_balancer_ip}
    targets = tuple(
        {
            "__address__": joined(f"{meta.name}.{meta.namespace}.svc", port.port or 0),
            **{f"{PREFIX}service_port_{name}": value for name, value in _port(port).items()},
            f"{PREFIX}service_port_number": str(port.port),
            **own,
        }
        for port in spec.ports
    )
    return Group(targets, {**_namespace(meta), **_meta("service", meta)})


def endpoints_group(endpoints: Endpoints, service: Service | None, pod_of: Find) -> Group:
    """A target for each address and port, and for the other ports of the pods behind them."""
    seen = _Seen({}, {})
    targets = [
        target
        for subset in endpoints.subsets
        for port in subset.ports
        for ready, addresses in (("true", subset.addresses), ("false", subset.not_ready_addresses))
        for target in _addresses(endpoints.metadata, addresses, port, ready, seen, pod_of)
    ]
    own = {**_namespace(endpoints.metadata), **_meta("endpoints", endpoints.metadata)}
    return Group((*targets, *seen.others()), {**own, **_service(service)})


def endpointslice_group(part: EndpointSlice, service: Service | None, pod_of: Find) -> Group:
    """A target for each address and port of a slice, and for the other ports of the pods behind them."""
    seen = _Seen({}, {})
    targets = [
        {
            "__address__": joined(address, port.port) if port.port is not None else address,
            **_slice_port(port),
            f"{PREFIX}endpointslice_address_type": part.address_type,
            **_endpoint(endpoint),
            **seen.pod(part.metadata, endpoint.target_ref, port, pod_of),
        }
        for port in part.ports
        for endpoint in part.endpoints
        for address in endpoint.addresses
    ]
    own = {**_namespace(part.metadata), **_meta("endpointslice", part.metadata)}
    return Group((*targets, *seen.others()), {**own, **_service(service)})


class _Seen(NamedTuple):
    """Pods behind endpoints, and the ports that endpoints had of them."""

    pods: dict[str, Pod]
    ports: dict[str, set[int | None]]

    def pod(self, meta: Meta, reference: Reference | None, port: Port, find: Find) -> Labels:
        """The labels of the pod that an address belongs to, with its container's where it declares the port."""
        if reference is None or reference.kind != "Pod":
            return {}
        pod = find(f"{reference.namespace or meta.namespace}/{reference.name}")
        if pod is None:
            return {}
        self.pods[pod.metadata.key] = pod
        self.ports.setdefault(pod.metadata.key, set()).add(port.port)
        declared = [
            {**_container(container), **_container_port(one)}
            for container in pod.spec.containers
            for one in container.ports
            if one.container_port == port.port
        ]
        return {**_pod(pod), **(declared[-1] if declared else {})}

    def others(self) -> Iterator[Labels]:
        """Targets of the ports that no endpoint had."""
        for key, pod in self.pods.items():
            for container in pod.spec.containers if pod.status.pod_ip else ():
                for port in container.ports:
                    if port.container_port not in self.ports[key]:
                        address = joined(pod.status.pod_ip, port.container_port)
                        yield {"__address__": address, **_container(container), **_container_port(port), **_pod(pod)}


def _addresses(
    meta: Meta, addresses: Iterable[Address], port: Port, ready: str, seen: _Seen, pod_of: Find
) -> Iterator[Labels]:
    for address in addresses:
        reference = address.target_ref
        told = {
            "__address__": joined(address.ip, port.port or 0),
            f"{PREFIX}endpoint_ready": ready,
            f"{PREFIX}endpoint_node_name": address.node_name,
            f"{PREFIX}endpoint_hostname": address.hostname,
            f"{PREFIX}endpoint_address_target_kind": reference.kind if reference else "",
            f"{PREFIX}endpoint_address_target_name": reference.name if reference else "",
        }
        ports = {f"{PREFIX}endpoint_port_{name}": value for name, value in _port(port).items()}
        yield {**told, **ports, **seen.pod(meta, reference, port, pod_of)}


def _slice_port(port: Port) -> Labels:
    prefix = f"{PREFIX}endpointslice_port"
    told = {f"{prefix}_{name}": value for name, value in _port(port).items()}
    number = "" if port.port is None else str(port.port)
    return {**told, prefix: number, f"{prefix}_app_protocol": port.app_protocol}


def _endpoint(endpoint: Endpoint) -> Labels:
    prefix, reference = f"{PREFIX}endpointslice_", endpoint.target_ref
    conditions = {
        f"{prefix}endpoint_conditions_{name}": _bool(value) for name, value in endpoint.conditions if value is not None
    }
    topology = _marked(f"{prefix}endpoint_topology", endpoint.deprecated_topology, "present")
    return {
        **conditions,
        **topology,
        f"{prefix}endpoint_hostname": endpoint.hostname,
        f"{prefix}endpoint_node_name": endpoint.node_name,
        f"{prefix}endpoint_zone": endpoint.zone,
        f"{prefix}address_target_kind": reference.kind if reference else "",
        f"{prefix}address_target_name": reference.name if reference else "",
    }


def _pod(pod: Pod) -> Labels:
    ready = next((one.status.lower() for one in pod.status.conditions if one.type == "Ready"), "unknown")
    controller = next((one for one in pod.metadata.owner_references if one.controller), None)
    told = {
        "ip": pod.status.pod_ip,
        "ready": ready,
        "phase": pod.status.phase,
        "node_name": pod.spec.node_name,
        "host_ip": pod.status.host_ip,
        "uid": pod.metadata.uid,
        "controller_kind": controller.kind if controller else "",
        "controller_name": controller.name if controller else "",
    }
    return {**{f"{PREFIX}pod_{name}": value for name, value in told.items()}, **_meta("pod", pod.metadata)}


def _containers(pod: Pod) -> Iterator[tuple[bool, Container]]:
    yield from ((False, one) for one in pod.spec.containers)
    yield from ((True, one) for one in pod.spec.init_containers)


def _container(container: Container, pod: Pod | None = None, *, init: bool = False) -> Labels:
    """With the id of the running container where a pod is given."""
    told = {f"{PREFIX}pod_container_name": container.name, f"{PREFIX}pod_container_image": container.image}
    if pod is None:
        return told
    statuses = pod.status.init_container_statuses if init else pod.status.container_statuses
    running = next((one.container_id for one in statuses if one.name == container.name), "")
    return {**told, f"{PREFIX}pod_container_id": running}


def _container_port(port: ContainerPort) -> Labels:
    return {
        f"{PREFIX}pod_container_port_name": port.name,
        f"{PREFIX}pod_container_port_number": str(port.container_port),
        f"{PREFIX}pod_container_port_protocol": port.protocol,
    }


def _port(port: Port) -> Labels:
    return {"name": port.name, "protocol": port.protocol}


def _service(service: Service | None) -> Labels:
    return {} if service is None else _meta("service", service.metadata)


def _namespace(meta: Meta) -> Labels:
    return {f"{PREFIX}namespace": meta.namespace}


def _meta(kind: str, meta: Meta) -> Labels:
    return {
        f"{PREFIX}{kind}_name": meta.name,
        **_marked(f"{PREFIX}{kind}_label", meta.labels),
        **_marked(f"{PREFIX}{kind}_annotation", meta.annotations),
    }


def _marked(prefix: str, pairs: Mapping[str, str], mark: str = "") -> Labels:
    """Each pair, and a label that says that it is there, since an empty label does not exist."""
    found = {}
    for name, value in pairs.items():
        safe = _UNNAMED.sub("_", name)
        found[f"{prefix}_{safe}"] = value
        found[f"{prefix}{'_present_' if mark else 'present_'}{safe}"] = "true"
    return found


def _bool(value: bool) -> str:
    return "true" if value else "false"
