"""What an SLO says of those that it needs (`burnline/depends-on`): how they stand, and which of them burn too.

Groups meet where all labels that both have are equal: {model, region} needs {model} of the same model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from core.measures import Group, group_from_key
from slo_engine.conditions import State
from slo_engine.outcome import Outcome
from slo_engine.specs.model import Slo
from storage.alerts import AlertEvent
from storage.status_blocks import Coded

_BEGINS = ("pending", "firing")
_WORST_FIRST = (State.FIRING.value, State.PENDING.value, "no_data", State.OK.value)


def tell(slos: Iterable[Slo], outcome: Outcome) -> None:
    """Add `depends_on` to the status rows of SLOs that need others, and who burns too to what their alerts tell."""
    known = tuple(slos)
    needs = {slo.name: slo.depends_on for slo in known if slo.depends_on}
    if not needs or outcome.status is None:
        return
    standing = _standing(known, {name for names in needs.values() for name in names}, outcome)
    outcome.status = [
        (name, group, {**row, "depends_on": _states(needs[name], group, standing)} if name in needs else row)
        for name, group, row in outcome.status
    ]
    outcome.events = [
        _with_causes(one, needs[one.slo], standing) if one.slo in needs else one for one in outcome.events
    ]


Standing = Mapping[str, Sequence[tuple[Group, str]]]
"""The groups and states of SLOs by name; one of several objectives is found by the name of its SLO too."""


def _standing(slos: Sequence[Slo], needed: set[str], outcome: Outcome) -> Standing:
    names = {slo.name: {slo.name, slo.group} & needed for slo in slos}
    found: dict[str, list[tuple[Group, str]]] = {name: [] for both in names.values() for name in both}
    for slo, group, state in _told(outcome):
        for name in names.get(slo, ()):
            found[name].append((group_from_key(group), state))
    return found


def _told(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    """(SLO, group key, state) of every status of this round."""
    for name, group, row in outcome.status or ():
        yield name, group, str(row["state"])
    for block in outcome.blocks:
        states: Coded = block.fields["state"]
        for group, code in zip(block.groups, states.codes.tolist(), strict=True):
            yield block.slo, group, str(states.values[code])


def _states(needed: Sequence[str], group_key: str, standing: Standing) -> list[dict[str, str | None]]:
    """The worst state of each; null where no SLO in force has that name."""
    return [{"slo": name, "state": _state(name, group_key, standing)} for name in needed]


def _state(name: str, group_key: str, standing: Standing) -> str | None:
    if name not in standing:
        return None
    group = group_from_key(group_key)
    states = [state for other, state in standing[name] if _meet(group, other)]
    return min(states, key=_WORST_FIRST.index, default="no_data")


def _meet(one: Group, other: Group) -> bool:
    labels = dict(one)
    return all(labels.get(name, value) == value for name, value in other)


def _with_causes(event: AlertEvent, needed: Sequence[str], standing: Standing) -> AlertEvent:
    states = _states(needed, event.group_key, standing)
    burning = [str(one["slo"]) for one in states if one["state"] == State.FIRING.value]
    annotations = dict(event.annotations)
    if burning and event.transition in _BEGINS:
        which = "Its dependency" if len(burning) == 1 else "Its dependencies"
        verb = "burns" if len(burning) == 1 else "burn"
        text = f"{which} {', '.join(burning)} {verb} too. {annotations.get('description', '')}"
        annotations["description"] = text.strip()
    return replace(event, annotations=annotations, evidence={**event.evidence, "depends_on": states})
