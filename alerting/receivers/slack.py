"""Slack, incoming webhooks: blocks within Slack's limits. The state is in words and shapes, never in colour alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.notification import FIRING, AlertView, Notification
from alerting.receivers.pagerduty import shorten
from alerting.receivers.port import Envelope, RetryPolicy
from alerting.secret import Secret, exactly_one
from core.egress import AddressRules, Answer, Backoff, Request, accept
from core.errors import DeliveryRetryable

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
LONGEST_FIELD = 2000
MOST_FIELDS = 10
MOST_ALERTS = 10
"""A message of about 13,200 characters fails as a whole: ten alerts of 900 at most and the frame stay below."""

LONGEST_ALERT = 900
_MARKS = {"firing": "▲ FIRING", "resolved": "✓ RESOLVED"}


class Slack(BaseModel):
    """200 with the body `ok` is success; 429, 5xx, network errors and other bodies are tried again for 24 h."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook_url_file: Path | None = Field(
        default=None, description="file with the incoming webhook's URL, which is a secret"
    )
    webhook_url_env: str | None = Field(
        default=None, description="environment variable with the incoming webhook's URL"
    )
    channel: str | None = Field(default=None, description="channel to post to, where the webhook lets one choose")

    @model_validator(mode="after")
    def _complete(self) -> Slack:
        exactly_one(webhook_url_file=self.webhook_url_file, webhook_url_env=self.webhook_url_env)
        return self

    @property
    def policy(self) -> RetryPolicy:
        """Slack takes about one message a second for a webhook, and says in Retry-After when that is exceeded."""
        return RetryPolicy(Backoff(base=2.0, cap=300.0, floor=1.0), give_up_after=86_400.0)

    @property
    def address_rules(self) -> AddressRules:
        """A stand-in next door is fine."""
        return AddressRules()

    @property
    def acknowledges(self) -> bool:
        """A webhook cannot change a message that it has posted."""
        return False

    def render(self, notification: Notification, envelope: Envelope) -> Request:
        """The message; Slack knows no key to drop duplicates by, so the id is only a header."""
        url = Secret(file=self.webhook_url_file, env=self.webhook_url_env).read()
        message = self.message(notification)
        headers = {"Content-Type": "application/json", "Idempotency-Key": envelope.message_id}
        return Request(url, headers=headers, content=orjson.dumps(message), secrets=(url,))

    def judge(self, answer: Answer) -> None:
        """Success is 200 and `ok`: anything else with 200 comes from something in between."""
        accept(answer)
        if answer.text.strip() != "ok":
            raise DeliveryRetryable("answered without Slack's ok", answer.retry_after)

    def message(self, notification: Notification) -> dict[str, Any]:
        """The text for the phone's notification, and the blocks."""
        headline = f"{_MARKS[notification.status]} {notification.title}"
        blocks = [_header(headline), _fields(notification)]
        blocks += [_section(_alert(alert)) for alert in notification.alerts[:MOST_ALERTS]]
        if (hidden := len(notification.alerts) - MOST_ALERTS) > 0:
            blocks.append(_section(f"and {hidden} more alerts"))
        if links := notification.links():
            blocks.append(_section(" · ".join(f"<{_url(url)}|{escape(name)}>" for name, url in links.items())))
        message: dict[str, Any] = {"text": escape(shorten(headline, LONGEST_HEADER)), "blocks": blocks}
        return message if self.channel is None else message | {"channel": self.channel}


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": shorten(text, LONGEST_HEADER), "emoji": False}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:LONGEST_SECTION]}}


def _fields(notification: Notification) -> dict[str, Any]:
    facts = {"severity": notification.severity, "why now": notification.reason} | notification.common_labels
    facts.pop("alertname", None)
    texts = [f"*{escape(name)}*\n{escape(shorten(value, 200))}" for name, value in facts.items() if value]
    fields = [{"type": "mrkdwn", "text": text[:LONGEST_FIELD]} for text in texts[:MOST_FIELDS]]
    return {"type": "section", "fields": fields}


def _alert(alert: AlertView) -> str:
    name = alert.annotations.get("summary") or alert.labels.get("alertname", "alert")
    about = alert.annotations.get("description", "")
    mark = "▲" if alert.status == FIRING else "✓"
    text = f"{mark} *{escape(shorten(name, 200))}*"
    return f"{text}\n{escape(shorten(about, LONGEST_ALERT // 2))}" if about else text


def _url(url: str) -> str:
    return escape(url).replace("|", "%7C")


def escape(text: str) -> str:
    """Slack's three control characters as entities, so that label values cannot mention people or make links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
