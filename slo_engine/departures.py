"""Which groups have no target any more, so that their alerts are retired: gone is not the same as silent."""

from __future__ import annotations

from collections.abc import Sequence, Set

from core.buckets import MINUTES
from core.labels import make
from core.measures import Group
from slo_engine.book import Account
from slo_engine.conditions import RETIRED_AFTER
from slo_engine.outcome import Fleet


class Departures:
    """Remembers since when a group is unseen where no target tells, as after a new version behind the same address."""

    def __init__(self) -> None:
        self._unseen: dict[tuple[str, Group], float] = {}
        self._fleet: Fleet | None = None
        self._carried: dict[tuple[str, ...], set[Group]] = {}

    def retired(self, slo: str, group: Group, at: float, fleet: Fleet, account: Account | None) -> bool:
        """Whether a group has had no target for RETIRED_AFTER seconds, by discovery and by its expected target-time."""
        who = (slo, group)
        if not group or self._present(group, fleet) or _expected(account, at, MINUTES.width):
            self._unseen.pop(who, None)
            return False
        left = [t.left_at for t in fleet.left if t.left_at is not None and _carries(t.groups, group)]
        since = max(left) if left else self._unseen.setdefault(who, at)
        return at - since >= RETIRED_AFTER and not _expected(account, at, RETIRED_AFTER)

    def absent(self, groups: Sequence[Group], fleet: Fleet) -> list[int]:
        """The places of the groups that no target carries now."""
        return [place for place, group in enumerate(groups) if group and not self._present(group, fleet)]

    def forget_present(self, slo: str, absent: Set[Group]) -> None:
        """Of an SLO no other groups than these are unseen."""
        for who in [who for who in self._unseen if who[0] == slo and who[1] not in absent]:
            del self._unseen[who]

    def _present(self, group: Group, fleet: Fleet) -> bool:
        if fleet is not self._fleet:
            self._fleet, self._carried = fleet, {}
        names = tuple([name for name, _ in group])
        carried = self._carried.get(names)
        if carried is None:
            own = (make(one) for target in fleet.targets for one in target.groups)
            carried = self._carried[names] = {tuple(pair for pair in one if pair[0] in names) for one in own}
        return group in carried


def _carries(groups: object, group: Group) -> bool:
    assert isinstance(groups, list)
    return any(set(group) <= set(make(one)) for one in groups)


def _expected(account: Account | None, at: float, seconds: float) -> bool:
    end = int(at // MINUTES.width) * MINUTES.width
    return account is not None and account.window(end - seconds, end).expected > 0
