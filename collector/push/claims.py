"""Which pushed targets are counted elsewhere: a target that Burnline scrapes, or reads from a server, counts there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collector.promql.claims import MARK, PUSHED
from collector.promql.pages import Address
from storage.fleet import TargetHealth


def refused(seen: Iterable[Address], known: Iterable[TargetHealth]) -> dict[Address, str]:
    """Those of the targets that must not be counted, with the reason."""
    scraped, read = _elsewhere(known)
    found: dict[Address, str] = {}
    for address in seen:
        if address.instance in scraped:
            found[address] = f"{address.instance} is scraped by job {scraped[address.instance]}, and counted there"
        elif address in read:
            found[address] = f"{address.instance} is read from a server ({read[address]}), and counted there"
    return found


def _elsewhere(known: Iterable[TargetHealth]) -> tuple[Mapping[str, str], Mapping[Address, str]]:
    """Instances that are scraped, with their job, and targets that are read from servers, with the shard."""
    scraped: dict[str, str] = {}
    read: dict[Address, str] = {}
    for one in known:
        instance = one.labels.get("instance", "")
        if MARK in one.shard:
            read[Address(instance, one.job)] = one.shard
        elif not one.shard.endswith(PUSHED):
            scraped[instance] = one.job
    return scraped, read
