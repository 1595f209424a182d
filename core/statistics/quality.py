"""Rates over a stratified sample that was judged, with an interval that may be looked at at any time.

The interval of a stratum is the beta-binomial mixture confidence sequence of a Bernoulli mean (Ville 1939, Robbins
1970): with S flagged of n judged and a Beta(1/2, 1/2) prior,

    E(θ) = B(1/2 + S, 1/2 + n − S) / B(1/2, 1/2) / (θ^S (1 − θ)^(n − S))

is a martingale of mean 1 where θ is the rate, so all n together miss it with probability α at most. It needs counts
alone; a betting sequence needs the order of the verdicts, which a ledger of counts does not keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, log
from typing import NamedTuple

ALPHA = 0.05
"""An interval misses the truth at any look with at most this probability."""

_PRIOR = 0.5
"""Krichevsky-Trofimov: at every rate within a constant of the best prior for it, so none has to be guessed."""
_HALVINGS = 60
"""Bisection of [0, 1] down to the spacing of floats near 1e-18."""


@dataclass(frozen=True)
class Stratum:
    """A part of the population that is drawn with one probability.

    `weight`: its size, in generations (any non-negative number; only the ratios count). `drawn` are those of its sample
    that could be judged, `judged` those that were, `flagged` the bad ones among these. ValueError for counts that
    cannot be.
    """

    weight: float
    flagged: int
    judged: int
    drawn: int

    def __post_init__(self) -> None:
        if not 0 <= self.flagged <= self.judged or self.weight < 0 or self.drawn < 0:
            raise ValueError(f"no counts of a stratum: {self}")


@dataclass(frozen=True)
class Estimate:
    """The share that is flagged, from 0 to 1; `rate`, `low` and `high` are None together where nothing was judged.

    `corrected` is false as long as no labels by people correct the detector: the rate is what it flags, not what is
    bad. `coverage`: judged ÷ drawn, None where nothing was drawn. `reason`: why numbers are
    missing or do not speak for all.
    """

    rate: float | None
    low: float | None
    high: float | None
    judged: int
    drawn: int
    coverage: float | None
    corrected: bool = False
    reason: str | None = None


class Interval(NamedTuple):
    """A closed interval of shares."""

    low: float
    high: float


def estimate(strata: Sequence[Stratum], alpha: float = ALPHA) -> Estimate:
    """The weighted rate of all strata: Σ weight × flagged ÷ judged, and its time-uniform interval.

    Each stratum gets alpha ÷ their number (Bonferroni); one of which nothing was judged counts as [0, 1] and is no
    part of the rate. Strata without weight are left out, unless all are.
    """
    judged, drawn = sum(one.judged for one in strata), sum(one.drawn for one in strata)
    coverage = min(1.0, judged / drawn) if drawn else None
    counted = [one for one in strata if one.weight > 0]
    known = [one for one in counted if one.judged]
    if not known:
        return Estimate(None, None, None, judged, drawn, coverage, reason=_nothing(drawn))
    whole, seen = _weight(counted), _weight(known)
    # Sums of floats may pass what they bound by the last digit: 1,303 flagged of 1,303 must not be over 1.
    rate = min(1.0, sum(one.weight * (one.flagged / one.judged) for one in known) / seen)
    bounds = [(one.weight, interval(one.flagged, one.judged, alpha / len(counted))) for one in counted]
    low = sum(weight * bound.low for weight, bound in bounds) / whole
    high = sum(weight * bound.high for weight, bound in bounds) / whole
    low, high = max(0.0, min(low, rate)), min(1.0, max(high, rate))
    return Estimate(rate, low, high, judged, drawn, coverage, reason=_unseen(1 - seen / whole))


@lru_cache(maxsize=65_536)
def interval(flagged: int, judged: int, alpha: float = ALPHA) -> Interval:
    """The time-uniform interval of one Bernoulli rate; [0, 1] without verdicts. ValueError unless 0 < alpha < 1."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
    limit, rate = -log(alpha), flagged / judged if judged else 0.0

    def is_out(share: float) -> bool:
        return log_e(share, flagged, judged) >= limit

    low = _edge(is_out, 0.0, rate) if flagged else 0.0
    high = _edge(is_out, 1.0, rate) if flagged < judged else 1.0
    return Interval(low, high)


def log_e(share: float, flagged: int, judged: int) -> float:
    """The logarithm of the evidence against a rate between 0 and 1: what a fair bet against it would have won."""
    clear = judged - flagged
    mixture = _log_beta(_PRIOR + flagged, _PRIOR + clear) - _log_beta(_PRIOR, _PRIOR)
    return mixture - flagged * log(share) - clear * log(1 - share)


def _edge(is_out: Callable[[float], bool], outside: float, inside: float) -> float:
    """Where evidence, which grows from the observed rate outwards, reaches its limit; rounded outwards."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            break
        if is_out(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _weight(strata: Sequence[Stratum]) -> float:
    return sum(one.weight for one in strata)


def _nothing(drawn: int) -> str:
    return f"nothing was judged of {drawn} drawn" if drawn else "nothing was drawn"


def _unseen(share: float) -> str | None:
    # Under a millionth it is the rounding of the division.
    return f"{share:.1%} of the generations are in strata of which nothing was judged" if share > 1e-6 else None
