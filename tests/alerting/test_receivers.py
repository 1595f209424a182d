from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.delivery import HttpSender
from alerting.notification import AlertView, Notification
from alerting.receivers import slack
from alerting.receivers.pagerduty import LARGEST_BODY, PagerDuty
from alerting.receivers.port import Envelope
from alerting.receivers.slack import Slack
from alerting.receivers.webhook import Webhook
from core.clock import SystemClock
from core.egress import Answer
from core.errors import DeliveryRefused, DeliveryRetryable

SAMPLES = Path(__file__).parents[3] / "shared/data/contracts/samples.json"
ENVELOPE = Envelope("d" * 64, "message-1", 1_800_000_000.0)
KEY = "R0UT1NGKEY".ljust(32, "z")


def alert(name: str = "eu", ends_at: float | None = None, **annotations: str) -> AlertView:
    labels = {"alertname": "ChatBurn", "slo": "chat-ttft", "model": "m1", "region": name, "severity": "page"}
    texts = {"summary": "burns", "runbook_url": "http://127.0.0.1/r"} | annotations
    return AlertView(f"{len(name):016x}", labels, texts, {"burn_rates": {"1h": 15.2}}, 1_800_000_000.25, ends_at)


def notification(*alerts: AlertView, **changes: Any) -> Notification:
    values: dict[str, Any] = {
        "action": "notify", "receiver": "hook", "group_key": '{}:{slo="chat-ttft"}', "reason": "first notification",
        "group_labels": {"slo": "chat-ttft"}, "title": "chat-ttft burns", "severity": "page", "at": 1_800_000_010.0,
        "alerts": alerts or (alert(),), "evidence": {"targets": {"down": 1}}, "external_url": "http://127.0.0.1:8080",
        "incident_id": 3, "acknowledged_by": None,
    }  # fmt: skip
    return Notification(**values | changes)


def sample(name: str) -> Any:
    if not SAMPLES.exists():
        pytest.skip("the contract samples are not on this machine")
    return json.loads(SAMPLES.read_text())[name]


def shape(value: Any, open_names: frozenset[str] = frozenset()) -> Any:
    """Field names and types, without values; mappings under `open_names` have names of their own."""
    if isinstance(value, dict):
        return {k: "open" if k in open_names else shape(v, open_names) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0], open_names)] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


OPEN = frozenset({"labels", "annotations", "groupLabels", "commonLabels", "commonAnnotations", "custom_details"})


def test_the_webhook_body_has_the_shape_of_the_contract() -> None:
    expected = sample("alertmanager_webhook_v4")["body"]
    assert shape(Webhook(url="http://x/").body(notification()), OPEN) == shape(expected, OPEN)


def test_the_webhook_body_says_what_holds() -> None:
    body = Webhook(url="http://x/").body(notification(alert("eu"), alert("usa", 1_800_000_600.0)))
    assert (body["status"], body["version"], body["truncatedAlerts"]) == ("firing", "4", 0)
    assert body["commonLabels"] == {k: v for k, v in alert().labels.items() if k != "region"}
    first, second = body["alerts"]
    assert (first["startsAt"], first["endsAt"]) == ("2027-01-15T08:00:00.250Z", "0001-01-01T00:00:00Z")
    assert (second["status"], second["endsAt"]) == ("resolved", "2027-01-15T08:10:00.000Z")
    assert json.loads(first["annotations"]["evidence"])["burn_rates"] == {"1h": 15.2}
    assert all(isinstance(value, str) for value in first["annotations"].values())


def test_max_alerts_cuts_and_counts() -> None:
    body = Webhook(url="http://x/", max_alerts=1).body(notification(alert("eu"), alert("usa"), alert("asia")))
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (1, 2)


@pytest.mark.parametrize("name", ["pagerduty_trigger", "pagerduty_ack", "pagerduty_resolve"])
def test_pagerduty_events_use_only_fields_of_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RK", KEY)
    told = {
        "pagerduty_trigger": notification(alert(service="x")),
        "pagerduty_ack": notification(action="acknowledge"),
        "pagerduty_resolve": notification(alert("eu", 1.0)),
    }[name]
    event = json.loads(PagerDuty(routing_key_env="RK").render(told, ENVELOPE).content)
    expected = sample(name)
    expected = shape(expected.get("body", expected), OPEN)
    found = shape(event, OPEN)
    if name == "pagerduty_trigger":
        for required in ("summary", "source", "severity"):
            assert event["payload"][required]
        assert set(found) <= set(expected)
        assert {k: v for k, v in found["payload"].items() if expected["payload"].get(k) != v} == {}
    else:
        assert found == expected


def test_pagerduty_stays_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RK", KEY)
    huge = notification(*(alert(f"r{n}", description="é" * 3000) for n in range(200)), title="t" * 5000)
    request = PagerDuty(routing_key_env="RK").render(huge, ENVELOPE)
    event = json.loads(request.content)
    assert len(request.content) <= LARGEST_BODY
    assert len(event["payload"]["summary"]) == 1024
    assert "dropped" in event["payload"]["custom_details"]
    assert event["dedup_key"] == ENVELOPE.dedup_key


def test_severities_are_those_of_pagerduty() -> None:
    pager = PagerDuty(routing_key_env="RK")
    assert pager.event(notification(), "d")["payload"]["severity"] == "critical"
    assert pager.event(notification(severity="ticket"), "d")["payload"]["severity"] == "warning"
    assert pager.event(notification(severity="info"), "d")["payload"]["severity"] == "info"


