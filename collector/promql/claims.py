"""Which targets a server's reader must leave alone: those that are counted from elsewhere, or cannot be told apart.

A target that Burnline scrapes itself is counted there. One that two servers have is counted from the first that told
of it. An address under which a server has two targets at once is counted from none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collector.promql.pages import Address
from storage.fleet import TargetHealth

MARK = "/prometheus:"
"""Stands between a collector's shard and a server's name in the shard of that server's targets."""
PUSHED = "/push"
"""Ends the name of the shard of pushed targets, which give way to those that are scraped or read."""


@dataclass
class Claims:
    """What the readers of one process count; shared by them."""

    holders: dict[Address, str] = field(default_factory=dict)

    def refused(
        self, own: str, seen: Iterable[Address], present: Iterable[Address], known: Iterable[TargetHealth]
    ) -> dict[Address, str]:
        """Addresses that the reader of the shard `own` must not count, with the reason; it claims the others.

        `seen`: addresses in an answer; `present`: the targets that the server has, one entry each; `known`: targets of
        all shards.
        """
        scraped, read = _elsewhere(own, known)
        doubled = {address for address, n in Counter(present).items() if n > 1}
        found: dict[Address, str] = {}
        for address in seen:
            holder = self.holders.setdefault(address, read.get(address, own))
            if address.instance in scraped:
                found[address] = f"{address.instance} is scraped by job {scraped[address.instance]}, and counted there"
            elif address in doubled:
                found[address] = f"two targets of job {address.job} are {address.instance} at once"
            elif holder != own:
                found[address] = f"{address.instance} is read from another server ({holder}), and counted there"
        return found

    def release(self, own: str, left: Iterable[Address]) -> None:
        """Targets that have left: whoever has them next may count them."""
        for address in left:
            if self.holders.get(address) == own:
                del self.holders[address]


def _elsewhere(own: str, known: Iterable[TargetHealth]) -> tuple[Mapping[str, str], Mapping[Address, str]]:
    """Instances that are scraped, with their job, and addresses that other servers' readers count, with their shard."""
    scraped: dict[str, str] = {}
    read: dict[Address, str] = {}
    mine: set[Address] = set()
    for one in known:
        address = Address(one.labels.get("instance", ""), one.job)
        if one.shard == own:
            mine.add(address)
        elif MARK in one.shard:
            read[address] = one.shard
        elif not one.shard.endswith(PUSHED):
            scraped[address.instance] = one.job
    return scraped, {address: shard for address, shard in read.items() if address not in mine}
