"""How often an interval that is read again and again misses the truth, and a ticket opens on a kept promise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from math import isclose, lgamma, log, pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.harness import Table, figure, guarded, python, require_equal
from core.statistics.quality import ALPHA, interval, log_e
from slo_engine.low_traffic import MIN_BAD_EVENTS

_RATES = (0.001, 0.01, 0.05, 0.2)
_Z = 1.959964
"""The normal quantile of a two-sided 95 %."""
_HOURS = 30 * 24
_ROWS = ((24, 2, 1.8), (72, 6, 1.0))
"""Ticket rows of a 95 % promise over 30 days: long and short window in hours, factor (windows/low-targets.yaml)."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Misses = Callable[[float, Ints, Ints], npt.NDArray[np.bool_]]
"""(true rate, flagged, judged) → whether an interval over them leaves the rate out."""


class _LogGamma:
    """log Γ of whole and half numbers, from a table: numpy has none."""

    def __init__(self, most: int) -> None:
        self._half = np.array([lgamma(n + 0.5) for n in range(most + 1)])
        self._whole = np.array([lgamma(n + 1) for n in range(most + 1)])

    def log_e(self, rate: float, flagged: Ints, judged: Ints) -> Floats:
        """`core.statistics.quality.log_e` of many counts at once."""
        clear = judged - flagged
        mixture = self._half[flagged] + self._half[clear] - self._whole[judged] - log(pi)
        result: Floats = mixture - flagged * log(rate) - clear * log(1 - rate)
        return result


class _Rule(NamedTuple):
    """When a window says that the rate is above a limit."""

    name: str
    is_above: Callable[[float, Ints, Ints], npt.NDArray[np.bool_]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulation; 1 when the fast formula is not that of the engine."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.quality",
        description="Measures the share of runs in which a 95 % interval misses the true rate at any of its looks, the "
        "engine's time-uniform one against the usual ones, and the share of months that open a false ticket.",
    )
    parser.add_argument("--size", type=int, default=2000, help="runs of each row (default: %(default)s)")
    parser.add_argument("--looks", type=int, default=1000, help="verdicts, and looks, of a run (default: %(default)s)")
    options = parser.parse_args(argv)
    return guarded(lambda: _measure(options.size, options.looks))


def _measure(runs: int, looks: int) -> str:
    rng = np.random.default_rng(0)
    gamma = _LogGamma(max(looks, 100 * 72 + 1))
    _verify(gamma, looks)
    title = f"{python()}, {runs} runs, numpy's generator with seed 0"
    missed = Table(
        ("true rate", "time-uniform", "Wilson", "Wald", "± time-uniform", "± Wilson"),
        [_missed(rng, gamma, rate, runs, looks) for rate in _RATES],
    )
    tickets = Table(
        ("verdicts an hour", "false, near edge", "false, rate alone", "hours, near edge"),
        [_tickets(rng, gamma, hourly, runs) for hourly in (2, 10, 100)],
    )
    return (
        f"Share of runs that miss the true rate at one of {looks} looks (%), and half widths at the last:\n{title}\n\n"
        f"{missed}\n\nShare of 30 days, looked at each hour, with a false ticket at 5 % flagged of 5 % allowed (%), "
        f"and hours until a true one at 10 % flagged (median):\n\n{tickets}"
    )


def _verify(gamma: _LogGamma, looks: int) -> None:
    for flagged, judged in ((0, 1), (1, looks), (looks // 2, looks), (looks, looks)):
        fast = gamma.log_e(0.03, np.array([flagged]), np.array([judged]))[0]
        slow = log_e(0.03, flagged, judged)
        require_equal(f"log E of {flagged} in {judged}", isclose(fast, slow, rel_tol=1e-9, abs_tol=1e-9), True)


def _missed(rng: np.random.Generator, gamma: _LogGamma, rate: float, runs: int, looks: int) -> tuple[str, ...]:
    flagged = np.cumsum(rng.random((runs, looks)) < rate, axis=1, dtype=np.int64)
    judged = np.broadcast_to(np.arange(1, looks + 1), flagged.shape)
    methods: Mapping[str, Misses] = {
        "time-uniform": lambda true, s, n: gamma.log_e(true, s, n) >= -log(ALPHA),
        "Wilson": lambda true, s, n: np.abs(s / n - true) > _Z * np.sqrt(true * (1 - true) / n),
        "Wald": lambda true, s, n: np.abs(s / n - true) > _Z * np.sqrt(s / n * (1 - s / n) / n),
    }
    shares = [100 * float(misses(rate, flagged, judged).any(axis=1).mean()) for misses in methods.values()]
    widths = (_half_width(round(rate * looks), looks), _wilson(round(rate * looks), looks))
    return (f"{rate:.1%}", *(figure(share) for share in shares), *(figure(width) for width in widths))


def _half_width(flagged: int, judged: int) -> float:
    low, high = interval(flagged, judged)
    return (high - low) / 2


def _wilson(flagged: int, judged: int) -> float:
    share = flagged / judged
    spread: float = _Z * (share * (1 - share) / judged + _Z**2 / (4 * judged**2)) ** 0.5
    return spread / (1 + _Z**2 / judged)


def _tickets(rng: np.random.Generator, gamma: _LogGamma, hourly: int, runs: int) -> tuple[str, ...]:
    near = _Rule("near", lambda limit, s, n: (s > limit * n) & (gamma.log_e(limit, s, n) > -log(ALPHA)))
    alone = _Rule("alone", lambda limit, s, n: s > limit * n)
    kept = rng.binomial(hourly, 0.05, (runs, _HOURS)).astype(np.int64)
    broken = rng.binomial(hourly, 0.10, (runs, _HOURS)).astype(np.int64)
    false = [100 * float(_opens(kept, hourly, rule).any(axis=1).mean()) for rule in (near, alone)]
    opened = _opens(broken, hourly, near)
    hours = np.where(opened.any(axis=1), opened.argmax(axis=1) + 1, _HOURS)
    return (str(hourly), *(figure(share) for share in false), figure(float(np.median(hours))))


def _opens(flagged: Ints, hourly: int, rule: _Rule) -> npt.NDArray[np.bool_]:
    """At which hours of each run a row opens a ticket: by the rule on its long window, by the rate on its short one."""
    opened = np.zeros(flagged.shape, bool)
    for long, short, factor in _ROWS:
        limit = 0.05 * factor
        s, n = _window(flagged, hourly, long)
        recent, of = _window(flagged, hourly, short)
        opened |= rule.is_above(limit, s, n) & (recent > limit * of) & (s >= MIN_BAD_EVENTS)
    return opened


def _window(flagged: Ints, hourly: int, hours: int) -> tuple[Ints, Ints]:
    """Flagged and judged of the hours that end at each hour; the first windows are not full yet."""
    sums = np.cumsum(flagged, axis=1)
    before = np.zeros_like(sums)
    before[:, hours:] = sums[:, :-hours]
    judged = hourly * np.minimum(np.arange(1, flagged.shape[1] + 1), hours)
    return sums - before, np.broadcast_to(judged, flagged.shape)


if __name__ == "__main__":
    sys.exit(main())
