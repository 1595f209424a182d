from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from alerting import route
from alerting.settings import AlertingSettings, HeartbeatSettings, ReceiverSettings, RouteSettings

HOOK = {"webhook": {"url": "http://127.0.0.1/"}}
PAGE = {"alertname": "A", "slo": "chat", "model": "m1", "severity": "page"}


def parse(**values: Any) -> AlertingSettings:
    return AlertingSettings.model_validate(values)


def receivers(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, **HOOK} for name in names]


def told(settings: AlertingSettings, **labels: str) -> list[str]:
    return [place.route.receiver for place in route.match(route.build(settings), PAGE | labels)]


def test_by_default_pages_and_tickets_go_to_the_receivers_of_these_names() -> None:
    settings = parse(receivers=receivers("ticket", "page"))
    assert told(settings) == ["page"]
    assert told(settings, severity="ticket") == told(settings, severity="info") == ["ticket"]
    assert told(settings, severity="else") == ["page"]


def test_a_single_receiver_gets_everything() -> None:
    settings = parse(receivers=receivers("only"))
    assert told(settings) == told(settings, severity="ticket") == ["only"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"receivers": receivers("a", "b")}, "write route"),
        ({"receivers": receivers("a", "a")}, "defined twice"),
        ({"receivers": [{"name": "a"}]}, "exactly one of webhook, pagerduty, slack"),
        ({"receivers": [{"name": "a", **HOOK, "slack": {"webhook_url_env": "X"}}]}, "exactly one of"),
        ({"receivers": [{"name": "a", "webhook": {}}]}, "exactly one of url, url_file"),
        ({"receivers": [{"name": "a", "pagerduty": {}}]}, "routing_key_file, routing_key_env"),
        ({"receivers": [{"name": "a", "slack": {}}]}, "webhook_url_file, webhook_url_env"),
        ({"receivers": receivers("a"), "route": {"receiver": "b"}}, "write one of: a"),
        ({"receivers": receivers("a"), "route": {}}, "needs a receiver"),
        ({"receivers": receivers("a"), "route": {"receiver": "a", "matchers": ["x=y"]}}, "takes every alert"),
        ({"receivers": receivers("a"), "route": {"receiver": "a", "routes": [{}]}}, "needs matchers"),
        ({"receivers": receivers("a"), "route": {"receiver": "a", "group_wait": "10"}}, "write it as 15s"),
        ({"receivers": receivers("a"), "route": {"receiver": "a", "group_wait": 10}}, "write a duration"),
        (
            {"receivers": receivers("a"), "route": {"receiver": "a", "routes": [{"matchers": ["x~y"]}]}},
            "expected one of",
        ),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        AlertingSettings.model_validate(values)


def test_an_error_does_not_show_the_secret_beside_it() -> None:
    with pytest.raises(ValidationError) as caught:
        parse(receivers=[{"name": "a", "webhook": {"url": "http://h/SECRET", "max_alerts": "SECRET"}}])
    assert "SECRET" not in str(caught.value)


def test_children_inherit_and_group_keys_follow_the_path() -> None:
    settings = parse(
        receivers=receivers("a", "b"),
        route={
            "receiver": "a",
            "group_by": ["alertname", "model"],
            "group_wait": "1m",
            "routes": [{"matchers": ['severity="page"'], "routes": [{"matchers": ["slo=chat"], "receiver": "b"}]}],
        },
    )
    place = route.match(route.build(settings), PAGE)[0]
    assert place.key == '{}/{severity="page"}/{slo="chat"}:{alertname="A", model="m1"}'
    assert (place.route.receiver, place.route.group_wait, place.route.group_interval) == ("b", 60.0, 300.0)
    assert len(route.dedup_key(place.key)) == 64


def test_continue_reaches_later_siblings_and_no_match_stays_with_the_parent() -> None:
    children = [
        {"matchers": ["slo=chat"], "receiver": "a", "continue": True},
        {"matchers": ["severity=page"], "receiver": "b"},
        {"matchers": ["model=m1"], "receiver": "c"},
    ]
    settings = parse(receivers=receivers("r", "a", "b", "c"), route={"receiver": "r", "routes": children})
    assert told(settings) == ["a", "b"]
    assert told(settings, slo="x", severity="ticket", model="m2") == ["r"]


def test_group_by_all_makes_a_group_of_each_alert() -> None:
    settings = parse(receivers=receivers("a"), route={"receiver": "a", "group_by": ["..."]})
    assert route.match(route.build(settings), PAGE)[0].route.group_labels(PAGE) == PAGE


@pytest.mark.parametrize("model", [AlertingSettings, ReceiverSettings, RouteSettings, HeartbeatSettings])
def test_every_setting_says_what_it_is_for(model: type[BaseModel]) -> None:
    undescribed = [name for name, field in model.model_fields.items() if not field.description]
    assert undescribed == []


def test_every_setting_is_in_the_documentation() -> None:
    from pathlib import Path

    from alerting.receivers.pagerduty import PagerDuty
    from alerting.receivers.slack import Slack
    from alerting.receivers.webhook import Webhook

    text = (Path(__file__).parents[2] / "docs/alerting.md").read_text()
    models = [AlertingSettings, ReceiverSettings, RouteSettings, HeartbeatSettings, PagerDuty, Slack, Webhook]
    names = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert {name for name in names if f"`{name}`" not in text} == set()
