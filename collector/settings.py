"""The collector's settings: what to scrape and how; read once at the start, frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from core.errors import ParseError
from core.matchers import compile_re2, parse_matchers, parse_selector
from core.settings import Duration
from storage.shards import Member, member_of

LONGEST_INTERVAL = 30.0
"""A watermark over 60 s old is the alert `collector blind`; it lags by an interval, a timeout and a flush."""


_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_HEADERS = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-prometheus-remote-write-version",
    }
)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StaticTargets(_Settings):
    """Targets written into the configuration."""

    targets: tuple[str, ...] = Field(description="host:port of each target")
    labels: dict[str, str] = Field(
        default_factory=dict, description="labels of all of them, such as version and region"
    )


class BasicAuth(_Settings):
    """HTTP basic authentication."""

    username: str = Field(description="user name")
    password_file: Path = Field(description="file that holds the password")


class Tls(_Settings):
    """TLS towards targets and remotes."""

    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")
    cert_file: Path | None = Field(default=None, description="client certificate")
    key_file: Path | None = Field(default=None, description="key of the client certificate")
    insecure_skip_verify: bool = Field(default=False, description="do not check the target's certificate")


def _scalar_text(value: object) -> object:
    """`regex: true` and `replacement: 1` are texts to Prometheus."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


ScalarText = Annotated[str, BeforeValidator(_scalar_text)]

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LABEL_TEMPLATE = re.compile(r"(?:[a-zA-Z_]|\$(?:\{\w+\}|\w))(?:\w|\$(?:\{\w+\}|\w))*", re.ASCII)
"""A label name that may hold references such as $1 and ${name}."""


