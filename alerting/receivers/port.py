"""What a receiver must know. The implementations stand beside this file, one each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from alerting.notification import Notification
from core.egress import AddressRules, Answer, Backoff, Request


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait after a failure, and the age (seconds since the decision) at which to give up."""

    backoff: Backoff
    give_up_after: float


@dataclass(frozen=True)
class Envelope:
    """What the outbox adds to a notification: the group's key at receivers, and this message's own id.

    A message that is sent again after a crash has the same id, so a receiver can drop the second.
    """

    dedup_key: str
    message_id: str
    now: float


class Receiver(Protocol):
    """Knows how to write a notification for one system, and how to read its answer."""

    @property
    def policy(self) -> RetryPolicy:
        """When to try again."""
        ...

    @property
    def address_rules(self) -> AddressRules:
        """Which addresses it may be at."""
        ...

    @property
    def acknowledges(self) -> bool:
        """Whether it wants to hear that somebody has acknowledged an incident."""
        ...

    def render(self, notification: Notification, envelope: Envelope) -> Request:
        """The request to send; reads its secrets. DeliveryRetryable while one is missing."""
        ...

    def judge(self, answer: Answer) -> None:
        """Return if it has taken the notification; DeliveryRetryable or DeliveryRefused otherwise."""
        ...
