"""Which conditions the rules carry: the engine's own, or those of other tools, so that equality can be shown."""

from __future__ import annotations

from enum import Enum

from core.durations import MINUTE
from slo_engine.compile import Formula
from slo_engine.conditions import CALM_TICKS
from slo_engine.evaluate import policy_of
from slo_engine.low_traffic import MIN_BAD_EVENTS
from slo_engine.specs.model import EventRatio, Latency, QueryRatio, Slo
from slo_engine.windows import BurnPolicy, workbook_for


class RulePolicy(Enum):
    """`burnline`: the engine's tables and its second calm evaluation; five bad events, where it asks its detector.

    `workbook`: the workbook's rows at any target and period, with the engine's other conditions.
    `sloth`: the workbook's rows and nothing else, as Sloth writes them.
    """

    BURNLINE = "burnline"
    WORKBOOK = "workbook"
    SLOTH = "sloth"

    def rows(self, slo: Slo) -> BurnPolicy:
        """The windows and factors of an SLO."""
        if self is RulePolicy.BURNLINE:
            return policy_of(Formula(slo, (), part_is_good=False))
        return workbook_for(slo.window_seconds)

    def least_bad(self, slo: Slo) -> int:
        """How many bad events the long window needs; 0 where any share is enough, as of time or of amounts."""
        minutes = isinstance(slo.indicator, QueryRatio) and slo.indicator.minutes > 0
        events = isinstance(slo.indicator, EventRatio | QueryRatio | Latency) and not minutes
        return MIN_BAD_EVENTS if events and self is not RulePolicy.SLOTH else 0

    @property
    def keeps_firing(self) -> int:
        """Seconds that an alert goes on after its condition: until the engine's last calm evaluation."""
        return 0 if self is RulePolicy.SLOTH else (CALM_TICKS - 1) * MINUTE