class RelabelRule(_Settings):
    """One rule of relabelling, with the names and the meaning of Prometheus's relabel_config."""

    action: Literal[
        "replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
    ] = Field(default="replace", description="what is done")
    source_labels: tuple[str, ...] = Field(default=(), description="labels whose values, joined, the rule looks at")
    separator: ScalarText = Field(default=";", description="what joins their values")
    regex: ScalarText = Field(default="(.*)", description="RE2 expression, anchored at both ends")
    modulus: int = Field(default=0, ge=0, lt=2**64, description="for hashmod: how many values there are")
    target_label: str = Field(default="", description="the label that is written, or compared with")
    replacement: ScalarText = Field(
        default="$1", description="what is written; $1, ${1} and ${name} stand for what the expression's groups fit"
    )

    @field_validator("action", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            compile_re2(value)
        except ParseError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("source_labels")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not _LABEL_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no label name")
        return value

    @model_validator(mode="after")
    def _fits_its_action(self) -> RelabelRule:
        """What Prometheus refuses when it reads its configuration."""
        problem = self._problem()
        if problem:
            raise ValueError(f"action {self.action} {problem}")
        return self

    def _problem(self) -> str:
        writes = self.action in ("replace", "lowercase", "uppercase", "keepequal", "dropequal")
        if (writes or self.action == "hashmod") and not self.target_label:
            return "needs target_label"
        if writes and not _LABEL_TEMPLATE.fullmatch(self.target_label):
            return f"cannot have the target_label {self.target_label!r}: it is no label name"
        if self.action in ("lowercase", "uppercase", "keepequal", "dropequal") and self.replacement != "$1":
            return "takes no replacement"
        if self.action == "labelmap" and not _LABEL_TEMPLATE.fullmatch(self.replacement):
            return f"cannot have the replacement {self.replacement!r}: it is no label name"
        if self.action == "hashmod" and not self.modulus:
            return "needs a modulus"
        if self.action == "hashmod" and not _LABEL_NAME.fullmatch(self.target_label):
            return f"cannot have the target_label {self.target_label!r}: it is no label name"
        return self._surplus()

    def _surplus(self) -> str:
        """Fields that an action does not take."""
        allowed = {
            "keepequal": {"source_labels", "target_label"},
            "dropequal": {"source_labels", "target_label"},
            "labeldrop": {"regex"},
            "labelkeep": {"regex"},
        }.get(self.action, set(RelabelRule.model_fields))
        fields = {name: field.default for name, field in RelabelRule.model_fields.items() if name != "action"}
        surplus = [n for n, default in fields.items() if n not in allowed and getattr(self, n) != default]
        return f"takes only {' and '.join(sorted(allowed))}, not {surplus[0]}" if surplus else ""


class ApiAccess(_Settings):
    """How a service that knows targets is asked."""

    bearer_token_file: Path | None = Field(
        default=None, description="file that holds a bearer token, read at each request"
    )
    basic_auth: BasicAuth | None = Field(default=None, description="user name and password file")
    tls: Tls = Field(default=Tls(), description="TLS options")


class HttpSd(ApiAccess):
    """Prometheus HTTP service discovery."""

    url: str = Field(description="where the JSON list of target groups is served")
    refresh_interval: Duration = Field(default=60.0, gt=0, description="how often it is asked for")


KubernetesRole = Literal["pod", "service", "endpoints", "endpointslice"]


class KubernetesNamespaces(_Settings):
    """Where in a cluster; by default everywhere."""

    names: tuple[str, ...] = Field(default=(), description="namespaces to look at; none is all")
    own_namespace: bool = Field(default=False, description="also the namespace that the collector runs in")


class KubernetesSelector(_Settings):
    """Which objects of one kind the API server is asked for."""

    role: KubernetesRole = Field(description="the kind of objects: endpoints also look at services and pods")
    label: str = Field(default="", description="label selector, such as app=vllm")
    field: str = Field(default="", description="field selector, such as spec.nodeName=node-1")


class KubernetesSd(ApiAccess):
    """Prometheus's kubernetes_sd: targets from objects of a cluster."""

    role: KubernetesRole = Field(description="what targets are made of")
    api_server: str = Field(
        default="", description="URL of the API server; empty is the cluster that the collector runs in"
    )
    namespaces: KubernetesNamespaces = Field(default=KubernetesNamespaces(), description="where")
    selectors: tuple[KubernetesSelector, ...] = Field(default=(), description="which objects, one a kind")

    @model_validator(mode="after")
    def _selectors_fit(self) -> KubernetesSd:
        roles = [one.role for one in self.selectors]
        allowed = {self.role, "service", "pod"} if self.role.startswith("endpoint") else {self.role}
        if len(set(roles)) < len(roles) or not allowed.issuperset(roles):
            raise ValueError(f"selectors of role {self.role} are for {', '.join(sorted(allowed))}, one each")
        return self


class DnsSd(_Settings):
    """Prometheus's dns_sd: targets from DNS records."""

    names: tuple[str, ...] = Field(min_length=1, description="domain names to ask for")
    type: Literal["SRV", "A", "AAAA"] = Field(default="SRV", description="kind of records")
    port: int | None = Field(default=None, gt=0, le=65535, description="port of targets that A or AAAA records tell")
    refresh_interval: Duration = Field(default=30.0, gt=0, description="how often they are asked for")
    servers: tuple[str, ...] = Field(
        default=(), description="DNS servers as address or address:port; none are those of the machine"
    )

    @model_validator(mode="after")
    def _has_port(self) -> DnsSd:
        if self.type != "SRV" and self.port is None:
            raise ValueError(f"records of type {self.type} tell no port: set port")
        return self


class ConsulSd(ApiAccess):
    """Prometheus's consul_sd: targets from services in Consul. Its token is the bearer token."""

    server: str = Field(default="http://localhost:8500", pattern="^https?://", description="URL of the Consul agent")
    datacenter: str = Field(default="", description="datacenter to ask; empty is the agent's")
    namespace: str = Field(default="", description="namespace, in Consul Enterprise")
    partition: str = Field(default="", description="admin partition, in Consul Enterprise")
    services: tuple[str, ...] = Field(default=(), description="services to look at; none are all")
    tags: tuple[str, ...] = Field(default=(), description="only services and instances that have all of these tags")
    node_meta: dict[str, str] = Field(default_factory=dict, description="only nodes that have this metadata")
    tag_separator: str = Field(default=",", description="what joins, begins and ends the tags in their label")
    allow_stale: bool = Field(default=True, description="any server of Consul may answer, not the leader alone")
    refresh_interval: Duration = Field(
        default=30.0, gt=0, description="least time between two answers that are taken; changes are waited for"
    )


class ScrapeJob(_Settings):
    """Targets that are scraped alike."""

    name: str = Field(description="value of the label job")
    interval: Duration = Field(
        default=15.0,
        gt=0,
        le=LONGEST_INTERVAL,
        description="time between two scrapes of a target; over 30s the counts would be so old that nobody can say "
        "whether the collector is blind",
    )
    timeout: Duration = Field(
        default=10.0, gt=0, description="a scrape that takes longer has failed; at most the interval"
    )
    path: str = Field(default="/metrics", description="path of the metrics page")
    params: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="query parameters of the page's URL")
    scheme: str = Field(default="http", pattern="^https?$", description="http or https")
    static: tuple[StaticTargets, ...] = Field(default=(), description="targets written here")
    file_sd: tuple[Path, ...] = Field(
        default=(), description="Prometheus file_sd files (JSON or YAML), re-read on change"
    )
    http_sd: tuple[HttpSd, ...] = Field(default=(), description="Prometheus http_sd endpoints")
    dns_sd: tuple[DnsSd, ...] = Field(default=(), description="DNS records")
    consul_sd: tuple[ConsulSd, ...] = Field(default=(), description="services in Consul")
    kubernetes_sd: tuple[KubernetesSd, ...] = Field(default=(), description="objects of Kubernetes clusters")
    relabel: tuple[RelabelRule, ...] = Field(
        default=(), description="Prometheus's relabel_configs: which targets are kept, and their labels"
    )
    metric_relabel: tuple[RelabelRule, ...] = Field(
        default=(), description="Prometheus's metric_relabel_configs: which series are kept, and their labels"
    )
    protobuf: bool = Field(
        default=False,
        description="whether targets are asked for the protobuf page first, the only one that holds native histograms",
    )
    bearer_token_file: Path | None = Field(
        default=None, description="file that holds a bearer token, read at each scrape"
    )
    basic_auth: BasicAuth | None = Field(default=None, description="user name and password file")
    tls: Tls = Field(default=Tls(), description="TLS options")
    body_size_limit: int = Field(
        default=16 * 2**20, gt=0, description="bytes of a page after decompression; one that has as many is refused"
    )
    sample_limit: int = Field(
        default=100_000, gt=0, description="samples of a page after metric_relabel; a page with more is refused whole"
    )
    label_limit: int = Field(
        default=0, ge=0, description="labels of a series; a page that has one with more is refused whole; 0 is no limit"
    )
    label_name_length_limit: int = Field(default=0, ge=0, description="the same for the bytes of a label's name")
    label_value_length_limit: int = Field(default=0, ge=0, description="the same for the bytes of a label's value")
    target_limit: int = Field(
        default=0,
        ge=0,
        description="targets after relabel; when there are more, none of the job's is scraped and all are down",
    )

    @model_validator(mode="after")
    def _timeout_fits(self) -> ScrapeJob:
        if self.timeout > self.interval:
            if "timeout" in self.model_fields_set:
                raise ValueError(f"timeout ({self.timeout:g}s) is longer than interval ({self.interval:g}s)")
            object.__setattr__(self, "timeout", self.interval)
        return self


