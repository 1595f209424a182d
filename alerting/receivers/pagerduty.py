"""PagerDuty, Events API v2: trigger, acknowledge and resolve under one dedup key for a notification group."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.notification import ACKNOWLEDGE, FIRING, AlertView, Notification
from alerting.receivers.port import Envelope, RetryPolicy
from alerting.secret import Secret, exactly_one
from core.egress import AddressRules, Answer, Backoff, Request, accept

LONGEST_SUMMARY = 1024
LONGEST_DEDUP_KEY = 255
LARGEST_BODY = 512_000
"""The documented limit is 512 KB; Alertmanager reads it as bytes of 1,000, the safer reading."""

SEVERITIES = {"page": "critical", "ticket": "warning", "info": "info"}


class PagerDuty(BaseModel):
    """202 is success, 400 is never tried again; 429, 5xx and network errors are, after 30 s and more, for 24 h."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    routing_key_file: Path | None = Field(
        default=None, description="file with the integration's routing key (32 characters)"
    )
    routing_key_env: str | None = Field(default=None, description="environment variable with the routing key")
    url: str = Field(default="https://events.pagerduty.com/v2/enqueue", description="where events are sent")

    @model_validator(mode="after")
    def _complete(self) -> PagerDuty:
        exactly_one(routing_key_file=self.routing_key_file, routing_key_env=self.routing_key_env)
        return self

    @property
    def policy(self) -> RetryPolicy:
        """PagerDuty asks for 30 s between tries, and takes 120 calls a minute for one key."""
        return RetryPolicy(Backoff(base=15.0, cap=270.0, floor=30.0), give_up_after=86_400.0)

    @property
    def address_rules(self) -> AddressRules:
        """A stand-in next door is fine."""
        return AddressRules()

    @property
    def acknowledges(self) -> bool:
        """It has an event for it."""
        return True

    def render(self, notification: Notification, envelope: Envelope) -> Request:
        """The event; without its details if it would be larger than PagerDuty takes."""
        key = Secret(file=self.routing_key_file, env=self.routing_key_env).read()
        event = self.event(notification, envelope.dedup_key) | {"routing_key": key}
        content = orjson.dumps(event)
        if len(content) > LARGEST_BODY:
            event["payload"]["custom_details"] = {"dropped": "the details were too large: see the incident's page"}
            content = orjson.dumps(event)
        headers = {"Content-Type": "application/json", "Idempotency-Key": envelope.message_id}
        return Request(self.url, headers=headers, content=content, secrets=(key,))

    def judge(self, answer: Answer) -> None:
        """202 or an error. Another 2xx also counts: to page twice is worse than to trust it."""
        accept(answer)

    def event(self, notification: Notification, dedup_key: str) -> dict[str, Any]:
        """The event without its routing key."""
        action = _action(notification)
        event: dict[str, Any] = {"event_action": action, "dedup_key": dedup_key[:LONGEST_DEDUP_KEY]}
        if action != "trigger":
            return event
        event |= {"client": "Burnline", "payload": _payload(notification)}
        if notification.incident_url:
            event["client_url"] = notification.incident_url
        event["links"] = [{"href": url, "text": name} for name, url in notification.links().items()]
        return event


def _action(notification: Notification) -> str:
    if notification.action == ACKNOWLEDGE:
        return "acknowledge"
    return "trigger" if notification.status == FIRING else "resolve"


def _payload(notification: Notification) -> dict[str, Any]:
    labels = notification.common_labels
    dimensions = [labels[name] for name in ("model", "version", "region") if name in labels]
    payload: dict[str, Any] = {
        "summary": shorten(notification.title, LONGEST_SUMMARY),
        "source": labels.get("slo") or notification.group_key,
        "severity": SEVERITIES.get(notification.severity, "error"),
        "timestamp": _timestamp(min(alert.starts_at for alert in notification.alerts)),
        "component": labels.get("service") or labels.get("model", ""),
        "group": "/".join(dimensions),
        "class": "slo-burn",
        "custom_details": _details(notification),
    }
    return {name: value for name, value in payload.items() if value != ""}


def _details(notification: Notification) -> dict[str, Any]:
    return {
        "reason": notification.reason,
        "alerts": [_detail(alert) for alert in notification.alerts],
        "evidence": notification.evidence,
    }


def _detail(alert: AlertView) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "evidence": alert.evidence,
        "since": _timestamp(alert.starts_at),
    }


def _timestamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
