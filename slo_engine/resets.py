"""Budgets that somebody let count anew: which reset is in effect for a group at a moment."""

from __future__ import annotations

from collections.abc import Iterable

from core.measures import Group, group_key
from slo_engine.status import Reset
from storage.slo_sets import StoredReset


class Resets:
    """Every reset that is known. The newest that concerns a group counts, until its window has passed it by."""

    def __init__(self, stored: Iterable[StoredReset] = ()) -> None:
        self._by_slo: dict[str, list[StoredReset]] = {}
        for one in sorted(stored, key=lambda one: (one.at, one.id)):
            self._by_slo.setdefault(one.slo, []).append(one)

    def known(self, slo: str) -> bool:
        """Whether an SLO was ever reset."""
        return slo in self._by_slo

    def of(self, slo: str, window: float, group: Group, end: float) -> Reset | None:
        """What cuts the window that ends at `end` (Unix seconds); None where nothing does."""
        known = self._by_slo.get(slo)
        if not known:
            return None
        key = group_key(group)
        mine = [one for one in known if one.group_key in (None, key) and end - window < one.at <= end]
        return Reset(mine[-1].at, mine[-1].reason) if mine else None


NO_RESETS = Resets()
"""Nothing was reset."""
