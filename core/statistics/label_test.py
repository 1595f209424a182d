"""Is one of two versions worse? Tests on the labels of bad events that stay valid at every look.

A bucket holds the requests and the bad ones of both arms, the canary and its baseline, in one stretch of time and one
stratum. Its share rho = canary's requests ÷ all. If the canary fails r times as often, a bad event is the canary's with
theta(r) = r·rho ÷ (r·rho + 1 − rho). Both tests below are products over buckets of factors whose expectation is at most
1, whatever the common failure rate and the shares do: for a request that is bad with probability p the factor is
1 + p·x ≤ exp(p·x), and the p·x of a bucket add up to at most 0 under the null hypothesis.

The label test is that of Lindon and Malek (arXiv 2011.03567), with a grid of ratios so that shares may drift. The
interval of the difference bets on each bad event, as Waudby-Smith and Ramdas do for means (arXiv 2010.09686).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from math import exp, log
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STEP = log(2) / 16
"""The grid of ratios: 4.4 % apart, by which an interval's ends may be too wide."""
_REACH = 96
"""Steps of the grid to either side of the margin: ratios from 1/64 to 64 times of it can be told apart."""
_SHIFTS = np.array([4, 8, 12, 16, 24, 32, 48, 64, 80])
"""The alternatives, in steps: 1.19 to 32 times the ratio that is tested, equally likely beforehand."""
_CENTRE = _REACH + int(_SHIFTS[-1])
_GRID = (np.arange(2 * _CENTRE + 1) - _CENTRE) * STEP
_TESTED = np.arange(_CENTRE - _REACH, _CENTRE + _REACH + 1)
_BETS = 0.9 * 0.5 ** np.arange(-4, 13)
"""From bold (few bad events, a small share) to cautious: the last is best at some 10^7 bad events."""
_AT_ONCE = 1024
"""Buckets taken together: their table of the grid stays under 3 MB."""
_HALVINGS = 60


class Buckets(NamedTuple):
    """Counts by bucket, all of one length: bad and all requests of the canary and of the baseline."""

    bad_canary: Ints
    bad_baseline: Ints
    total_canary: Ints
    total_baseline: Ints

    @staticmethod
    def of(rows: Iterable[tuple[int, int, int, int]]) -> Buckets:
        """From rows (bad canary, bad baseline, total canary, total baseline)."""
        table = np.array(list(rows), np.int64).reshape(-1, 4)
        return Buckets(*(table[:, column] for column in range(4)))

    def swapped(self) -> Buckets:
        """The arms the other way round."""
        return Buckets(self.bad_baseline, self.bad_canary, self.total_baseline, self.total_canary)


@dataclass(frozen=True)
class Evidence:
    """What buckets say; that of several is the sum. `margin`: the ratio of rates that is still accepted.

    `likelihood`: log likelihood of the labels by log ratio, over a grid around the margin. `worse`, `better`: log
    wealth of each bet on the canary being worse, or better, than a difference of 0. `excess` ÷ `weight` is the
    Mantel-Haenszel difference of bad shares.
    """

    margin: float
    likelihood: Floats
    worse: Floats
    better: Floats
    excess: float
    weight: float
    bad_canary: float
    bad_baseline: float
    total_canary: float
    total_baseline: float

    def plus(self, other: Evidence) -> Evidence:
        """Both together; they must have the same margin."""
        return self._with(lambda name: getattr(self, name) + getattr(other, name))

    def times(self, factor: float) -> Evidence:
        """As if `factor` times as much had come in the same shares; a forecast, not a count."""
        return self._with(lambda name: getattr(self, name) * factor)

    def _with(self, value: Callable[[str], Any]) -> Evidence:
        return Evidence(self.margin, **{name: value(name) for name in _ADDITIVE})


_ADDITIVE = tuple(name for name in Evidence.__dataclass_fields__ if name != "margin")


def gather(buckets: Buckets, margin: float = 1.0) -> Evidence:
    """The evidence of buckets. Bad events beyond a bucket's total are a caller's mistake: ValueError."""
    bad_c, bad_b, all_c, all_b = (np.asarray(column, np.float64) for column in buckets)
    if (bad_c > all_c).any() or (bad_b > all_b).any() or (bad_c < 0).any() or (bad_b < 0).any():
        raise ValueError("bad events must lie between 0 and the total of their bucket")
    everything = all_c + all_b
    share = np.divide(all_c, everything, out=np.zeros_like(all_c), where=everything > 0)
    return Evidence(
        margin,
        _likelihood(buckets, margin),
        _wealth(bad_c, 1 - share) + _wealth(bad_b, -share) + _ruin(share[all_b > 0]),
        _wealth(bad_c, share - 1) + _wealth(bad_b, share) + _ruin(1 - share[all_c > 0]),
        float(((1 - share) * bad_c - share * bad_b).sum()),
        float((all_c * (1 - share)).sum()),
        *(float(column.sum()) for column in (bad_c, bad_b, all_c, all_b)),
    )


def nothing(margin: float = 1.0) -> Evidence:
    """The evidence of no buckets at all."""
    return gather(Buckets.of([]), margin)


