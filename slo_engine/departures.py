"""Which groups have no target any more, so that their alerts are retired: gone is not the same as silent."""

from __future__ import annotations

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

    def retired(self, slo: str, group: Group, at: float, fleet: Fleet, account: Account | None) -> bool:
        """Whether a group has had no target for RETIRED_AFTER seconds, by discovery and by its expected target-time."""
        who = (slo, group)
        if not group or _present(group, fleet) or _expected(account, at, MINUTES.width):
            self._unseen.pop(who, None)
            return False
        left = [t.left_at for t in fleet.left if t.left_at is not None and _carries(t.groups, group)]
        since = max(left) if left else self._unseen.setdefault(who, at)
        return at - since >= RETIRED_AFTER and not _expected(account, at, RETIRED_AFTER)


def _present(group: Group, fleet: Fleet) -> bool:
    return any(_carries(target.groups, group) for target in fleet.targets)


def _carries(groups: object, group: Group) -> bool:
    assert isinstance(groups, list)
    return any(set(group) <= set(make(one)) for one in groups)


def _expected(account: Account | None, at: float, seconds: float) -> bool:
    end = int(at // MINUTES.width) * MINUTES.width
    return account is not None and account.window(end - seconds, end).expected > 0
