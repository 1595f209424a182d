"""What the configuration as a whole must fulfil, beyond each setting by itself."""

from __future__ import annotations

from ipaddress import ip_address

from burnline.settings import Settings
from core.errors import ConfigError, SpecError


def check(settings: Settings) -> list[str]:
    """Notes for people; ConfigError where the parts could not run together."""
    _check_slos(settings)
    require_loopback(settings.api.host)
    notes = []
    targets = sum(len(s.targets) for job in settings.collector.scrape for s in job.static)
    notes.append(f"{len(settings.collector.scrape)} scrape jobs, {targets} static targets")
    notes.append(f"{len(settings.engine.packs)} packs, {len(settings.engine.slos)} SLO paths")
    notes.append(f"{len(settings.alerting.receivers)} receivers")
    if not settings.alerting.receivers:
        notes.append("note: no receivers: incidents open on the page, and nobody is paged")
    if not settings.collector.scrape:
        notes.append("note: no scrape jobs: nothing is measured")
    if settings.collector.shard != "0" and settings.database_url.startswith("sqlite"):
        raise ConfigError("several collector shards need PostgreSQL: set storage.url, or leave collector.shard at '0'")
    return notes


def require_loopback(host: str) -> None:
    """Without tokens the API is for this machine alone."""
    if host != "localhost" and not _is_loopback(host):
        raise ConfigError(f"api.host is {host}, but no token protects the API: bind it to 127.0.0.1")


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
