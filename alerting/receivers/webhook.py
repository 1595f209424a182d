"""The generic webhook: the body that Alertmanager sends (version 4), so that everything which reads that reads this."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.notification import AlertView, Notification
from alerting.receivers.port import Envelope, RetryPolicy
from alerting.secret import Secret, exactly_one
from core.egress import AddressRules, Answer, Backoff, Request, accept

ZERO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time: what Alertmanager writes as the end of a firing alert."""


class Webhook(BaseModel):
    """POST to a URL. 2xx is success; 5xx, 408, 429 and network errors are tried again for 24 h, other answers never."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Secret | None = Field(
        default=None, description="where to POST; write url_file instead if the URL holds a token"
    )
    url_file: Path | None = Field(default=None, description="file that holds the URL, read at each sending")
    bearer_token_file: Path | None = Field(default=None, description="file with a token for the Authorization header")
    bearer_token_env: str | None = Field(
        default=None, description="environment variable with a token for Authorization"
    )
    max_alerts: int = Field(
        default=0, ge=0, description="at most so many alerts in a body, 0 for all; the rest is counted"
    )
    allow_private: bool = Field(default=True, description="whether the URL may lead to a private or loopback address")
    allow_link_local: bool = Field(
        default=False, description="whether it may lead to 169.254.0.0/16, where clouds keep keys"
    )

    @model_validator(mode="after")
    def _complete(self) -> Webhook:
        exactly_one(url=self.url, url_file=self.url_file)
        if self.bearer_token_file is not None:
            exactly_one(bearer_token_file=self.bearer_token_file, bearer_token_env=self.bearer_token_env)
        return self

    @property
    def policy(self) -> RetryPolicy:
        """Soon at first, as a receiver's restart takes seconds; then every five minutes at most."""
        return RetryPolicy(Backoff(base=2.0, cap=300.0, floor=0.5), give_up_after=86_400.0)

    @property
    def address_rules(self) -> AddressRules:
        """A person wrote the URL, so it is checked."""
        return AddressRules(self.allow_private, self.allow_link_local)

    @property
    def acknowledges(self) -> bool:
        """The body has no field for it."""
        return False

    def render(self, notification: Notification, envelope: Envelope) -> Request:
        """The request; `Idempotency-Key` and `webhook-id` are the same whenever this message is sent again."""
        url = (self.url or Secret(file=self.url_file)).read()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": envelope.message_id,
            "webhook-id": envelope.message_id,
            "webhook-timestamp": str(int(envelope.now)),
        }
        secrets = [url]
        if self.bearer_token_file is not None or self.bearer_token_env is not None:
            token = Secret(file=self.bearer_token_file, env=self.bearer_token_env).read()
            headers["Authorization"] = f"Bearer {token}"
            secrets.append(token)
        return Request(url, headers=headers, content=orjson.dumps(self.body(notification)), secrets=tuple(secrets))

    def judge(self, answer: Answer) -> None:
        """2xx or an error."""
        accept(answer)

    def body(self, notification: Notification) -> dict[str, Any]:
        """Every field of Alertmanager's body; common labels and annotations are of all alerts, also of cut ones."""
        shown = notification.alerts[: self.max_alerts] if self.max_alerts else notification.alerts
        return {
            "version": "4",
            "groupKey": notification.group_key,
            "truncatedAlerts": len(notification.alerts) - len(shown),
            "status": notification.status,
            "receiver": notification.receiver,
            "groupLabels": notification.group_labels,
            "commonLabels": notification.common_labels,
            "commonAnnotations": notification.common_annotations,
            "externalURL": notification.external_url,
            "notification_reason": notification.reason,
            "alerts": [_alert(notification, alert) for alert in shown],
        }


def _alert(notification: Notification, alert: AlertView) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": notification.annotations_of(alert),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": ZERO_TIME if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": alert.annotations.get("dashboard_url") or notification.incident_url,
        "fingerprint": alert.fingerprint,
    }


def rfc3339(time: float) -> str:
    """Unix seconds as `2026-11-23T18:00:00.250Z`."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
