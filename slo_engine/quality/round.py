"""Judging sampled SLOs at a minute's edge: every group, its ticket and its status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.measures import group_key
from slo_engine.alerts import Links
from slo_engine.book import KEEP, Book
from slo_engine.burn_round import Minute
from slo_engine.conditions import Reason, State, decide, retire
from slo_engine.evaluate import policy_of
from slo_engine.outcome import Outcome
from slo_engine.quality.alerts import SEVERITY, ticket_event
from slo_engine.quality.decide import gone, stand
from slo_engine.quality.formula import SampledFormula, compile_sampled
from slo_engine.quality.reading import Reading, by_group, read_group
from slo_engine.quality.status import extras, row
from slo_engine.specs.model import Slo
from slo_engine.status import unmeasured
from slo_engine.windows import BurnPolicy
from storage.ledger.columns import Columns
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey


class QualityRound:
    """Remembers and judges the sampled SLOs of one engine."""

    def __init__(self, links: Links, keep: Mapping[int, float] = KEEP) -> None:
        self._links = links
        self._keep = keep
        self._formulas: tuple[SampledFormula, ...] = ()
        self._book = Book((), keep)

    def use(self, slos: Iterable[Slo], now: float) -> None:
        """Put SLOs in force, over a memory that `apply` has to fill; those that are not sampled are left out."""
        self._formulas = tuple(compile_sampled(slo) for slo in slos if slo.sampled and not slo.unsupported)
        self._book = Book(self._formulas, self._keep)
        self._book.trim(now)

    def apply(self, key: RowKey, content: Columns, atoms: Mapping[int, Atom]) -> None:
        """Take in a bucket's content."""
        self._book.apply(key, content, atoms)

    def trim(self, now: float) -> None:
        """Forget what no window reaches."""
        self._book.trim(now)

    def judge(self, minute: Minute, outcome: Outcome) -> None:
        """Decide every ticket, say how every SLO stands; before the burn round, which withdraws what nobody judged."""
        outcome.status = outcome.status or []
        for formula, accounts in zip(self._formulas, self._book.accounts, strict=True):
            policy = policy_of(formula)
            readings = [
                read_group(formula, group, own, minute.end, policy) for group, own in sorted(by_group(accounts).items())
            ]
            for reading in readings:
                self._judge_group(reading, policy, readings, minute.end, outcome)
            if not readings:
                _say_unmeasured(formula.slo, minute.measured, outcome)

    def _judge_group(
        self, reading: Reading, policy: BurnPolicy, siblings: list[Reading], end: int, outcome: Outcome
    ) -> None:
        slo, state = reading.formula.slo, State.OK
        if slo.alerting.ticket:
            state = self._judge_ticket(reading, policy, siblings, end, outcome)
        _add(outcome, slo, group_key(reading.group), row(reading, state))

    def _judge_ticket(
        self, reading: Reading, policy: BurnPolicy, siblings: list[Reading], end: int, outcome: Outcome
    ) -> State:
        key = (reading.formula.slo.name, group_key(reading.group), SEVERITY)
        before, judged = outcome.before(key), stand(reading, policy)
        if gone(reading, policy):
            decision = retire(before, end, Reason.GONE)
        else:
            decision = decide(before, judged.level, judged.coverage, end)
        starts_at = outcome.move(key, decision)
        if decision.transition and starts_at is not None:
            transition, reason = decision.transition, decision.reason
            outcome.events.append(
                ticket_event(reading, judged, transition, starts_at, reason, end, siblings, self._links)
            )
        return decision.alert.state


def _say_unmeasured(slo: Slo, measured: frozenset[str], outcome: Outcome) -> None:
    """No generation is known that the SLO speaks of. Its alerts wait: nobody said that what they told of is over."""
    reason = "no generation that it speaks of was drawn" if "generations" in measured else "no application sends traces"
    blank = unmeasured(slo.name, slo.objective, slo.window_seconds, f"not measured: {reason}")
    _add(outcome, slo, group_key(()), blank | extras())
    outcome.judged |= {key for key in outcome.awake() if key[0] == slo.name}


def _add(outcome: Outcome, slo: Slo, group: str, status: dict[str, Any]) -> None:
    assert outcome.status is not None
    outcome.status.append((slo.name, group, status))
