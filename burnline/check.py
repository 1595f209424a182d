"""What the configuration as a whole must fulfil, beyond each setting by itself."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

from burnline.settings import Settings
from core.errors import ConfigError, SpecError, StorageError

if TYPE_CHECKING:
    from collector.settings import CollectorSettings


def check(settings: Settings) -> list[str]:
    """Notes for people; ConfigError where the parts could not run together."""
    _check_slos(settings)
    require_token(settings)
    if not settings.dashboard.login.enabled:
        require_loopback("dashboard.host", settings.dashboard.host)
    notes = []
    targets = sum(len(s.targets) for job in settings.collector.scrape for s in job.static)
    notes.append(f"{_count(len(settings.collector.scrape), 'scrape job')}, {_count(targets, 'static target')}")
    notes.append(_count(len(settings.collector.prometheus), "Prometheus server"))
    notes += _counted_twice(settings.collector)
    notes.append(f"{_count(len(settings.engine.packs), 'pack')}, {_count(len(settings.engine.slos), 'SLO path')}")
    notes.append(_count(len(settings.alerting.receivers), "receiver"))
    if remotes := len(settings.collector.remote_write):
        notes.append(f"raw series are sent to {_count(remotes, 'engine')}")
    if not settings.alerting.receivers:
        notes.append("note: no receivers: incidents open on the page, and nobody is paged")
    receiver = settings.collector.remote_write_receiver
    if receiver.enabled:
        notes.append(f"remote write is received on http://{receiver.host}:{receiver.port}/api/v1/write")
    if not settings.collector.scrape and not settings.collector.prometheus and not receiver.enabled:
        notes.append("note: no scrape jobs and no Prometheus servers: nothing is measured")
    if settings.collector.shard != "0" and settings.database_url.startswith("sqlite"):
        raise ConfigError("several collector shards need PostgreSQL: set storage.url, or leave collector.shard at '0'")
    return notes


def require_loopback(setting: str, host: str) -> None:
    """Without tokens and logins, what people can change is for this machine alone."""
    if not is_loopback(host):
        raise ConfigError(f"{setting} is {host}, but neither token nor login protects it: bind it to 127.0.0.1")


def _counted_twice(collector: CollectorSettings) -> list[str]:
    """Static targets that a Prometheus server's selectors would select too, if it scrapes them under these labels."""
    from core.matchers import matches_all, parse_selector  # noqa: PLC0415 - only where there is something to compare

    found = []
    for server in collector.prometheus:
        selectors = [parse_selector(text) for text in server.match]
        for job, entry, address in ((j, e, a) for j in collector.scrape for e in j.static for a in e.targets):
            labels = {"job": job.name, "instance": address, **entry.labels}
            if any(matches_all(selector.matchers, labels) for selector in selectors):
                found.append(
                    f"note: {address} is scraped by job {job.name} and fits a selector of the Prometheus server "
                    f"{server.name}: it is counted from its scrapes alone; narrow collector.prometheus.match"
                )
    return found


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def require_token(settings: Settings) -> None:
    """Where others can reach the API, somebody must hold a token before it listens; ConfigError says what to do."""
    host = settings.api.host
    if not is_loopback(host) and not _has_token(settings):
        raise ConfigError(
            f"api.host is {host}, which others can reach, and there is no token: make one with "
            "`burnline token add NAME --role admin` (after `burnline db upgrade`), or bind it to 127.0.0.1"
        )


def _has_token(settings: Settings) -> bool:
    from storage import tokens  # noqa: PLC0415 - only where it is asked for: SQLAlchemy takes half a second
    from storage.database import Database  # noqa: PLC0415

    if not settings.storage.url and not (settings.storage.directory / "burnline.db").exists():
        return False
    database = Database(settings.database_url)
    try:
        return tokens.any_holds(database, time.time())
    except StorageError:
        return False  # a schema from before tokens; whoever starts the API is told of a database that is down
    finally:
        database.dispose()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
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
