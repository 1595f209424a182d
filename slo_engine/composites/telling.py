"""A composite in words: its status row, and what its alerts say of its components."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from core.durations import render
from slo_engine import periods
from slo_engine.alerts import budget_text, whose_budget
from slo_engine.composites.mix import Mixed, Share
from slo_engine.composites.read import Members
from slo_engine.conditions import State
from slo_engine.evaluate import Stand
from slo_engine.forecast import exhausted_at
from slo_engine.status import INEXACT, Reading, iso, row
from storage.alerts import AlertEvent

_TIMES = ("start", "end", "exhausted_at")


def status(reading: Reading, members: Members, state: State, end: int, *, excluded: bool) -> dict[str, Any]:
    """The row of one group. It has no counts of its own: they are in the rows of its components."""
    found = row(reading, state)
    exact = all(one.formula is None or one.formula.slo.exact for one in members)
    notes = [*_unknown(reading), *([found["reason"]] if found["reason"] and not _is_unknown(reading) else [])]
    notes += [INEXACT] if not exact else []
    notes += ["excluded now, so no alert begins or ends"] if excluded else []
    silent = state is State.OK and (_is_unknown(reading) or excluded)
    return {
        **found,
        "total": None,
        "sli": None,
        "exact": exact,
        "state": "no_data" if silent else found["state"],
        "reason": "; ".join(notes) or None,
        # What is known of it is the least that burns: when it is gone then, nobody can say.
        "exhausted_at": {} if _is_unknown(reading) else exhausted_at(reading, end),
        "components": components(reading),
        **_period(reading, end),
    }


def components(reading: Reading) -> list[dict[str, Any]]:
    """What each component spends: of each alert window, and of the budget."""
    period = reading.period
    assert isinstance(period, Mixed)
    by_window = {render(length): one for length, one in sorted(reading.windows.items()) if isinstance(one, Mixed)}
    return [
        {
            "slo": share.part.slo,
            "weight": float(share.part.weight),
            "burn_rates": {name: _rate(one.shares[place]) for name, one in by_window.items()},
            "budget_remaining": None if share.spent is None else share.spent.remaining,
        }
        for place, share in enumerate(period.shares)
    ]


def told(event: AlertEvent, reading: Reading, judged: Stand, end: int) -> AlertEvent:
    """The alert event of a composite: who burns in place of counts, which it has none of."""
    window = reading.windows[judged.row.long if judged.row else min(reading.windows)]
    left = reading.period.remaining
    budget = "" if left is None else f" {budget_text(left, whose_budget(reading, end))}"
    partial = "".join(f" {note.capitalize()}." for note in _unknown(reading))
    length = render(judged.row.long if judged.row else min(reading.windows))
    text = f"Over {length} {_burns(window)}.{budget}{partial} {reading.formula.slo.description}".strip()
    evidence = {name: value for name, value in event.evidence.items() if name not in ("bad_events", "total_events")}
    return replace(
        event,
        annotations={**event.annotations, "description": text},
        evidence={**evidence, "components": components(reading)},
    )


def _burns(window: object) -> str:
    """Who burns, worst first."""
    assert isinstance(window, Mixed)
    known = [share for share in window.shares if share.burn is not None]
    worst = sorted(known, key=lambda one: -(one.part.weight * (one.burn or 0)))
    texts = [f"{one.part.slo} burns at {float(one.burn or 0):.3g} (weight {float(one.part.weight):g})" for one in worst]
    return ", ".join(texts) or "nothing was counted"


def _rate(share: Share) -> float | None:
    return None if share.burn is None else float(share.burn)


def _is_unknown(reading: Reading) -> bool:
    return any(isinstance(one, Mixed) and one.unknown for one in (_shortest(reading), reading.period))


def _unknown(reading: Reading) -> Iterable[str]:
    """Which components nothing is known of, and what that makes of the numbers."""
    for one, when in ((reading.period, ""), (_shortest(reading), f" in the last {render(min(reading.windows))}")):
        if isinstance(one, Mixed) and one.unknown:
            yield (
                f"partial: nothing is known of {', '.join(one.unknown)}{when}, so it burns at least as fast as "
                "this, and no more than this is left"
            )
            return


def _shortest(reading: Reading) -> object:
    return reading.windows[min(reading.windows)]


def _period(reading: Reading, end: int) -> dict[str, Any]:
    """The running period, with a calendar."""
    found = periods.fields(reading.formula.slo, reading.period, end)
    if not found:
        return {}
    return {"period": {name: iso(value) if name in _TIMES else value for name, value in found.items()}}
