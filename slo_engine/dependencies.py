"""What an SLO says of those that it needs (`burnline/depends-on`): how they stand, and which of them burn too.

Groups meet where all labels that both have are equal: {model, region} needs {model} of the same model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.measures import Group, group_from_key
from slo_engine.conditions import State
from slo_engine.outcome import Key, Outcome
from slo_engine.specs.model import Slo
from storage.alerts import AlertEvent

_BEGINS = ("pending", "firing")


def tell(slos: Iterable[Slo], outcome: Outcome) -> None:
    """Add `depends_on` to the status rows of SLOs that need others, and who burns too to what their alerts tell."""
    needs = {slo.name: slo.depends_on for slo in slos if slo.depends_on}
    if not needs or outcome.status is None:
        return
    awake = _awake(slos, outcome)
    outcome.status = [
        (name, group, {**row, "depends_on": _states(needs[name], group, awake)} if name in needs else row)
        for name, group, row in outcome.status
    ]
    outcome.events = [_with_causes(one, needs[one.slo], awake) if one.slo in needs else one for one in outcome.events]


Awake = Mapping[str, Sequence[tuple[Group, State]]]
"""The alerts of SLOs that are pending or firing; an SLO of several objectives is found by its own name too."""


def _awake(slos: Iterable[Slo], outcome: Outcome) -> Awake:
    names = {slo.name: {slo.name, slo.group} for slo in slos}
    found: dict[str, list[tuple[Group, State]]] = {name: [] for both in names.values() for name in both}
    for (slo, group, _), state in _after(outcome).items():
        for name in names.get(slo, ()):
            found[name].append((group_from_key(group), state))
    return found


def _after(outcome: Outcome) -> dict[Key, State]:
    """Where alerts stand after this round, of those that are not at rest."""
    before = {key: outcome.before(key).state for key in outcome.awake()}
    after = {key: State(row.state) for key, row in outcome.alerts.items()}
    return {key: state for key, state in {**before, **after}.items() if state is not State.OK}


def _states(needed: Sequence[str], group_key: str, awake: Awake) -> list[dict[str, str | None]]:
    """The worst alert of each; null where no SLO in force has that name."""
    return [{"slo": name, "state": _state(name, group_key, awake)} for name in needed]


def _state(name: str, group_key: str, awake: Awake) -> str | None:
    if name not in awake:
        return None
    group = group_from_key(group_key)
    states = [state for other, state in awake[name] if _meet(group, other)]
    return max(states, key=list(State).index, default=State.OK).value


def _meet(one: Group, other: Group) -> bool:
    labels = dict(one)
    return all(labels.get(name, value) == value for name, value in other)


def _with_causes(event: AlertEvent, needed: Sequence[str], awake: Awake) -> AlertEvent:
    states = _states(needed, event.group_key, awake)
    burning = [str(one["slo"]) for one in states if one["state"] == State.FIRING.value]
    annotations = dict(event.annotations)
    if burning and event.transition in _BEGINS:
        which = "Its dependency" if len(burning) == 1 else "Its dependencies"
        verb = "burns" if len(burning) == 1 else "burn"
        text = f"{which} {', '.join(burning)} {verb} too. {annotations.get('description', '')}"
        annotations["description"] = text.strip()
    return replace(event, annotations=annotations, evidence={**event.evidence, "depends_on": states})
