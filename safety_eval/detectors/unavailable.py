"""A detector that could not be loaded or that its anchors refuted: everything it should judge has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from safety_eval.detectors.port import Item, Verdict, failed

NO_REVISION = "none"
"""Of a detector that never came so far as to have one."""


class Unavailable(NamedTuple):
    """Stands in for a detector; `reason` goes into every verdict."""

    name: str
    reason: str
    revision: str = NO_REVISION

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        """Failed, never clear."""
        return [failed(self.reason) for _ in items]
