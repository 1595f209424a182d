"""What a receiver is told: neutral facts, without secrets, as the outbox keeps them until they are rendered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FIRING, RESOLVED = "firing", "resolved"
NOTIFY, ACKNOWLEDGE = "notify", "acknowledge"


@dataclass(frozen=True)
class AlertView:
    """One alert as it stands when the notification is decided. Times are Unix seconds; a firing alert has no end."""

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    evidence: dict[str, Any]
    starts_at: float
    ends_at: float | None

    @property
    def status(self) -> str:
        """FIRING or RESOLVED."""
        return FIRING if self.ends_at is None else RESOLVED


@dataclass(frozen=True)
class Notification:
    """One message about one group to one receiver.

    `action` is NOTIFY, or ACKNOWLEDGE for receivers that pass it on. `reason` is the text of grouping.Reason.
    `evidence` is what evidence.build gathered about the whole group.
    """

    action: str
    receiver: str
    group_key: str
    group_labels: dict[str, str]
    reason: str
    title: str
    severity: str
    alerts: tuple[AlertView, ...]
    evidence: dict[str, Any]
    at: float
    external_url: str
    incident_id: int | None = None
    acknowledged_by: str | None = None

    @property
    def status(self) -> str:
        """FIRING while one of its alerts does."""
        return FIRING if any(alert.ends_at is None for alert in self.alerts) else RESOLVED

    @property
    def incident_url(self) -> str:
        """Where a person sees the incident."""
        return self.external_url if self.incident_id is None else f"{self.external_url}/?incident={self.incident_id}"

    @property
    def common_labels(self) -> dict[str, str]:
        """The labels that all alerts share."""
        return common(alert.labels for alert in self.alerts)

    @property
    def common_annotations(self) -> dict[str, str]:
        """The annotations that all alerts share."""
        return common(self.annotations_of(alert) for alert in self.alerts)

    def annotations_of(self, alert: AlertView) -> dict[str, str]:
        """An alert's annotations, with all evidence as one compact JSON text under `evidence`."""
        facts = json.dumps(self.evidence | alert.evidence, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        return alert.annotations | {"evidence": facts}

    def links(self) -> dict[str, str]:
        """Where to go from here, by name: the incident, runbooks and dashboards of the alerts."""
        found = {"incident": self.incident_url}
        for alert in self.alerts:
            for name in ("runbook", "dashboard"):
                if url := alert.annotations.get(f"{name}_url"):
                    found.setdefault(name, url)
        return {name: url for name, url in found.items() if url}

    def to_json(self) -> dict[str, Any]:
        """For the outbox."""
        return asdict(self)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Notification:
        """From the outbox."""
        return Notification(**{**body, "alerts": tuple(AlertView(**alert) for alert in body["alerts"])})


def common(sets: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The pairs that are in every one of the mappings."""
    items = [set(one.items()) for one in sets]
    return dict(sorted(set.intersection(*items))) if items else {}