def _target_selectors(value: tuple[str, ...]) -> tuple[str, ...]:
    """ValueError where one selects by metric names."""
    for text in value:
        try:
            selector = parse_selector(text)
        except ParseError as error:
            raise ValueError(str(error)) from None
        if selector.metric or any(matcher.name == "__name__" for matcher in selector.matchers):
            raise ValueError(f"{text!r} names a metric: select targets by their labels, what is counted is known")
    return value


class PrometheusServer(_Settings):
    """A server with Prometheus's HTTP API that already holds what a fleet's targets say."""

    name: str = Field(
        pattern="^[a-zA-Z0-9_.-]{1,60}$", description="name of the server here; its targets are counted under it"
    )
    url: str = Field(
        pattern="^https?://", description="what stands before /api/v1/query, with a path prefix where there is one"
    )
    match: tuple[str, ...] = Field(
        min_length=1,
        description="selectors of the targets to read, over labels that all series of a target have, such as "
        '{job="vllm"}; without a metric name',
    )
    interval: Duration = Field(
        default=60.0, ge=1, le=300, description="how often new samples are asked for; counts are that much older"
    )
    delay: Duration = Field(
        default=30.0,
        le=600,
        description="how old a sample must be before it is asked for; what arrives at the server later than this after "
        "its own time is not read",
    )
    backfill: Duration = Field(
        default=48 * 3600.0, gt=0, description="how far back the server is read when it is seen for the first time"
    )
    timeout: Duration = Field(default=30.0, gt=0, le=300, description="an answer that takes longer has failed")
    max_points: int = Field(
        default=500_000, gt=0, description="samples that one answer should hold: longer spans are asked for in pieces"
    )
    max_answer_bytes: int = Field(
        default=64 * 2**20, gt=0, description="a larger answer is dropped, and a shorter span is asked for"
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="further headers of each request, such as X-Scope-OrgID; no secrets"
    )
    bearer_token_file: Path | None = Field(
        default=None, description="file that holds a bearer token, read at each request"
    )
    basic_auth: BasicAuth | None = Field(default=None, description="user name and password file")
    tls: Tls = Field(default=Tls(), description="TLS options")

    @field_validator("match")
    @classmethod
    def _of_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _target_selectors(value)