@given(
    st.text(max_size=6000),
    st.lists(st.builds(alert, st.text(max_size=40), description=st.text(max_size=6000)), min_size=1, max_size=30),
)
def test_slack_messages_stay_within_the_limits(title: str, alerts: list[AlertView]) -> None:
    message = Slack(webhook_url_env="X").message(notification(*alerts, title=title))
    assert len(message["blocks"]) <= 50
    assert len(message["blocks"][0]["text"]["text"]) <= slack.LONGEST_HEADER
    for block in message["blocks"][1:]:
        texts = block.get("fields") or [block["text"]]
        assert len(texts) <= 10
        assert all(1 <= len(text["text"]) <= slack.LONGEST_SECTION for text in texts)
    plain = json.dumps(message, ensure_ascii=False)
    assert len(plain.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")) < 20_000


def test_slack_says_the_state_in_words_and_lets_no_label_mention_people() -> None:
    message = Slack(webhook_url_env="X").message(notification(alert("<!channel>")))
    assert "FIRING" in message["text"]
    assert "<!channel>" not in json.dumps(message)
    assert "RESOLVED" in Slack(webhook_url_env="X").message(notification(alert("eu", 5.0)))["text"]


def test_slack_accepts_only_its_own_ok() -> None:
    receiver = Slack(webhook_url_env="X")
    receiver.judge(Answer(200, "ok"))
    with pytest.raises(DeliveryRetryable):
        receiver.judge(Answer(200, "<html>sign in</html>"))
    with pytest.raises(DeliveryRefused):
        receiver.judge(Answer(404, "no_service"))


def test_notifications_survive_the_outbox() -> None:
    original = notification(alert("eu"), alert("us", 5.0))
    assert Notification.from_json(json.loads(json.dumps(original.to_json()))) == original


def send(receiver: Any) -> None:
    async def run() -> None:
        async with HttpSender(SystemClock()) as sender:
            receiver.judge(await sender(receiver.address_rules, receiver.render(notification(), ENVELOPE)))

    asyncio.run(run())


def test_a_real_server_gets_what_was_rendered_with_the_id_and_the_token(http_server: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t-token\n")
    send(Webhook(url=http_server.url("/hook"), bearer_token_file=token))
    request = http_server.requests[0]
    assert request.json()["groupKey"] == notification().group_key
    assert request.headers["Authorization"] == "Bearer s3cr3t-token"
    assert request.headers["Idempotency-Key"] == request.headers["webhook-id"] == "message-1"


def test_a_rotated_key_is_used_without_a_restart(http_server: Any, tmp_path: Path) -> None:
    key = tmp_path / "key"
    receiver = PagerDuty(routing_key_file=key, url=http_server.url("/v2/enqueue"))
    with pytest.raises(DeliveryRetryable, match="missing"):
        send(receiver)
    for value in ("first", "second"):
        key.write_text(value)
        http_server.answer(202, b'{"status":"success"}')
        send(receiver)
    assert [request.json()["routing_key"] for request in http_server.requests] == ["first", "second"]


def test_retry_after_of_a_real_server_is_heard(http_server: Any) -> None:
    http_server.answer(429, b"slow down", {"Retry-After": "77"})
    with pytest.raises(DeliveryRetryable) as caught:
        send(Webhook(url=http_server.url("/")))
    assert caught.value.retry_after == 77.0


@pytest.mark.parametrize("behaviour", ["reset", "garbage", "hang"])
def test_a_broken_receiver_is_tried_again(http_server: Any, behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.egress.Timeouts.total", 0.3)
    monkeypatch.setattr("core.egress.exchange.__defaults__", (0.3,))
    http_server.behave(behaviour)
    with pytest.raises(DeliveryRetryable):
        send(Webhook(url=http_server.url("/")))


def test_secrets_are_in_no_error_log_repr_or_database(
    world: Any, all_bytes: Any, http_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alerting.settings import AlertingSettings

    hook_url = http_server.url("/services/T0SECRET/B0SECRET/xyzSECRET")
    monkeypatch.setenv("RK", "ROUTING-SECRET-0123456789abcdef")
    monkeypatch.setenv("HOOK", hook_url)
    settings = AlertingSettings.model_validate(
        {
            "receivers": [
                {"name": "page", "pagerduty": {"routing_key_env": "RK", "url": http_server.url("/v2")}},
                {"name": "ticket", "slack": {"webhook_url_env": "HOOK"}},
                {"name": "more", "webhook": {"url": hook_url + "?token=QUERYSECRET"}},
            ],
            "route": {"receiver": "more", "routes": [
                {"receiver": "page", "matchers": ['severity="page"'], "continue": True},
                {"receiver": "ticket", "matchers": ['severity="page"'], "continue": True},
                {"receiver": "more", "matchers": ['severity="page"']},
            ]},
        }
    )  # fmt: skip
    caplog.set_level(logging.DEBUG)
    world.restart(settings)
    world.event("firing", "eu")
    world.run_until(20)

    async def run() -> None:
        async with HttpSender(world.clock) as sender:
            delivery = world.alerter.delivery(sender)
            for behaviour in ("echo-400", "reset", "echo-500", "garbage"):
                http_server.behave(behaviour)
                await delivery.start_due()
                await delivery.drain()
                world.clock.advance(4000.0)

    asyncio.run(run())
    assert len(http_server.requests) >= 3
    seen = caplog.text + repr(settings) + str(settings) + settings.model_dump_json()
    seen += all_bytes().decode("utf-8", "replace")
    for secret in ("SECRET", "ROUTING-SECRET"):
        assert secret not in seen
    assert "answered 400" in seen
