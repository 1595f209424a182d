"""The verdict on one time slice: a pure function of what was counted in it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from slo_engine.book import Counts
from slo_engine.burn import bad_of
from slo_engine.compile import SHARES, Formula
from slo_engine.specs.model import SumRatio
from slo_engine.status import BLIND

Verdict = Literal["good", "bad", "idle", "no_data", "excluded"]


def judge(formula: Formula, counts: Counts, target: Fraction | None) -> Mapping[Verdict, int]:
    """What a slice adds to the ledger. `formula` is of what is counted; `target` None: its share, in parts of SHARES.

    A slice without events is `idle` if at least half of its target-time was seen, else `no_data`; both are neither good
    nor bad. A slice in which nothing was expected and nothing happened is nothing at all.
    """
    if not counts.total and not counts.part:
        return _silent(counts)
    if isinstance(formula.slo.counted, SumRatio):
        return _one(counts.part <= formula.slo.counted.allowed * counts.total)
    good = counts.total - bad_of(formula, counts)
    if target is not None:
        return _one(good >= target * counts.total)
    share = round(Fraction(good * SHARES, counts.total))
    return {"good": share, "bad": SHARES - share}


def _silent(counts: Counts) -> Mapping[Verdict, int]:
    if counts.coverage is None:
        return {}
    return {"idle": 1} if counts.coverage >= BLIND else {"no_data": 1}


def _one(good: bool) -> Mapping[Verdict, int]:  # a verdict, not an option
    return {"good": 1} if good else {"bad": 1}