class SeriesSettings(_Settings):
    """Raw samples of the last hours, kept as files for the debug pages."""

    retention: Duration = Field(default=24 * 3600.0, description="raw samples older than this are deleted")
    max_bytes: int = Field(default=2 * 2**30, gt=0, description="the oldest files go when there is more than this")


class RemoteWrite(_Settings):
    """An engine that every raw sample is sent to."""

    name: str = Field(
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="name of this remote in metrics and of its cursor; under another name it begins anew",
    )
    url: str = Field(
        pattern=r"^https?://[^/@\s]+(/\S*)?$",
        description="where remote write 1.0 is taken, such as http://127.0.0.1:9090/api/v1/write",
    )
    headers: dict[str, str] = Field(default_factory=dict, description="further headers, such as X-Scope-OrgID")
    bearer_token_file: Path | None = Field(
        default=None, description="file that holds a bearer token, read at each request"
    )
    basic_auth: BasicAuth | None = Field(default=None, description="user name and password file")
    tls: Tls = Field(default=Tls(), description="TLS options")
    timeout: Duration = Field(default=30.0, gt=0, description="a request without an answer by then is sent again")
    max_samples_per_send: int = Field(
        default=2000, gt=0, le=100_000, description="samples of one request; a refused request loses all of its own"
    )
    concurrency: int = Field(default=4, gt=0, le=64, description="requests on their way at once")
    external_labels: dict[str, str] = Field(
        default_factory=dict, description="labels of every series sent; one that the series has itself stays"
    )
    max_queue_bytes: int = Field(
        default=4 * 2**30, gt=0, description="unsent bytes on disk; beyond it the oldest samples are given up"
    )
    max_queue_age: Duration = Field(
        default=24 * 3600.0, gt=0, description="unsent samples older than this are given up"
    )

    @field_validator("headers")
    @classmethod
    def _not_reserved(cls, value: dict[str, str]) -> dict[str, str]:
        taken = sorted(name for name in value if name.lower() in _RESERVED_HEADERS)
        if taken:
            raise ValueError(f"{', '.join(taken)}: set by Burnline itself; see bearer_token_file and basic_auth")
        return value

    @field_validator("external_labels")
    @classmethod
    def _label_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
                raise ValueError(
                    f"{name!r} is no label name: letters, digits and '_', not beginning with a digit or '__'"
                )
        return value


class RemoteWriteReceiver(_Settings):
    """Where Prometheus servers and agents push series by remote write 1.0."""

    enabled: bool = Field(default=False, description="whether pushed series are received")
    host: str = Field(default="127.0.0.1", description="address to listen on; loopback only")
    port: int = Field(default=9201, ge=0, le=65535, description="port to listen on; the path is /api/v1/write")
    match: tuple[str, ...] = Field(
        default=(),
        description="selectors of the targets to take, over labels that all series of a target have, such as "
        '{job="vllm"}; without a metric name; all targets where it is empty',
    )
    replica_labels: tuple[str, ...] = Field(
        default=("__replica__", "prometheus_replica"),
        description="external labels by which several senders of the same targets differ; each target is followed from "
        "one of them",
    )
    settle: Duration = Field(
        default=10.0,
        ge=1,
        le=120,
        description="how long the rest of a page is waited for, where it is not known to be whole",
    )
    max_body: int = Field(default=32 * 2**20, gt=0, description="bytes of a request, before and after decompression")
    queue: int = Field(default=64, gt=0, description="requests that may be on their way to a commit; more get 503")
    max_open_samples: int = Field(
        default=1_000_000, gt=0, description="samples that may wait for the rest of their pages; more get 503"
    )

    @field_validator("match")
    @classmethod
    def _of_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _target_selectors(value)


