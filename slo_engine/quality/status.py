"""The status rows of sampled SLOs: the fields of every row, and the interval of what the detectors flag."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.durations import render
from slo_engine.conditions import State
from slo_engine.quality.decide import near_burn
from slo_engine.quality.reading import Judge, Reading, Sample
from slo_engine.status import BLIND, PARTIAL, iso, unmeasured


def row(reading: Reading, state: State) -> dict[str, Any]:
    """A group's row. `good`, `total` are verdicts; `sli` and `interval` are the clear share, weighted by strata."""
    slo, period = reading.formula.slo, reading.period
    found, known = period.estimate, period.judged > 0
    blind = unmeasured(slo.name, slo.objective, slo.window_seconds, _missing(reading))
    common = {
        **blind,
        "group": dict(reading.group),
        "coverage": _coverage(reading),
        "burn_rates": {render(w): near_burn(reading, sample) for w, sample in sorted(reading.windows.items())},
        "since": iso(reading.since),
        **extras(reading.period, reading.judges),
    }
    if not known or found.rate is None:
        return common | {"state": state.value if state is not State.OK else "no_data"}
    silent = state is State.OK and _is_blind(reading)
    return common | {
        "good": period.judged - period.flagged,
        "total": period.judged,
        "sli": 1 - found.rate,
        "budget_remaining": None if is_undecided(reading) else 1 - found.rate / float(slo.budget),
        "exact": False,
        "state": "no_data" if silent else state.value,
        "reason": "; ".join(_reasons(reading)),
    }


def is_undecided(reading: Reading) -> bool:
    """Whether the objective lies within the interval: the promise may be kept, and may be broken."""
    found = reading.period.estimate
    return found.low is not None and found.high is not None and found.low <= reading.formula.slo.budget < found.high


def extras(sample: Sample | None = None, judges: Iterable[Judge] = ()) -> dict[str, Any]:
    """What a row of a sampled SLO says beyond the others."""
    found = sample.estimate if sample else None
    clear = None if found is None or found.low is None or found.high is None else [1 - found.high, 1 - found.low]
    return {
        "sampled": True,
        "corrected": False,
        "interval": clear,
        "detectors": [
            {"detector": judge.detector, "revision": judge.revision, "since": iso(judge.since)} for judge in judges
        ],
    }


def interval_text(sample: Sample, judges: Iterable[Judge]) -> str:
    """What the rate is and is not, in words."""
    found = sample.estimate
    assert found.low is not None
    assert found.high is not None
    names = [judge.detector for judge in judges]
    who = f"{' and '.join(names)} {'flag' if len(names) > 1 else 'flags'}"
    return f"uncorrected: the share that {who}; 95 % interval {_percent(found.low)} to {_percent(found.high)}"


def _coverage(reading: Reading) -> float | None:
    """Judged ÷ drawn; 0 where something was drawn and no detector has said anything yet."""
    nobody = 0.0 if not reading.judges and reading.drawn[reading.length] else None
    return reading.period.estimate.coverage if reading.judges else nobody


def _missing(reading: Reading) -> str:
    """Why there is no number."""
    window = reading.length
    drawn, made = reading.drawn[window], reading.made[window]
    if drawn and any(one.tally.not_applicable for one in reading.period.verdicts) and not reading.period.judged:
        return f"not measured: {drawn} drawn, and none of them had anything to judge"
    if drawn:
        return f"not measured: {drawn} drawn, none judged"
    return f"idle: {made} generated, none drawn" if made else "idle: nothing was generated"


def _reasons(reading: Reading) -> Iterable[str]:
    yield interval_text(reading.period, reading.judges)
    if is_undecided(reading):
        yield "undecided: the objective lies within the interval, so it is not known what is left of the budget"
    found = reading.period.estimate
    if found.coverage is not None and found.coverage < PARTIAL:
        how = "blind: only" if found.coverage < BLIND else "partial:"
        yield f"{how} {found.coverage:.0%} of what was drawn is judged"
    if found.reason:
        yield found.reason


def _is_blind(reading: Reading) -> bool:
    """Something was drawn in the shortest window, and under half of it is judged."""
    shortest = min(reading.windows)
    coverage = reading.windows[shortest].estimate.coverage
    return bool(reading.drawn[shortest]) and coverage is not None and coverage < BLIND


def _percent(share: float) -> str:
    return f"{share:.3g}" if share == 0 else f"{share * 100:.3g} %"
