"""What is said of groups at rest, column by column: the same fields as `status.row`, without an object a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.durations import render
from slo_engine import budget_policy
from slo_engine.compile import COVERED, EXPECTED, TOTAL, Cut, Formula
from slo_engine.conditions import State
from slo_engine.forecast import exhausted_at_of
from slo_engine.sheet import Floats, Numbers, Sheet, Spending, Truths, ratios, times
from slo_engine.specs.model import SumRatio
from slo_engine.status import BLIND, INEXACT, PARTIAL, coverage_reason, cut_note, iso, reset_fields
from slo_engine.track import NEVER
from storage.status_blocks import NO_NUMBER, Coded, StatusBlock, coded


class Rest(NamedTuple):
    """The groups of an SLO that are told in columns: their places in the sheet, keys, first buckets and cuts."""

    places: Numbers
    keys: Sequence[str]
    since: Numbers
    cuts: Sequence[frozenset[Cut]]


def block(formula: Formula, sheet: Sheet, rest: Rest, end: int) -> StatusBlock:
    """The fields of groups whose alerts are all at rest. `end`: the evaluated minute's edge, Unix seconds."""
    slo, here = formula.slo, rest.places
    period = _of(sheet.period, here)
    windows = {length: _of(spending, here) for length, spending in sorted(sheet.windows.items())}
    coverage, total = _coverage(period), period.counts[:, TOTAL]
    remaining, burns = period.remaining, {render(length): spending.rates for length, spending in windows.items()}
    is_ratio = slo.objective > 0
    fields: dict[str, Any] = {
        "objective": slo.objective if is_ratio else None,
        "window": render(slo.window_seconds),
        "good": _amounts(total - period.bad, total, formula.unit) if is_ratio else None,
        "total": _amounts(total, total, formula.unit),
        "sli": _slis(formula, period),
        "budget_remaining": remaining,
        "burn_rates": burns,
        "coverage": coverage,
        "exact": slo.exact,
        "state": _states(total, _coverage(windows[min(windows)])),
        "since": _times(rest.since),
        "reason": coded(_reasons(formula, period, windows, rest.cuts)),
        **reset_fields(None),
        "exhausted_at": exhausted_at_of(remaining, burns, slo.window_seconds, end),
        **budget_policy.fields(slo),
    }
    return StatusBlock(slo.name, rest.keys, fields)


def _of(spending: Spending, places: Numbers) -> Spending:
    counts, bad, allowed, scale = spending
    return Spending(counts[places], bad[places], allowed[places], scale)


def _coverage(spending: Spending) -> Floats:
    covered, expected = spending.counts[:, COVERED], spending.counts[:, EXPECTED]
    return np.minimum(ratios(covered, expected), 1.0)


def _amounts(numbers: Numbers, total: Numbers, unit: float) -> npt.NDArray[Any]:
    """In the unit that is reported; nothing without events."""
    if unit == 1.0:
        return np.where(total > 0, numbers, NO_NUMBER)
    return np.where(total > 0, numbers / unit, np.nan)


def _slis(formula: Formula, period: Spending) -> Floats:
    slo, total = formula.slo, period.counts[:, TOTAL]
    if isinstance(slo.indicator, SumRatio) and slo.threshold is not None:
        allowed = slo.indicator.allowed
        shares = ratios(times(period.bad, allowed.denominator), times(total, allowed.numerator)) * slo.threshold
    else:
        shares = ratios(total - period.bad, total)
    return np.where(total > 0, shares, np.nan)


def _times(since: Numbers) -> Coded:
    distinct, codes = np.unique(since, return_inverse=True)
    return Coded([None if n >= NEVER else iso(float(n)) for n in distinct.tolist()], codes)


def _states(total: Numbers, recent: Floats) -> Coded:
    silent = (total <= 0) | ~(recent >= BLIND)
    return Coded((State.OK.value, "no_data"), silent.astype(np.int64))


# Reasons.

_NONE, _UNEXPECTED, _BLIND, _IDLE, _PARTIAL = range(5)


def _reasons(
    formula: Formula, period: Spending, windows: dict[int, Spending], cuts: Sequence[frozenset[Cut]]
) -> list[str | None]:
    """As `status.row` says it: of the period, else of the first window without a rate."""
    texts = _Texts()
    found: list[str | None] = [None] * len(cuts)
    open_ = np.ones(len(cuts), bool)
    for prefix, spending, concerned in _looked_at(period, windows):
        kinds, coverage = _kinds(spending), _coverage(spending)
        here = np.flatnonzero(open_ & concerned & (kinds != _NONE))
        for place in here.tolist():
            found[place] = texts.of(prefix, int(kinds[place]), float(coverage[place]))
        open_[here] = False
    return [_with_notes(formula, text, own) for text, own in zip(found, cuts, strict=True)]


def _looked_at(period: Spending, windows: dict[int, Spending]) -> list[tuple[str, Spending, Truths]]:
    first = ("", period, np.ones(len(period.bad), bool))
    return [first, *((f"last {render(length)} ", one, one.allowed == 0) for length, one in windows.items())]


def _kinds(spending: Spending) -> Numbers:
    coverage, total = _coverage(spending), spending.counts[:, TOTAL]
    cases = [np.isnan(coverage), coverage < BLIND, total == 0, coverage < PARTIAL]
    found: Numbers = np.select(cases, [_UNEXPECTED, _BLIND, _IDLE, _PARTIAL], _NONE)
    return found


class _Texts:
    """Each text is made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, float], str] = {}

    def of(self, prefix: str, kind: int, coverage: float) -> str:
        """The words of `coverage_reason`."""
        key = prefix, kind, coverage if kind in (_BLIND, _PARTIAL) else 0.0
        text = self._made.get(key)
        if text is None:
            known = None if kind == _UNEXPECTED else coverage
            text = self._made[key] = prefix + (coverage_reason(known, 0 if kind == _IDLE else 1) or "")
        return text


def _with_notes(formula: Formula, text: str | None, cuts: frozenset[Cut]) -> str | None:
    if text is None and not cuts and formula.slo.exact:
        return None
    inexact = [] if formula.slo.exact else [INEXACT]
    return "; ".join([*([text] if text else []), *inexact, *(cut_note(formula, *cut) for cut in sorted(cuts))]) or None
