"""What is odd about a target although it answers: for its health, in words that begin with the condition's name.

A condition lasts as long as pages show it; what happened once is told for ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.counting import Outcome
from collector.measures import Layout
from collector.target import Unread

_TOLD_FOR = 600.0
_NAMED = 3
"""Series that are named one by one; of more their number is told."""


class Seen(NamedTuple):
    """What a good page was like."""

    layout: Layout
    outcome: Outcome
    types: Mapping[str, str]
    duplicates: int
    unread: Unread
    silence: str | None = None
    """Why it is odd that the target finished nothing."""


@dataclass
class Conditions:
    """Of one target."""

    _events: dict[str, float] = field(default_factory=dict)
    _declared: Mapping[str, str] = field(default_factory=dict)
    _layout: Layout | None = None
    _typed: Sequence[str] = ()

    def look(self, seen: Seen, time: float) -> list[str]:
        """All that holds after a page of this time (Unix seconds)."""
        self._events.update(dict.fromkeys(_events(seen.outcome), time))
        self._events = {text: at for text, at in self._events.items() if abs(time - at) < _TOLD_FOR}
        if seen.layout is not self._layout or seen.types is not self._declared:
            self._layout, self._declared = seen.layout, seen.types
            self._typed = gauges_that_count(seen.layout, seen.types)
        return [*_lasting(seen), *_of_layout(seen.layout, self._typed), *self._events]


def _events(outcome: Outcome) -> Iterable[str]:
    for key in outcome.not_monotonic:
        yield f"not monotonic: {key} fell by less than 1 % and counts anew from there"
    if outcome.relabelled:
        yield f"relabelled: {outcome.relabelled} counters stand under other labels than before and were counted on"
    if outcome.overtook:
        yield "restart overtook: a new process shows no less than the one before; all that it shows is counted"


def _lasting(seen: Seen) -> Iterable[str]:
    outcome = seen.outcome
    if outcome.sawtooth:
        yield "sawtooth: counters go back and forth, as if several workers answered; excluded from all counts"
    if outcome.frozen:
        yield "frozen: requests are in flight and nothing of the engine moves; its gauges and its time are not counted"
    if seen.silence:
        yield f"silent: {seen.silence}; it has stopped, or it is given nothing to do"
    if seen.duplicates:
        yield f"duplicates: {seen.duplicates} samples came twice on the page; the first was kept"
    if seen.unread.counters:
        yield f"no number: {_named(seen.unread.counters)} shows what no counter can have; as if not on the page"
    if seen.unread.gauges:
        yield f"no value: {_named(seen.unread.gauges)} shows NaN or the engine's sign for no value; not counted"


def _of_layout(layout: Layout, typed: Sequence[str]) -> Iterable[str]:
    if layout.per_pid:
        yield f"per process: {_named(layout.per_pid)} stands once for each process; added, of shares the greatest"
    if typed:
        yield f"typed gauge: {_named(typed)} is counted, though its TYPE says gauge"
    for value in layout.unmapped:
        yield f"unmapped: {value} is not known to the profile and counts as excluded"


def gauges_that_count(layout: Layout, types: Mapping[str, str]) -> list[str]:
    """Metrics that the page declares to be gauges and the profile reads as counters."""
    names = {slot.key.partition("{")[0] for slot in layout.counters if len(slot.indices) == 1}
    return sorted(name for name in names if types.get(name) == "gauge")


def _named(names: Sequence[str]) -> str:
    distinct = sorted(set(names))
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return ", ".join(distinct[:_NAMED]) + more
