"""An incident's evidence as a person reads it: how fast it burns, what stands out, what is down, what else fires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.durations import parse_prometheus
from dashboard import words
from dashboard.markup import Cell, Html, bar, cell, row, table, tag
from dashboard.sections import canaries
from dashboard.snapshot import Snapshot
from storage.incidents import Incident

MOST = 8
_NO_DIMENSION = ("alertname", "slo", "severity", "service")


def leading(incident: Incident) -> Mapping[str, Any]:
    """The alert that says most: still firing before over, a page before a ticket, the fastest burn first."""
    return min(incident.alerts, key=_weight, default={})


def _weight(alert: Mapping[str, Any]) -> tuple[bool, bool, float]:
    rates = [rate for rate in alert["evidence"].get("burn_rates", {}).values() if rate is not None]
    return alert["ends_at"] is not None, alert["labels"].get("severity") != "page", -max(rates, default=0.0)


STANDS_OUT = 2.0
"""A group is suspected when its share of bad events is this many times the next one's: less is what chance does."""


def suspect(found: Sequence[Mapping[str, Any]]) -> str | None:
    """The group that stands out in words; None if none does.

    It is named by what no other group has, or by all in which it differs from some.
    """
    ranked = sorted(found, key=lambda one: -one["bad_share"])
    if len(ranked) < 2 or ranked[0]["bad_share"] < STANDS_OUT * ranked[1]["bad_share"] or not ranked[0]["bad"]:
        return None
    worst, others = ranked[0], [one["group"] for one in ranked[1:]]
    values = worst["group"].items()
    own = {name: value for name, value in values if all(one.get(name) != value for one in others)}
    apart = own or {name: value for name, value in values if any(one.get(name) != value for one in others)}
    times = worst["bad_share"] / ranked[1]["bad_share"] if ranked[1]["bad_share"] else None
    more = "the others have none" if times is None else f"{words.times(times)} the next group's share"
    return f"{words.group(apart)} ({words.percent(worst['bad_share'], 1)} bad, {more})"


def render(incident: Incident, taken: Snapshot) -> Html:
    """All evidence in two columns that become one on a narrow screen."""
    alert = leading(incident)
    facts = alert.get("evidence", {})
    left = [*_summary(alert), *_burn(alert, taken), *canaries.compared(facts.get("verdict") or {}), *_signs(facts)]
    right = [*_suspects(facts), *_down(incident.evidence, facts), *_others(incident, alert, taken.now)]
    return tag("div", tag("div", *left), tag("div", *right), cls="bl-evidence")


def _summary(alert: Mapping[str, Any]) -> Iterable[Html]:
    for name in ("summary", "description"):
        if text := alert.get("annotations", {}).get(name):
            yield tag("p", str(text), cls=f"bl-{name}")


def _burn(alert: Mapping[str, Any], taken: Snapshot) -> Iterable[Html]:
    facts = alert.get("evidence", {})
    rates = facts.get("burn_rates")
    if not rates:
        return
    condition = facts.get("condition") or {}
    current = _status_of(alert, taken)
    now_rates = current.get("burn_rates", {})
    windows = sorted(rates, key=parse_prometheus)
    full = 1.05 * max([condition.get("factor") or 1.0, *(rate for rate in rates.values() if rate is not None)])
    rows = [_window(window, facts, condition, now_rates.get(window), full) for window in windows]
    yield table(("Window", "Burn at the alert", "", "Limit", "Now", "Bad of all events"), rows, cls="bl-burn")
    yield tag("p", *_standing(facts, current), cls="bl-line")


def _window(
    window: str, facts: Mapping[str, Any], condition: Mapping[str, Any], now_rate: float | None, full: float
) -> Html:
    rate = facts["burn_rates"][window]
    factor = condition.get("factor") if window in (condition.get("long"), condition.get("short")) else None
    limit = "not deciding" if factor is None else words.times(factor)
    bad, total = facts.get("bad_events", {}).get(window), facts.get("total_events", {}).get(window)
    events = words.NOT_MEASURED if bad is None or not total else f"{words.count(bad)} of {words.count(total)}"
    return row(
        tag("strong", window),
        _rate(rate),
        _gauge(rate, factor, full),
        cell(limit, cls="bl-number" if factor is not None else "bl-quiet"),
        _rate(now_rate),
        cell(events, cls="bl-number" if total else "bl-unknown"),
    )


def _rate(rate: float | None) -> Cell:
    return cell(words.NOT_MEASURED, cls="bl-unknown") if rate is None else cell(words.times(rate), cls="bl-number")


def _gauge(rate: float | None, factor: float | None, full: float) -> Html:
    """The burn as a bar on the scale of all windows; the line on it is the factor that it must stay below."""
    if rate is None:
        return tag("span", "")
    over = factor is not None and rate > factor
    return bar(rate / full, "bl-bad" if over else "bl-info", None if factor is None else factor / full)