class Stratum(_Settings):
    """Generations that are drawn by one rule: a fixed probability, a budget, or always."""

    name: str = Field(
        min_length=1, max_length=100, pattern="^[^@]*$", description="value of the part stratum; the last is default"
    )
    match: str = Field(
        default="",
        description="matchers over the dimensions, operation, outcome, finish_reason, retrieval and stratum_labels; "
        "empty fits every generation",
    )
    probability: float | None = Field(default=None, ge=0, le=1, description="share of its traces that are drawn")
    budget: float | None = Field(
        default=None, gt=0, description="generations to draw an hour: the probability follows what comes"
    )
    always: bool = Field(default=False, description="whether every generation is drawn, with the spans of its trace")
    by: tuple[str, ...] = Field(
        default=(), description="labels each of whose values has the budget for itself, as [model, version]"
    )
    most: int = Field(default=100, gt=0, description="values with a budget of their own; the others share one")

    @model_validator(mode="after")
    def _one_way(self) -> Stratum:
        if (self.probability is not None) + (self.budget is not None) + self.always != 1:
            raise ValueError(f"stratum {self.name} needs one of probability, budget and always")
        if self.by and self.budget is None:
            raise ValueError(f"stratum {self.name}: by needs a budget")
        return self

    @field_validator("match")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            parse_matchers(value)
        except ParseError as error:
            raise ValueError(str(error)) from None
        return value


class Price(_Settings):
    """US dollars a million tokens."""

    model: str = Field(description="model name, or a pattern with * and ?; the first price that fits counts")
    input: float = Field(ge=0, description="dollars a million input tokens that were not cached")
    output: float = Field(ge=0, description="dollars a million output tokens")
    cached: float | None = Field(
        default=None, ge=0, description="dollars a million cached input tokens; by default as input"
    )
    cache_write: float | None = Field(
        default=None,
        ge=0,
        description="dollars a million input tokens that are written to a cache; by default as input",
    )


class GoodputLimits(_Settings):
    """What one request must meet, both at once, to count as good in the signal goodput."""

    ttft: Duration = Field(default=0.5, gt=0, description="longest time to the first token")
    itl: Duration = Field(default=0.1, gt=0, description="longest mean time between two tokens")


class GenerationRetention(_Settings):
    """How long generations are kept."""

    unsampled: Duration = Field(
        default=24 * 3600.0,
        gt=0,
        description="generations that were not drawn; a call that ended longer ago when it arrives is refused",
    )
    sampled: Duration = Field(
        default=7 * 24 * 3600.0, gt=0, description="drawn generations and the spans of their traces"
    )

    @model_validator(mode="after")
    def _in_order(self) -> GenerationRetention:
        if self.sampled < self.unsampled:
            raise ValueError("sampled is shorter than unsampled")
        return self


DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "model": ("gen_ai.request.model", "gen_ai.response.model"),
    "version": ("deployment.version", "service.version"),
    "region": ("cloud.region",),
    "tenant": ("tenant.id",),
}
"""Attributes that give dimensions. No enduser.id for the tenant: it names a person."""


class ForwardTarget(_Settings):
    """A trace backend that takes OTLP/HTTP."""

    name: str = Field(min_length=1, max_length=100, description="how metrics and logs call it")
    url: str = Field(
        pattern=r"^https?://[^/]+", description="where to POST, as https://traces.example.com/v1/traces", repr=False
    )
    which: Literal["all", "sampled"] = Field(
        default="sampled", description="all spans, or those of traces that are kept; with everything they carry"
    )
    header_files: dict[str, Path] = Field(
        default={}, description="for each header the file that holds its value, read at each sending"
    )
    tls: Tls = Field(default=Tls(), description="TLS options")
    allow_private: bool = Field(default=True, description="whether loopback and private addresses may be called")
    queue_bytes: int = Field(
        default=64 * 2**20, gt=0, description="bytes of spans that may wait in memory; more are dropped and counted"
    )
    timeout: Duration = Field(default=10.0, gt=0, description="longest time of one request")
    give_up: Duration = Field(default=300.0, description="spans that nobody took for so long are dropped")

    @field_validator("tls")
    @classmethod
    def _checked(cls, value: Tls) -> Tls:
        if value.insecure_skip_verify:
            raise ValueError("spans carry what users wrote: give ca_file instead of insecure_skip_verify")
        return value


