"""Which generations are drawn: strata in order, and a keyed hash of the trace id against their probability.

The key makes the choice independent of samplers that look at the id's own bits, and nobody outside can foresee it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from collector.otlp.budget import Budgets
from collector.settings import Stratum
from core.matchers import Matcher, matches_all, parse_matchers

_SCALE = 2**64
_EPOCH = 10.0
"""Seconds between two rounds through all budgets."""
_MOST_TRACES = 20_000
"""Drawn traces that are remembered, so that spans which come in a later request than their call are kept."""


class Draw(NamedTuple):
    """What became of a generation: its stratum, with which probability it is drawn there, and whether it was."""

    stratum: str
    probability: float
    drawn: bool


class _Rule(NamedTuple):
    stratum: Stratum
    matchers: tuple[Matcher, ...]
    budgets: Budgets | None


class Sampler:
    """Draws by trace: what is drawn with a small probability is also drawn with every larger one.

    Where a stratum has a budget, its probability changes with what comes, and its name
    carries the probability: what was drawn with one is a stratum of its own. One thread calls all of it.
    """

    def __init__(self, strata: Sequence[Stratum], key: bytes) -> None:
        self._rules = [_rule(one) for one in strata]
        self._key = key
        self._widest = max((one.probability for one in strata if one.probability is not None), default=0.0)
        self.draws_beyond = any(one.probability is None for one in strata)
        self._drawn: OrderedDict[str, None] = OrderedDict()
        self._now = self._settled = 0.0

    def settle(self, now: float) -> None:
        """It is `now` (Unix seconds): budgets look at what came."""
        self._now = max(now, self._now)
        if self._now >= self._settled + _EPOCH:
            self._settled = self._now
            for one in self._rules:
                if one.budgets is not None:
                    one.budgets.settle(self._now)

    def draw(self, trace_id: str, labels: Mapping[str, str]) -> Draw:
        """The first stratum that fits decides."""
        rule = next(one for one in self._rules if matches_all(one.matchers, labels))
        found = self._by_budget(rule, rule.budgets, trace_id, labels) if rule.budgets else self._fixed(rule, trace_id)
        if found.drawn and self.draws_beyond:
            self._remember(trace_id)
        return found

    def keeps(self, trace_id: str) -> bool:
        """Whether the spans of a trace are kept: some generation in it could be drawn with a fixed probability, or one
        was drawn by a budget or always."""
        return trace_id in self._drawn or self._below(trace_id, self._widest)

    def _fixed(self, rule: _Rule, trace_id: str) -> Draw:
        probability = 1.0 if rule.stratum.probability is None else rule.stratum.probability
        return Draw(rule.stratum.name, probability, self._below(trace_id, probability))

    def _by_budget(self, rule: _Rule, budgets: Budgets, trace_id: str, labels: Mapping[str, str]) -> Draw:
        budget = budgets.of(tuple(labels.get(name, "") for name in rule.stratum.by), self._now)
        one_in = 2**budget.step
        budget.note(self._now)
        drawn = self._below(trace_id, 1 / one_in)
        return Draw(f"{rule.stratum.name}@1/{one_in}" if one_in > 1 else f"{rule.stratum.name}@1", 1 / one_in, drawn)

    def _remember(self, trace_id: str) -> None:
        self._drawn[trace_id] = None
        if len(self._drawn) > _MOST_TRACES:
            self._drawn.popitem(last=False)

    def _below(self, trace_id: str, probability: float) -> bool:
        digest = blake2b(bytes.fromhex(trace_id), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big") < int(probability * _SCALE)


def _rule(stratum: Stratum) -> _Rule:
    matchers = parse_matchers(stratum.match) if stratum.match else ()
    return _Rule(stratum, matchers, None if stratum.budget is None else Budgets(stratum.budget, stratum.most))
