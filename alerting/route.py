"""The route tree: which receivers an alert goes to, and in which group. Alertmanager's rules."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from alerting.settings import ALL_LABELS, GROUP_INTERVAL, GROUP_WAIT, REPEAT_INTERVAL, AlertingSettings, RouteSettings
from core import labels as label_sets
from core.matchers import Matcher, matches_all, parse_matchers

GROUP_BY = ("slo", "model")
"""By default one notification for an SLO and a model: its versions and regions are one disturbance, told together."""

NOBODY = ""
"""The receiver's name where none is configured: groups and incidents are kept, nothing is sent."""


@dataclass(frozen=True)
class Route:
    """A node with everything that it inherits. `key` is its path of matchers; times are in seconds."""

    key: str
    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    group_wait: float
    group_interval: float
    repeat_interval: float
    goes_on: bool
    children: tuple[Route, ...]

    def match(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes that take an alert: depth first, the first child that fits, and more where it says continue."""
        if not matches_all(self.matchers, labels):
            return []
        found: list[Route] = []
        for child in self.children:
            taken = child.match(labels)
            found += taken
            if taken and not child.goes_on:
                break
        return found or [self]

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of an alert that its group is named by."""
        names = labels if ALL_LABELS in self.group_by else self.group_by
        return {name: labels[name] for name in sorted(names) if name in labels}

    def group_key(self, labels: Mapping[str, str]) -> str:
        """The group's name: path of matchers, colon, group labels."""
        return f"{self.key}:{label_sets.render(self.group_labels(labels))}"


@dataclass(frozen=True)
class Placement:
    """One group that an alert belongs to."""

    route: Route
    key: str

    @property
    def identity(self) -> tuple[str, str]:
        """What the group is stored under: key and receiver."""
        return self.key, self.route.receiver


def match(root: Route, labels: Mapping[str, str]) -> list[Placement]:
    """The groups of an alert, each once; the first is where its incident is kept."""
    found: dict[tuple[str, str], Placement] = {}
    for route in root.match(labels):
        placement = Placement(route, route.group_key(labels))
        found.setdefault(placement.identity, placement)
    return list(found.values())


def dedup_key(group_key: str) -> str:
    """The group's name at receivers: SHA-256 in hex, as Alertmanager makes it."""
    return hashlib.sha256(group_key.encode()).hexdigest()


def build(settings: AlertingSettings) -> Route:
    """The tree that the settings describe."""
    tree = settings.tree()
    top = Route("", tree.receiver or NOBODY, (), GROUP_BY, GROUP_WAIT, GROUP_INTERVAL, REPEAT_INTERVAL, False, ())
    return _build(tree, top)


def _build(node: RouteSettings, parent: Route) -> Route:
    matchers = tuple(matcher for text in node.matchers for matcher in parse_matchers(text))
    own = "{" + ",".join(sorted(map(str, matchers))) + "}"
    route = Route(
        key=f"{parent.key}/{own}" if parent.key else own,
        receiver=parent.receiver if node.receiver is None else node.receiver,
        matchers=matchers,
        group_by=parent.group_by if node.group_by is None else node.group_by,
        group_wait=parent.group_wait if node.group_wait is None else node.group_wait,
        group_interval=parent.group_interval if node.group_interval is None else node.group_interval,
        repeat_interval=parent.repeat_interval if node.repeat_interval is None else node.repeat_interval,
        goes_on=node.continue_,
        children=(),
    )
    return Route(**{**vars(route), "children": tuple(_build(child, route) for child in node.routes)})
