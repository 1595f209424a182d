"""From a discovered label set to a target: defaults, relabelling, and what Prometheus asks of the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from collector.discovery.port import Group
from collector.relabel import Rule, relabel
from collector.settings import LONGEST_INTERVAL, ScrapeJob
from core.durations import parse_prometheus, render
from core.errors import DiscoveryError, ParseError
from core.labels import Labels, make

_PARAM = "__param_"
_PORTS = {"http": "80", "": "80", "https": "443"}
_PATH_AS_IT_IS = "/$&+,:;=@"
_HOST_AS_IT_IS = "!$&'()*+,;=:[]<>\""
"""Bytes of a path, and of a host, that Go does not escape, beside letters, digits and `-_.~`."""


class Target(NamedTuple):
    """One address to scrape. A target is its URL; labels, interval and timeout (seconds) may change."""

    url: str
    job: str
    labels: Labels
    interval: float
    timeout: float


class Made(NamedTuple):
    """What became of a group's targets: those to scrape, how many relabelling dropped, and why others are refused."""

    targets: tuple[Target, ...]
    dropped: int
    refused: tuple[str, ...]


def made_of(job: ScrapeJob, rules: Sequence[Rule], group: Group) -> Made:
    """The targets of one group."""
    found: list[Target] = []
    refused = []
    for own in group.targets:
        try:
            target = target_of(job, rules, {**group.labels, **own})
        except DiscoveryError as error:
            refused.append(f"{own.get('__address__', '')}: {error}")
        else:
            if target is not None:
                found.append(target)
    return Made(tuple(found), len(group.targets) - len(found) - len(refused), tuple(refused))


def discovered(job: ScrapeJob, found: Mapping[str, str]) -> dict[str, str]:
    """The labels that rules see: what was found, and the job's own settings where it says nothing."""
    defaults = {
        "job": job.name,
        "__scrape_interval__": render(job.interval),
        "__scrape_timeout__": render(job.timeout),
        "__metrics_path__": job.path,
        "__scheme__": job.scheme,
    }
    params = {_PARAM + name: values[0] for name, values in job.params.items() if values}
    return {**defaults, **{name: value for name, value in found.items() if value}, **params}


def target_of(job: ScrapeJob, rules: Sequence[Rule], found: Mapping[str, str]) -> Target | None:
    """The target of one label set; None where a rule dropped it, DiscoveryError where it cannot be scraped."""
    labels = relabel(discovered(job, found), rules)
    if not labels:
        return None
    if not labels.get("__address__"):
        raise DiscoveryError("no address")
    address = _with_port(labels["__address__"], labels.get("__scheme__", ""))
    if "/" in address:
        raise DiscoveryError(f"{address!r} is no host and port")
    interval, timeout = _times(labels)
    shown = {name: value for name, value in labels.items() if not name.startswith("__")}
    url = _url(job, {**labels, "__address__": address})
    return Target(url, job.name, make({"instance": address, **shown}), interval, timeout)


def _with_port(address: str, scheme: str) -> str:
    """With the scheme's port where the address has none and could have one."""
    if _has_port(address) or not _has_port(f"{address}:1"):
        return address
    if scheme not in _PORTS:
        raise DiscoveryError(f"the scheme {scheme!r} has no port: write http or https")
    return f"{address}:{_PORTS[scheme]}"


def _has_port(address: str) -> bool:
    """Whether Go's net.SplitHostPort could split it."""
    if not address.startswith("["):
        return address.count(":") == 1 and not set(address) & set("[]")
    inside, _, port = address[1:].partition("]")
    return port.startswith(":") and "[" not in inside and not set(port[1:]) & set("[]:")


def _times(labels: Mapping[str, str]) -> tuple[float, float]:
    interval = _seconds(labels, "__scrape_interval__", "interval")
    timeout = _seconds(labels, "__scrape_timeout__", "timeout")
    if timeout > interval:
        raise DiscoveryError(f"the scrape timeout ({timeout:g}s) is longer than the interval ({interval:g}s)")
    if interval > LONGEST_INTERVAL:
        raise DiscoveryError(f"the scrape interval ({interval:g}s) is over {LONGEST_INTERVAL:g}s")
    return interval, timeout


def _seconds(labels: Mapping[str, str], name: str, what: str) -> float:
    try:
        seconds = parse_prometheus(labels.get(name, ""))
    except ParseError as error:
        raise DiscoveryError(f"the scrape {what}: {error}") from None
    if not seconds:
        raise DiscoveryError(f"the scrape {what} is 0")
    return seconds


def _url(job: ScrapeJob, labels: Mapping[str, str]) -> str:
    path = quote(labels.get("__metrics_path__", ""), safe=_PATH_AS_IT_IS)
    slash = "" if not path or path.startswith("/") else "/"
    query = urlencode(list(_parameters(job, labels)))
    scheme = labels.get("__scheme__", "")
    host = quote(labels["__address__"], safe=_HOST_AS_IT_IS)
    return f"{scheme}://{host}{slash}{path}" + (f"?{query}" if query else "")


def _parameters(job: ScrapeJob, labels: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """In the order of their names; a label stands for the first value."""
    told = {name.removeprefix(_PARAM): value for name, value in labels.items() if name.startswith(_PARAM)}
    for name in sorted({*job.params, *told}):
        given = job.params.get(name, ())
        for value in (told[name], *given[1:]) if name in told else given:
            yield name, value