def _standing(facts: Mapping[str, Any], current: Mapping[str, Any]) -> Iterable[Html]:
    left, coverage = facts.get("budget_remaining"), facts.get("coverage")
    yield _fact("budget left at the alert", None if left is None else words.percent(left, 1))
    if current:
        left_now = current["budget_remaining"]
        yield _fact("now", None if left_now is None else words.percent(left_now, 1))
    yield _fact("coverage", None if coverage is None else words.percent(coverage, 1))
    if facts.get("objective") is not None:
        yield _fact("objective", words.percent(facts["objective"], 1))


def _fact(name: str, value: str | None) -> Html:
    return tag("span", f"{name} ", tag("strong", value or words.NOT_MEASURED), cls="bl-fact")


def _status_of(alert: Mapping[str, Any], taken: Snapshot) -> Mapping[str, Any]:
    """The row that the engine wrote last for the alert's SLO and group, if it has one."""
    labels = alert.get("labels", {})
    mine = {name: value for name, value in labels.items() if name not in _NO_DIMENSION}
    return next((one for one in taken.status if one["slo"] == labels.get("slo") and one["group"] == mine), {})


def _signs(facts: Mapping[str, Any]) -> Iterable[Html]:
    """What an alert on something absent knows."""
    if "targets" in facts and "up" in facts:
        yield tag("p", _fact("targets up", f"{facts['up']} of {facts['targets']}"), cls="bl-line")
    if facts.get("expected_requests") is not None:
        yield tag("p", _fact("requests expected", words.count(facts["expected_requests"])), cls="bl-line")
    if facts.get("age_seconds") is not None:
        yield tag("p", _fact("age of the counts at the alert", words.age(facts["age_seconds"])), cls="bl-line")
    for name, text in (("stuck", "no progress"), ("measures", "lumped under __other__")):
        yield from (tag("p", f"{text}: {one}", cls="bl-line") for one in facts.get(name, ())[:MOST])


def _suspects(facts: Mapping[str, Any]) -> Iterable[Html]:
    found: Sequence[Mapping[str, Any]] = facts.get("suspects") or ()
    if not found:
        return
    full = max((one["bad_share"] for one in found), default=0.0) or 1.0
    yield tag("h5", "Who stands out: share of bad events by group")
    rows = [_suspect(one, full) for one in found[:MOST]]
    yield table(("Group", "", "Bad share", "Bad of all"), rows, cls="bl-suspects")


def _suspect(one: Mapping[str, Any], full: float) -> Html:
    name = words.group(one["group"]) + ("  ◀ this alert" if one.get("this") else "")
    return row(
        tag("strong", name) if one.get("this") else name,
        bar(one["bad_share"] / full, "bl-bad" if one.get("this") else "bl-info"),
        cell(words.percent(one["bad_share"]), cls="bl-number"),
        cell(f"{words.count(one['bad'])} of {words.count(one['total'])}", cls="bl-number"),
    )


def _down(gathered: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterable[Html]:
    targets = gathered.get("targets") or {}
    lines = [f"{one['target']}: {one['reason'] or 'no reason given'}" for one in targets.get("which", ())]
    lines += [f"{words.place(url)}: {error}" for url, error in (facts.get("errors") or {}).items()]
    if targets or lines:
        yield tag("h5", _down_title(targets, lines))
    for line in lines[:MOST]:
        yield tag("p", f"▼ {line}", cls="bl-line")


def _down_title(targets: Mapping[str, Any], lines: Sequence[str]) -> str:
    known, down = targets.get("known", 0), targets.get("down", 0)
    if not known:
        return "Targets with errors" if lines else "No target is known that serves this group"
    return f"Targets: {down} of {known} down" if down else f"Targets: all {known} up when last notified"


def _others(incident: Incident, alert: Mapping[str, Any], now: float) -> Iterable[Html]:
    joined = [one for one in incident.alerts if one is not alert]
    if joined:
        yield tag("h5", f"{len(joined)} more alerts in this incident")
        yield from (tag("p", _alert_line(one, now), cls="bl-line") for one in joined[:MOST])
    if also := incident.evidence.get("also_firing"):
        yield tag("h5", "Fires too")
        yield from (tag("p", f"▲ {_also(one, now)}", cls="bl-line") for one in also[:MOST])
    if before := incident.evidence.get("recent_incidents"):
        yield tag("h5", "Earlier, in seven days")
        yield from (tag("p", _earlier(one, now), cls="bl-line") for one in before[:MOST])


def _earlier(one: Mapping[str, Any], now: float) -> str:
    return f"#{one['id']} {one['title']}, {words.clock(one['opened_at'], now)}"


def _alert_line(alert: Mapping[str, Any], now: float) -> str:
    over = "● over" if alert["ends_at"] is not None else "▲ firing"
    labels = alert["labels"]
    mine = {name: value for name, value in labels.items() if name not in _NO_DIMENSION}
    return f"{over} · {labels.get('severity', '')} · {words.group(mine)} · since {words.clock(alert['starts_at'], now)}"


def _also(one: Mapping[str, Any], now: float) -> str:
    began = "" if one.get("since") is None else f" since {words.clock(one['since'], now)}"
    return f"{one['slo']} · {words.group(one['group'])} · {one['severity']}{began}"
