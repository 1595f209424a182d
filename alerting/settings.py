"""The settings of alerting: receivers, the route tree, the heartbeat. Checked once, then frozen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from alerting.receivers.pagerduty import PagerDuty
from alerting.receivers.port import Receiver
from alerting.receivers.slack import Slack
from alerting.receivers.webhook import Webhook
from alerting.secret import Secret, exactly_one
from core.durations import MINUTE, parse_prometheus, render
from core.errors import ParseError
from core.matchers import parse_matchers

GROUP_WAIT = 10.0
"""Alertmanager waits 30 s for alerts of one cause to gather. A burn-rate alert has waited through its windows already,
and one tick of the engine raises all groups of an SLO at once, so 10 s gather the neighbours of the next tick, too."""

GROUP_INTERVAL = 5.0 * MINUTE
REPEAT_INTERVAL = 240.0 * MINUTE
ALL_LABELS = "..."


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("write a duration as 30s, 5m or 4h")  # noqa: TRY004 - pydantic shows only ValueError well
    try:
        return parse_prometheus(value)
    except ParseError as error:
        raise ValueError(str(error)) from None


def _matchers(value: object) -> object:
    if isinstance(value, str):
        try:
            parse_matchers(value)
        except ParseError as error:
            raise ValueError(str(error)) from None
    return value


Duration = Annotated[float, BeforeValidator(_seconds), PlainSerializer(render)]
"""Seconds, written as a Prometheus duration."""

MatcherText = Annotated[str, BeforeValidator(_matchers)]
"""Matchers in Alertmanager's notation, as `severity="page", region=~"eu-.*"`."""


class _Settings(BaseModel):
    # A wrong input is not shown: it may hold a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class ReceiverSettings(_Settings):
    """A name, and exactly one system that notifications go to."""

    name: str = Field(min_length=1, description="what routes call it")
    send_resolved: bool = Field(default=True, description="whether it is told that alerts have resolved")
    webhook: Webhook | None = Field(default=None, description="any URL that takes Alertmanager's webhook body")
    pagerduty: PagerDuty | None = Field(default=None, description="PagerDuty, Events API v2")
    slack: Slack | None = Field(default=None, description="a Slack channel, by incoming webhook")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        exactly_one(**self._systems())
        return self

    @property
    def system(self) -> Receiver:
        """The one that is set."""
        return next(system for system in self._systems().values() if system is not None)

    def _systems(self) -> dict[str, Receiver | None]:
        common = {"name", "send_resolved"}
        return {name: getattr(self, name) for name in type(self).model_fields if name not in common}


class RouteSettings(_Settings):
    """A node of the route tree; what it leaves out it has from its parent."""

    receiver: str | None = Field(default=None, description="name of the receiver; the parent's if left out")
    matchers: tuple[MatcherText, ...] = Field(default=(), description='alerts that come here, as severity="page"')
    group_by: tuple[str, ...] | None = Field(
        default=None, description='labels of which alerts share a notification; "..." all'
    )
    group_wait: Duration | None = Field(default=None, ge=0, description="how long a new group gathers alerts")
    group_interval: Duration | None = Field(
        default=None, gt=0, description="least time between notifications of a group"
    )
    repeat_interval: Duration | None = Field(default=None, gt=0, description="when an unchanged group is told again")
    continue_: bool = Field(default=False, alias="continue", description="whether later siblings get the alert as well")
    routes: tuple[RouteSettings, ...] = Field(default=(), description="children, tried in order")

    def walk(self) -> Iterator[RouteSettings]:
        """This node and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


class HeartbeatSettings(_Settings):
    """A URL that is called as long as alerting works, at a service that raises the alarm when the calls stop."""

    url: Secret | None = Field(
        default=None, description="where to call; write url_file instead if the URL holds a token"
    )
    url_file: Path | None = Field(default=None, description="file that holds the URL, read at each call")
    interval: Duration = Field(default=60.0, gt=0, description="time between calls")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        exactly_one(url=self.url, url_file=self.url_file)
        return self

    @property
    def target(self) -> Secret:
        """The URL."""
        return self.url or Secret(file=self.url_file)


class AlertingSettings(_Settings):
    """Everything that alerting is told.

    Without `route`, alerts of severity page go to the receiver named `page`, those of severity ticket and info to the
    one named `ticket`; a single receiver gets all. Without receivers, incidents are kept and nobody is notified.
    """

    receivers: tuple[ReceiverSettings, ...] = Field(default=(), description="where notifications can go")
    route: RouteSettings | None = Field(default=None, description="which alerts go where, from the root of the tree")
    heartbeat: HeartbeatSettings | None = Field(default=None, description="the dead man's switch")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [receiver.name for receiver in self.receivers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"receivers {', '.join(sorted(twice))} are defined twice: give each its own name")
        if self.route is None:
            self._check_default(set(names))
        else:
            _check_root(self.route)
            _check_names(self.route, set(names))
        return self

    def _check_default(self, names: set[str]) -> None:
        if len(names) > 1 and not {"page", "ticket"} <= names:
            raise ValueError(
                f"several receivers ({', '.join(sorted(names))}) and no route: name two of them page and ticket, "
                "or write route with a receiver and matchers"
            )

    def tree(self) -> RouteSettings:
        """The route tree that holds: the one that was written, or the default one."""
        if self.route is not None:
            return self.route
        names = {receiver.name for receiver in self.receivers}
        if {"page", "ticket"} <= names:
            children = (("page", "page"), ("ticket", "ticket"), ("ticket", "info"))
            routes = tuple(RouteSettings(receiver=to, matchers=(f'severity="{of}"',)) for to, of in children)
            return RouteSettings(receiver="page", routes=routes)
        return RouteSettings(receiver=next(iter(names), None))


def _check_root(root: RouteSettings) -> None:
    if root.matchers or root.continue_:
        raise ValueError("the root of route takes every alert: write matchers and continue into its routes")
    if root.receiver is None:
        raise ValueError("the root of route needs a receiver: write the one that gets what no child takes")


def _check_names(root: RouteSettings, names: set[str]) -> None:
    for node in root.walk():
        if node.receiver is not None and node.receiver not in names:
            known = ", ".join(sorted(names)) or "none is defined"
            raise ValueError(f"route names receiver {node.receiver!r}, which is not defined: write one of: {known}")
        if node is not root and not node.matchers:
            raise ValueError("a child of route needs matchers: write which alerts it takes")
