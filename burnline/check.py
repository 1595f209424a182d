"""What the configuration as a whole must fulfil, beyond each setting by itself."""

from __future__ import annotations

from ipaddress import ip_address

from burnline.settings import Settings
from core.errors import ConfigError, SpecError


def check(settings: Settings) -> list[str]:
    """Notes for people; ConfigError where the parts could not run together."""
    _check_slos(settings)
    require_loopback("api.host", settings.api.host)
    require_loopback("dashboard.host", settings.dashboard.host)
    notes = []
    targets = sum(len(s.targets) for job in settings.collector.scrape for s in job.static)
    notes.append(f"{_count(len(settings.collector.scrape), 'scrape job')}, {_count(targets, 'static target')}")
    notes.append(f"{_count(len(settings.engine.packs), 'pack')}, {_count(len(settings.engine.slos), 'SLO path')}")
    notes.append(_count(len(settings.alerting.receivers), "receiver"))
    if not settings.alerting.receivers:
        notes.append("note: no receivers: incidents open on the page, and nobody is paged")
    if not settings.collector.scrape:
        notes.append("note: no scrape jobs: nothing is measured")
    if settings.collector.shard != "0" and settings.database_url.startswith("sqlite"):
        raise ConfigError("several collector shards need PostgreSQL: set storage.url, or leave collector.shard at '0'")
    return notes


def require_loopback(setting: str, host: str) -> None:
    """Without tokens and logins, what people can change is for this machine alone."""
    if host != "localhost" and not _is_loopback(host):
        raise ConfigError(f"{setting} is {host}, but neither token nor login protects it: bind it to 127.0.0.1")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_slos(settings: Settings) -> None:
    from slo_engine.catalogue import SloFiles  # noqa: PLC0415 - reads files
    from slo_engine.metrics import EngineMetrics  # noqa: PLC0415

    try:
        SloFiles(settings.engine, EngineMetrics())
    except SpecError as error:
        raise ConfigError(str(error)) from None
