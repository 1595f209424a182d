"""What a person needs to see first: targets that are down, who stands out, what else fires, and earlier incidents."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from alerting.notification import AlertView, common
from core.durations import DAY
from storage import incidents
from storage.tables import alert_state, target_health

MOST = 10
"""Entries of each list: what does not fit a pager's screen is on the incident's page."""

LOOK_BACK = 7 * DAY
RESERVED = frozenset({"alertname", "slo", "severity", "service"})
"""Labels of an alert that are no dimension of its group."""


def build(
    connection: Connection, alerts: Sequence[AlertView], own_incidents: Collection[int], now: float
) -> dict[str, Any]:
    """What is known about a group of alerts, as JSON, read in the caller's transaction.

    `targets`: how many serve the group, and which of them are down. `also_firing`: alerts of other SLOs and groups.
    `suspects`: what the engine found to stand out. `recent_incidents`: earlier ones of the same SLOs, of seven days.
    """
    slos = sorted({alert.labels["slo"] for alert in alerts if "slo" in alert.labels})
    return {
        "targets": _targets(connection, alerts),
        "also_firing": _also_firing(connection, alerts),
        "suspects": _suspects(alerts),
        "recent_incidents": [
            {"id": one.id, "title": one.title, "opened_at": one.opened_at, "resolved_at": one.resolved_at}
            for one in incidents.recent(connection, slos, now - LOOK_BACK, MOST)
            if one.id not in own_incidents
        ],
    }


def title(alerts: Sequence[AlertView]) -> str:
    """One line: the SLO, the group as far as the alerts share it, and how fast the budget burns."""
    shared = common(alert.labels for alert in alerts)
    name = shared.get("slo") or shared.get("alertname") or "several SLOs"
    where = ", ".join(f"{dimension} {value}" for dimension, value in dimensions(shared).items())
    burn = max((rate for alert in alerts for rate in _burn_rates(alert.evidence)), default=None)
    text = f"{name} in {where}" if where else name
    text += f" burns its error budget {burn:.3g} times too fast" if burn is not None else " breaks its objective"
    return text if len(alerts) == 1 else f"{text} ({len(alerts)} alerts)"


def dimensions(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that say which part of the fleet is meant."""
    return {name: value for name, value in labels.items() if name not in RESERVED}


def _burn_rates(evidence: Mapping[str, Any]) -> Iterable[float]:
    rates = evidence.get("burn_rates")
    values = rates.values() if isinstance(rates, dict) else ()
    return [float(value) for value in values if isinstance(value, int | float)]


def _targets(connection: Connection, alerts: Sequence[AlertView]) -> dict[str, Any]:
    table = target_health
    query = select(table.c.url, table.c.groups, table.c.up, table.c.error_reason).where(table.c.left_at.is_(None))
    wanted = [dimensions(alert.labels) for alert in alerts]
    mine = [row for row in connection.execute(query.order_by(table.c.url)) if _serves(row.groups, wanted)]
    down = [{"target": _place(row.url), "reason": row.error_reason} for row in mine if row.up is False]
    return {"known": len(mine), "down": len(down), "which": down[:MOST]}


def _serves(groups: Iterable[str | dict[str, str]], wanted: Sequence[Mapping[str, str]]) -> bool:
    known = [json.loads(group) if isinstance(group, str) else group for group in groups]
    return any(_fits(group, dims) for group in known for dims in wanted)


def _fits(group: Mapping[str, str], dims: Mapping[str, str]) -> bool:
    shared = group.keys() & dims.keys()
    return bool(shared) and all(group[name] == dims[name] for name in shared)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _also_firing(connection: Connection, alerts: Sequence[AlertView]) -> list[dict[str, Any]]:
    own = {(alert.labels.get("slo"), _same(dimensions(alert.labels))) for alert in alerts}
    firing = select(alert_state).where(alert_state.c.state == "firing").order_by(alert_state.c.since.desc())
    others = [
        {"slo": row.slo, "group": group, "severity": row.severity, "since": row.starts_at}
        for row in connection.execute(firing)
        if (row.slo, _same(group := json.loads(row.group_key))) not in own
    ]
    return others[:MOST]


def _same(group: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(group.items())


def _suspects(alerts: Sequence[AlertView]) -> list[Any]:
    found: list[Any] = []
    for alert in alerts:
        suspects = alert.evidence.get("suspects")
        found += [one for one in suspects if one not in found] if isinstance(suspects, list) else []
    return found[:MOST]
