"""Which pod serves what: so that a device that says which pod holds it is counted in that pod's groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collector.profiles.load import profiles
from core.labels import Labels, make
from storage.fleet import TargetHealth

Pods = Mapping[Labels, Mapping[str, str]]
"""By the labels that name a pod, the dimensions of which its targets have one value."""


def place_of(labels: Mapping[str, str], names: tuple[str, ...]) -> Labels:
    """What names a pod in a label set; empty where it is not whole."""
    found = make((name, labels.get(name, "")) for name in names)
    return found if len(found) == len(names) else ()


def all_pods(targets: Iterable[TargetHealth]) -> Pods:
    """The pods by all the labels that a profile names them with."""
    known = list(targets)
    names = {profile.join for profile in profiles() if profile.join}
    return {place: dimensions for one in names for place, dimensions in pods_of(known, one).items()}


def pods_of(targets: Iterable[TargetHealth], names: tuple[str, ...]) -> Pods:
    """The pods of targets that serve; a dimension of which a pod has several values is left out."""
    values: dict[Labels, dict[str, set[str]]] = {}
    for target in targets:
        place = place_of(target.labels, names)
        if place and target.layer != "hardware":
            own = values.setdefault(place, {})
            for group in target.groups:
                for name, value in group.items():
                    own.setdefault(name, set()).add(value)
    return {
        place: {name: next(iter(known)) for name, known in own.items() if len(known) == 1}
        for place, own in values.items()
    }