class GrpcSettings(_Settings):
    """The same receiver over OTLP/gRPC; what is not said here is as for HTTP."""

    enabled: bool = Field(default=True, description="whether spans are received over gRPC, too")
    port: int = Field(default=4317, ge=0, le=65535, description="port to listen on, at the address of HTTP")


GENERATION_LABELS = ("operation", "outcome", "finish_reason", "retrieval")
"""What strata can ask of every generation, beside its dimensions."""


class OtlpMetricsSettings(_Settings):
    """Metrics that applications push by OTLP."""

    enabled: bool = Field(default=False, description="whether metrics are received, at /v1/metrics of the same port")
    max_open_points: int = Field(
        default=1_000_000, gt=0, description="samples that may wait for the rest of their pages; more get 503"
    )


class OtlpSettings(_Settings):
    """The OTLP receiver for traces of model calls."""

    enabled: bool = Field(default=True, description="whether spans are received")
    host: str = Field(default="127.0.0.1", description="address to listen on; loopback only")
    port: int = Field(default=4318, ge=0, le=65535, description="port to listen on for HTTP")
    grpc: GrpcSettings = Field(default=GrpcSettings(), description="the same receiver over gRPC")
    key_file: Path | None = Field(
        default=None,
        description="key of waiting texts, made where it is missing; by default text.key in the storage folder",
    )
    max_body: int = Field(default=64 * 2**20, gt=0, description="bytes of a request, before and after decompression")
    queue: int = Field(default=64, gt=0, description="requests that may be on their way to a commit; more get 429")
    operations: tuple[str, ...] = Field(
        default=("chat", "text_completion", "generate_content"),
        description="operations that are generations: values of gen_ai.operation.name, or what another dialect's value "
        "means",
    )
    dimensions: dict[str, tuple[str, ...]] = Field(
        default=dict(DIMENSIONS),
        description="for each dimension the attributes that give it, of the span first, then of the resource; "
        "a dimension that is not named keeps its default; the model is else what the span's dialect calls it",
    )
    strata: tuple[Stratum, ...] = Field(
        default=(Stratum(name="default", probability=0.05),),
        description="how generations are drawn; asked in order, the last is default",
    )
    stratum_labels: dict[str, tuple[str, ...]] = Field(
        default={},
        description="further labels for match and by of strata: for each the attributes that give it, as "
        "{flagged: [user.flagged]}",
    )
    goodput: GoodputLimits = Field(default=GoodputLimits(), description="limits of the signal goodput")
    prices: tuple[Price, ...] = Field(default=(), description="what tokens cost; without a price the cost is unknown")
    text_ttl: Duration = Field(
        default=3600.0, gt=0, description="text that still waits for its scores after this is deleted"
    )
    retention: GenerationRetention = Field(default=GenerationRetention(), description="how long generations are kept")
    document_times: tuple[str, ...] = Field(
        default=(
            "last_modified",
            "modified_at",
            "updated_at",
            "last_updated",
            "modified",
            "updated",
            "created_at",
            "published_at",
            "date",
            "timestamp",
        ),
        description="keys of a retrieved document's metadata that tell when it was last changed, in the order in which "
        "they are asked",
    )
    keep_attributes: tuple[str, ...] = Field(
        default=(), description="further span attributes to keep for the waterfall; never name content here"
    )

    forward: tuple[ForwardTarget, ...] = Field(default=(), description="trace backends to forward spans to")
    metrics: OtlpMetricsSettings = Field(
        default=OtlpMetricsSettings(), description="metrics that applications push by OTLP"
    )

    @model_validator(mode="after")
    def _forward_elsewhere(self) -> OtlpSettings:
        names = [one.name for one in self.forward]
        if len(set(names)) != len(names):
            raise ValueError("two forward targets have one name")
        for one in self.forward:
            place = urlsplit(one.url)
            if self.port and place.port == self.port and place.hostname in ("localhost", "127.0.0.1", "::1", self.host):
                raise ValueError(f"forward {one.name}: this is the receiver itself")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> OtlpSettings:
        if self.enabled and self.grpc.enabled and self.port and self.port == self.grpc.port:
            raise ValueError(f"port and grpc.port are both {self.port}: HTTP and gRPC need a port each")
        return self

    @field_validator("dimensions")
    @classmethod
    def _with_defaults(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {**DIMENSIONS, **value}

    @model_validator(mode="after")
    def _strata_end(self) -> OtlpSettings:
        names = [stratum.name for stratum in self.strata]
        if len(set(names)) != len(names):
            raise ValueError("two strata have one name")
        if not names or names[-1] != "default" or self.strata[-1].match:
            raise ValueError("the last stratum must be default, without match")
        return self


_PART = re.compile(r"(0|[1-9]\d{0,3})/([1-9]\d{0,3})")
_SHARD_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class CollectorSettings(_Settings):
    """The collector."""

    shard: str = Field(
        default="0",
        description="name of this collector among several; or its part of all targets, by a hash of their URL: "
        "0/8 to 7/8 are eight collectors that have the same jobs",
    )
    flush_interval: Duration = Field(default=5.0, gt=0, le=5, description="how often counts are committed, at most 5s")
    dimensions: tuple[str, ...] = Field(
        default=("model", "version", "region", "tenant"), description="labels that groups are made of"
    )
    group_cap: int = Field(
        default=2000, gt=0, description="groups a measure; what is over it is counted under __other__"
    )
    gpu_price_per_hour: float = Field(
        default=0.0, ge=0, description="US dollars an hour of one GPU, for cost by GPU time"
    )
    scrape: tuple[ScrapeJob, ...] = Field(default=(), description="what to scrape")
    prometheus: tuple[PrometheusServer, ...] = Field(
        default=(), description="servers with Prometheus's HTTP API to read instead of scraping"
    )
    remote_write_receiver: RemoteWriteReceiver = Field(
        default=RemoteWriteReceiver(), description="series that Prometheus servers and agents push"
    )
    otlp: OtlpSettings = Field(default=OtlpSettings(), description="generations that applications tell over OTLP")
    series: SeriesSettings = Field(default=SeriesSettings(), description="raw samples")
    remote_write: tuple[RemoteWrite, ...] = Field(default=(), description="engines that raw samples are sent to")

    @field_validator("remote_write")
    @classmethod
    def _named_apart(cls, value: tuple[RemoteWrite, ...]) -> tuple[RemoteWrite, ...]:
        names = [remote.name for remote in value]
        if len(set(names)) != len(names):
            raise ValueError("two remotes have one name")
        return value

    @model_validator(mode="after")
    def _by_known_labels(self) -> CollectorSettings:
        known = {*self.dimensions, *GENERATION_LABELS, *self.otlp.stratum_labels}
        for stratum in self.otlp.strata:
            for name in stratum.by:
                if name not in known:
                    raise ValueError(f"stratum {stratum.name}: by names {name}, which no generation has")
        return self

    @field_validator("prometheus")
    @classmethod
    def _named_once(cls, value: tuple[PrometheusServer, ...]) -> tuple[PrometheusServer, ...]:
        names = [server.name for server in value]
        if len(set(names)) != len(names):
            raise ValueError("two servers have one name")
        return value

    @field_validator("shard")
    @classmethod
    def _is_name_or_part(cls, value: str) -> str:
        part = _PART.fullmatch(value)
        if part is not None and int(part[1]) < int(part[2]):
            return value
        if part is not None or "/" in value:
            raise ValueError("a part of all targets is written as 0/8 to 7/8: counted from 0, and less than how many")
        if member_of(value) is not None:
            raise ValueError("that is how a part is stored: write it as 2/8")
        if not _SHARD_NAME.fullmatch(value):
            raise ValueError("write 1 to 64 letters, digits, - or _, or a part such as 2/8")
        return value

    @property
    def member(self) -> Member | None:
        """Which part of all targets it scrapes; None for all."""
        part = _PART.fullmatch(self.shard)
        return Member(int(part[1]), int(part[2])) if part else None

    @property
    def reads_servers(self) -> bool:
        """Whether it is the one that reads the servers of `prometheus`: of several parts, the first."""
        return self.member is None or self.member.place == 0

    @property
    def servers_name(self) -> str:
        """Under which name what is read from them stands in tables, whatever the number of parts is."""
        return self.shard if self.member is None else "parts"

    @property
    def shard_name(self) -> str:
        """As it stands in tables and file names."""
        return self.member.name if self.member is not None else self.shard
