"""Has a rate of bad events passed its limit? An e-detector for few events, valid at every look.

Time is cut into steps. A step with b bad and g good events multiplies the evidence that events are bad with probability
q, where p is the limit, by

    L(b, g) = (q ÷ p)^min(b, 2) · ((1 − q) ÷ (1 − p))^g

whose expectation is at most 1 while every event, given those before it, is bad with probability p or less. No more
than two bad events of one step count: a client that tries again and again says little more.
The evidence is the Shiryaev-Roberts sum of the products that begin at each step, kept step by step as

    R ← (R + 1) · L

and averaged over several q. R minus the number of steps begun is then a supermartingale, so that whatever the traffic
does and however often it is looked at, R reaches c within T steps with probability T ÷ c at most, and after c steps or
more on average (Shin, Ramdas and Rinaldo, "E-detectors", arXiv 2203.03532; Ville 1939). After a step with bad events R
is cut to `HOLD` times the threshold, which only lowers it: without that, evidence would outlast its cause by days.
"""

from __future__ import annotations

from math import inf, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BREACHES = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
"""The rates that are bet on, on the way from the limit (0) to `_WORST` (1), in equal steps of their logarithm."""
MOST = 2
"""Bad events of one step that count."""
HOLD = 20.0
"""About 3 ÷ q good events in a row divide the evidence of a breach at rate q by this (the rule of three)."""
_WORST = 0.9
_HALVINGS = 12


class Steps(NamedTuple):
    """Counts by step of equal length, all arrays of one length. `limit`: the share that may be bad, in (0, 1)."""

    bad: Ints
    good: Ints
    limit: Floats

    @staticmethod
    def of(bad: Ints, total: Ints, limit: Floats | float) -> Steps:
        """From bad and all events; ValueError for counts or limits that cannot be."""
        limits = np.broadcast_to(np.asarray(limit, np.float64), bad.shape)
        if (bad < 0).any() or (bad > total).any():
            raise ValueError("bad events must lie between 0 and the total of their step")
        if not ((limits > 0) & (limits < 1)).all():
            raise ValueError("a limit must lie between 0 and 1")
        return Steps(bad, total - bad, limits)


class Gains(NamedTuple):
    """Logarithms by which one bad and one good event move the evidence; the first axis is that of `BREACHES`."""

    bad: Floats
    good: Floats


class Evidence(NamedTuple):
    """What steps say. `value` is compared with a threshold; the likeliest breach began at the step `start` (an index).

    `bad` of `total` events are those from `start` on, every bad one counted.
    """

    value: float
    start: int
    bad: int
    total: int


def gains(limit: Floats) -> Gains:
    """The gains of each breach that is bet on, at each limit: arrays of shape (breaches, *limit.shape)."""
    shape = (-1, *([1] * limit.ndim))
    worst = np.maximum(_WORST, (1 + limit) / 2)
    up = BREACHES.reshape(shape) * np.log(worst / limit)
    return Gains(up, np.log1p(-limit * np.exp(up)) - np.log1p(-limit))


def advance(evidence: Floats, bad: Ints, good: Ints, gain: Gains, threshold: float) -> Floats:
    """The evidence, by breach, after one more step of each of many series; arrays of shape (breaches, series)."""
    moved = (evidence + 1) * np.exp(np.minimum(bad, MOST) * gain.bad + good * gain.good)
    return np.where(bad > 0, _cut(moved, HOLD * threshold), moved)


def value(evidence: Floats) -> Floats:
    """The evidence against the limit: the mean over the breaches that are bet on."""
    mean: Floats = evidence.mean(axis=0)
    return mean


def weigh(steps: Steps, threshold: float) -> Evidence:
    """What the steps say together; the same as `advance` over them from nothing on."""
    if not len(steps.bad):
        return Evidence(0.0, 0, 0, 0)
    rise = _rise(steps)
    start = _began(rise)
    bad, good = int(steps.bad[start:].sum()), int(steps.good[start:].sum())
    return Evidence(float(value(_run(steps, rise, threshold))), start, bad, bad + good)


def at_least(steps: Steps, threshold: float) -> float | None:
    """The highest multiple of the limit that the evidence is against; None where it is not against the limit itself."""
    if not len(steps.bad) or _value_at(steps, 0.0, threshold) < threshold:
        return None
    low, high = 0.0, -log(float(steps.limit.max()))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _value_at(steps, middle, threshold) >= threshold:
            low = middle
        else:
            high = middle
    return float(np.exp(low))


def _value_at(steps: Steps, log_multiple: float, threshold: float) -> float:
    moved = steps._replace(limit=np.minimum(steps.limit * np.exp(log_multiple), 1 - 1e-9))
    return float(value(_run(moved, _rise(moved), threshold)))


def _rise(steps: Steps) -> Floats:
    """The logarithm by which each step moves the evidence of each breach."""
    gain = gains(steps.limit)
    moved: Floats = np.minimum(steps.bad, MOST) * gain.bad + steps.good * gain.good
    return moved


def _run(steps: Steps, rise: Floats, threshold: float) -> Floats:
    """The recursion, in runs that end with a bad step each: within them it is a sum of exponentials."""
    ends = np.flatnonzero(steps.bad)
    firsts = np.unique(np.concatenate([[0], ends + 1]))
    firsts = firsts[firsts < len(steps.bad)]
    lasts = np.append(firsts[1:], len(steps.bad)) - 1
    until = np.cumsum(rise, axis=1)
    # To the end of each step's run, from before the step: never more than one bad event's gain, so it cannot overflow.
    ahead = np.exp(np.repeat(until[:, lasts], lasts - firsts + 1, axis=1) - until + rise)
    added, grown = np.add.reduceat(ahead, firsts, axis=1), ahead[:, firsts]
    most = np.where(steps.bad[lasts] > 0, HOLD * threshold, inf)
    evidence = np.zeros(len(BREACHES))
    for run, limit in enumerate(most):
        evidence = _cut(evidence * grown[:, run] + added[:, run], limit)
    return evidence


def _began(rise: Floats) -> int:
    """The latest step from which on the evidence of some breach rose most."""
    behind = np.cumsum(rise[:, ::-1], axis=1).max(axis=0)
    return len(behind) - 1 - int(behind.argmax())


def _cut(evidence: Floats, most: float) -> Floats:
    """Lowered to a mean of `most` at most. All breaches alike: those that the events speak against stay behind."""
    lowered: Floats = evidence * np.minimum(1.0, most / np.maximum(evidence.mean(axis=0), 1e-300))
    return lowered
