"""What discovery looks at of Kubernetes's objects; everything else is not kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class _Object(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """An absent list is written as null by some."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class Owner(_Object):
    """Who made an object."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class Meta(_Object):
    """What every object has."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    owner_references: tuple[Owner, ...] = ()

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


class Reference(_Object):
    """Another object."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class Port(_Object):
    """A port of a service, a subset of endpoints or a slice."""

    name: str = ""
    port: int | None = None
    protocol: str = ""
    app_protocol: str = ""


class ContainerPort(_Object):
    """A port that a container declares."""

    name: str = ""
    container_port: int
    protocol: str = ""


class Container(_Object):
    """A container of a pod."""

    name: str
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()


class ContainerStatus(_Object):
    """Which container runs under a name."""

    name: str
    container_id: str = Field(default="", alias="containerID")


class Condition(_Object):
    """One condition of a pod."""

    type: str
    status: str


class PodSpec(_Object):
    """What a pod should be."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()


class PodStatus(_Object):
    """What a pod is."""

    phase: str = ""
    pod_ip: str = Field(default="", alias="podIP")
    host_ip: str = Field(default="", alias="hostIP")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(_Object):
    """A pod."""

    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ServiceSpec(_Object):
    """What a service should be."""

    type: str = ""
    cluster_ip: str = Field(default="", alias="clusterIP")
    external_name: str = ""
    load_balancer_ip: str = Field(default="", alias="loadBalancerIP")
    ports: tuple[Port, ...] = ()


class Service(_Object):
    """A service."""

    metadata: Meta
    spec: ServiceSpec = ServiceSpec()


class Address(_Object):
    """An address of endpoints."""

    ip: str
    hostname: str = ""
    node_name: str = ""
    target_ref: Reference | None = None


class Subset(_Object):
    """Addresses that have the same ports."""

    addresses: tuple[Address, ...] = ()
    not_ready_addresses: tuple[Address, ...] = ()
    ports: tuple[Port, ...] = ()


class Endpoints(_Object):
    """The endpoints of a service."""

    metadata: Meta
    subsets: tuple[Subset, ...] = ()


class Conditions(_Object):
    """How an endpoint is; None is not told."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(_Object):
    """An endpoint of a slice."""

    addresses: tuple[str, ...] = ()
    conditions: Conditions = Conditions()
    hostname: str = ""
    node_name: str = ""
    zone: str = ""
    deprecated_topology: Mapping[str, str] = Field(default_factory=dict)
    target_ref: Reference | None = None


class EndpointSlice(_Object):
    """A part of a service's endpoints."""

    metadata: Meta
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()


Known = Pod | Service | Endpoints | EndpointSlice
