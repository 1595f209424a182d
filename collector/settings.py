"""The collector's settings: what to scrape and how; read once at the start, frozen."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.settings import Duration

LONGEST_INTERVAL = 30.0
"""A watermark over 60 s old is the alert `collector blind`; it lags by an interval, a timeout and a flush."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StaticTargets(_Settings):
    """Targets written into the configuration."""

    targets: tuple[str, ...] = Field(description="host:port of each target")
    labels: dict[str, str] = Field(
        default_factory=dict, description="labels of all of them, such as version and region"
    )


class HttpSd(_Settings):
    """Prometheus HTTP service discovery."""

    url: str = Field(description="where the JSON list of target groups is served")
    refresh_interval: Duration = Field(default=60.0, description="how often it is asked for")


class BasicAuth(_Settings):
    """HTTP basic authentication."""

    username: str = Field(description="user name")
    password_file: Path = Field(description="file that holds the password")


class Tls(_Settings):
    """TLS towards the targets."""

    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")
    cert_file: Path | None = Field(default=None, description="client certificate")
    key_file: Path | None = Field(default=None, description="key of the client certificate")
    insecure_skip_verify: bool = Field(default=False, description="do not check the target's certificate")


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
    scheme: str = Field(default="http", pattern="^https?$", description="http or https")
    static: tuple[StaticTargets, ...] = Field(default=(), description="targets written here")
    file_sd: tuple[Path, ...] = Field(
        default=(), description="Prometheus file_sd files (JSON or YAML), re-read on change"
    )
    http_sd: tuple[HttpSd, ...] = Field(default=(), description="Prometheus http_sd endpoints")
    bearer_token_file: Path | None = Field(
        default=None, description="file that holds a bearer token, read at each scrape"
    )
    basic_auth: BasicAuth | None = Field(default=None, description="user name and password file")
    tls: Tls = Field(default=Tls(), description="TLS options")
    body_size_limit: int = Field(default=16 * 2**20, gt=0, description="bytes of a page after decompression")
    sample_limit: int = Field(default=100_000, gt=0, description="samples of a page; a page with more is refused whole")

    @model_validator(mode="after")
    def _timeout_fits(self) -> ScrapeJob:
        if self.timeout > self.interval:
            if "timeout" in self.model_fields_set:
                raise ValueError(f"timeout ({self.timeout:g}s) is longer than interval ({self.interval:g}s)")
            object.__setattr__(self, "timeout", self.interval)
        return self


class SeriesSettings(_Settings):
    """Raw samples of the last hours, kept as files for the debug pages."""

    retention: Duration = Field(default=24 * 3600.0, description="raw samples older than this are deleted")
    max_bytes: int = Field(default=2 * 2**30, gt=0, description="the oldest files go when there is more than this")


class OtlpSettings(_Settings):
    """The OTLP/HTTP receiver for traces of model calls."""

    enabled: bool = Field(default=True, description="whether spans are received")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=4318, ge=0, le=65535, description="port to listen on")
    key_file: Path | None = Field(
        default=None,
        description="key of waiting texts, made where it is missing; by default text.key in the storage folder",
    )


class CollectorSettings(_Settings):
    """The collector."""

    shard: str = Field(default="0", description="name of this collector among several")
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
    otlp: OtlpSettings = Field(default=OtlpSettings(), description="generations that applications tell over OTLP")
    series: SeriesSettings = Field(default=SeriesSettings(), description="raw samples")
