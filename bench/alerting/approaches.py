"""Alert rules as data: the six approaches of the SRE workbook, the tables of Sloth and Pyrra, and Burnline's own.

Every row fires when the error ratio of its long window, and of its short one where it has one, is above burn × (1 −
target). Windows and `hold` (how long the condition must last) are minutes at a period of 30 days.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from core.durations import DAY, MINUTE
from slo_engine.windows import policy_for

PERIOD = 30 * DAY


class Few(Enum):
    """What a rule does where its long window holds too few events."""

    NOTHING = "as always"
    GUARD = "waits for five bad events"
    DETECTOR = "asks the e-detector"


class Row(NamedTuple):
    """One condition of a severity; rows of a severity are alternatives. `reached`: at the threshold is enough."""

    burn: Fraction
    long: int
    short: int | None = None
    hold: int = 0
    reached: bool = False


class Approach(NamedTuple):
    """A rule by severity; without rows it does not alert with it. `calm`: evaluations below that end an alert."""

    name: str
    page: tuple[Row, ...]
    ticket: tuple[Row, ...] = ()
    few: Few = Few.NOTHING
    calm: int = 1

    def rows(self, severity: str) -> tuple[Row, ...]:
        """The rows of `page` or `ticket`."""
        return self.page if severity == "page" else self.ticket


def _row(burn: str, long: int, short: int | None = None, hold: int = 0, *, reached: bool = False) -> Row:
    return Row(Fraction(burn), long, short, hold, reached)


_HOUR, _DAY = 60, 1440
WORKBOOK = (
    Approach("1: ratio over 10 m", (_row("1", 10, reached=True),)),
    Approach("2: ratio over 36 h", (_row("1", 36 * _HOUR),)),
    Approach("3: 1 m, held for 1 h", (_row("1", 1, hold=60),)),
    Approach("4: burn 36 over 1 h", (_row("36", _HOUR),)),
    Approach("5: several burn rates", (_row("14.4", _HOUR), _row("6", 6 * _HOUR)), (_row("1", 3 * _DAY),)),
    Approach(
        "6: and windows (Sloth)",
        (_row("14.4", _HOUR, 5), _row("6", 6 * _HOUR, 30)),
        (_row("3", _DAY, 2 * _HOUR), _row("1", 3 * _DAY, 6 * _HOUR)),
    ),
)
"""Chapter 5 of The Site Reliability Workbook; Sloth's table for 30 days is the sixth."""
PYRRA = Approach(
    "Pyrra",
    (_row("14", 64, 5, 2), _row("7", 386, 32, 16)),
    (_row("2", 1543, 129, 64), _row("1", 6171, 386, 193)),
)


def ours(objective: Fraction, few: Few, name: str) -> Approach:
    """Burnline's table for a target over 30 days."""
    rows = policy_for(objective, PERIOD).rows
    by = {
        severity: tuple(
            Row(row.factor, row.long // MINUTE, row.short // MINUTE) for row in rows if row.severity == severity
        )
        for severity in ("page", "ticket")
    }
    return Approach(name, by["page"], by["ticket"], few, calm=2)


def approaches(objective: Fraction) -> tuple[Approach, ...]:
    """All that are compared, for a target."""
    return (
        *WORKBOOK,
        PYRRA,
        ours(objective, Few.GUARD, "6, five bad or more"),
        ours(objective, Few.DETECTOR, "Burnline"),
    )