def together(parts: Iterable[Evidence], margin: float = 1.0) -> Evidence:
    """The evidence of several strata."""
    return reduce(Evidence.plus, parts, nothing(margin))


def log_e(evidence: Evidence) -> float:
    """Log of the e-value against "the canary is at most `margin` times as bad"; 0 without bad events."""
    return float(_log_e_at(evidence.likelihood, np.array([_CENTRE]), 1)[0])


def mean_log_e(logs: Iterable[float]) -> float:
    """Log of the mean of e-values, an e-value whatever their dependence; 0 of none."""
    values = np.array(list(logs), np.float64)
    return _log_mean(values) if len(values) else 0.0


def ratio(evidence: Evidence) -> float | None:
    """The likeliest ratio of bad rates, canary ÷ baseline; None where it is unbounded or nothing was bad.

    Between two points of the grid it is the top of a parabola.
    """
    bits = evidence.likelihood
    best = int(bits.argmax())
    if not bits.any() or best == len(bits) - 1:
        return None
    if best == 0:
        return 0.0
    before, top, after = bits[best - 1 : best + 2]
    bend = before - 2 * top + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return evidence.margin * exp(_GRID[best] + shift * STEP)


def ratio_interval(evidence: Evidence, alpha: float) -> tuple[float, float | None]:
    """Ratios of rates (canary ÷ baseline) that are not rejected at any look, with probability 1 − alpha.

    Each side takes alpha ÷ 2. A low end of 0 and a high end of None are no bound.
    """
    limit = log(2 / alpha)
    too_low = np.flatnonzero(_log_e_at(evidence.likelihood, _TESTED, 1) >= limit)
    too_high = np.flatnonzero(_log_e_at(evidence.likelihood, _TESTED, -1) >= limit)
    low = evidence.margin * exp(_GRID[_TESTED[too_low[-1]]]) if len(too_low) else 0.0
    high = evidence.margin * exp(_GRID[_TESTED[too_high[0]]]) if len(too_high) else None
    return low, high


def delta(evidence: Evidence) -> float | None:
    """Difference of bad shares, canary − baseline, weighted by Mantel and Haenszel; None if nothing compares."""
    return evidence.excess / evidence.weight if evidence.weight > 0 else None


def delta_interval(evidence: Evidence, alpha: float) -> tuple[float, float] | None:
    """Differences of bad shares that are not rejected at any look, with probability 1 − alpha; alpha ÷ 2 a side."""
    if evidence.weight <= 0:
        return None
    limit = log(2 / alpha)
    low = -_least_rejected(evidence.worse, evidence.weight, limit)
    return low, _least_rejected(evidence.better, evidence.weight, limit)


def bounded_exp(log_value: float) -> float:
    """exp, at most 1e300: JSON has no infinity."""
    return exp(min(log_value, 690.0))


def _likelihood(buckets: Buckets, margin: float) -> Floats:
    """Sum of S·x − n·log(1 + e^(x + logit rho)) over the grid's log ratios x, where labels tell something."""
    bad = buckets.bad_canary + buckets.bad_baseline
    telling = (bad > 0) & (buckets.total_canary > 0) & (buckets.total_baseline > 0)
    logits = np.log(buckets.total_canary[telling] / buckets.total_baseline[telling])
    counts = bad[telling].astype(np.float64)
    x = _GRID + log(margin)
    total = np.asarray(float(buckets.bad_canary[telling].sum()) * x, np.float64)
    for at in range(0, len(counts), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        total = total - counts[part] @ np.logaddexp(0.0, x + logits[part, None])
    return total


def _log_e_at(likelihood: Floats, tested: Ints, direction: int) -> Floats:
    """Log e-values against each tested ratio, of the alternatives above (1) or below (−1) it."""
    against = likelihood[tested[:, None] + direction * _SHIFTS] - likelihood[tested, None]
    top = against.max(axis=1)
    result: Floats = top + np.log(np.exp(against - top[:, None]).mean(axis=1))
    return result


def _wealth(events: Floats, stakes: Floats) -> Floats:
    """Log wealth by bet after events with these stakes, each in [−1, 1]; a bet that `_ruin` ends gains nothing."""
    factors = 1 + _BETS[:, None] * stakes
    result: Floats = np.log(factors, out=np.zeros_like(factors), where=factors > 0) @ events
    return result


def _ruin(at_stake: Floats) -> Floats:
    """−inf for a bet that could lose more than it has in any bucket: it ends there, whatever happens in the bucket."""
    worst = float(at_stake.max()) if len(at_stake) else 0.0
    return np.where(_BETS * worst < 1, 0.0, -np.inf)


def _least_rejected(wealth: Floats, weight: float, limit: float) -> float:
    """The least d in [−1, 1] for which the bets, each worth wealth + bet·weight·d, reach the limit; 1 if none does.

    For `worse` it is the mirror image of the lower bound: the bets pay bet·weight·delta for standing at delta.
    """
    low, high = -1.0, 1.0
    if _log_mean(wealth + _BETS * weight * low) >= limit:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _log_mean(wealth + _BETS * weight * middle) >= limit:
            high = middle
        else:
            low = middle
    return high


def _log_mean(values: Floats) -> float:
    top = float(values.max())
    return top + log(float(np.exp(values - top).mean()))
