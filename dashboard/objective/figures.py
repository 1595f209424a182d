"""One objective in figures: what is left, how fast it burns, its groups and its revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.durations import parse_prometheus
from core.forecast import outlook
from dashboard import links, words
from dashboard.debug.address import link
from dashboard.filters import DIMENSIONS
from dashboard.markup import Html, bar, cell, row, table, tag
from dashboard.markup import link as anchor
from dashboard.objective.reading import Revision
from dashboard.objective.sli import Limit, Unreadable
from dashboard.sections.signs import nothing, sign

_ALL = 1e-9
_EXACTNESS = {True: "exact", False: "not exact", None: words.NOT_MEASURED}


def headline(one: Mapping[str, Any], now: float) -> Html:
    """State, budget left, measured, coverage; when it is gone; then the reason for whatever is missing."""
    figures = [tag("span", tag("small", name), tag("b", text), cls="bl-figure") for name, text in _figures(one)]
    lines = [tag("p", line, cls="bl-line") for line in (_outlook(one, now), one["reason"]) if line]
    return tag("div", tag("div", *figures, cls="bl-figures"), tag("p", sign(state_of(one)), cls="bl-line"), *lines)


def _outlook(one: Mapping[str, Any], now: float) -> str | None:
    """When the budget is gone at the pace of a recent window; None where that is not in sight."""
    found = outlook(one, now)
    return (
        found and f"{found[0].upper()}{found[1:]}, at the earliest: what leaves the window meanwhile may give it time."
    )


def state_of(one: Mapping[str, Any]) -> str:
    """The state in words that have a sign."""
    return str(one["state"]).replace("_", " ")


def _figures(one: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    goal = one["objective"]
    left = one["budget_remaining"]
    yield f"budget left of {one['window']}", _left(left)
    yield "objective", "no ratio" if goal is None else words.percent(goal, 1)
    yield "measured", _measured(one)
    yield "events", words.NOT_MEASURED if one["total"] is None else words.count(one["total"])
    yield "bad", _bad(one)
    yield "coverage", words.NOT_MEASURED if one["coverage"] is None else words.percent(one["coverage"], 1)
    yield "counts", _EXACTNESS[one.get("exact")]
    yield "counted since", one["since"] or words.NOT_MEASURED


def _left(left: float | None) -> str:
    if left is None:
        return words.NOT_MEASURED
    return words.percent(left, 1) if left >= 0 else f"spent {words.times(1 - left)}"


def _measured(one: Mapping[str, Any]) -> str:
    if one["sli"] is None:
        return words.NOT_MEASURED
    return words.percent(one["sli"]) if one["objective"] is not None else f"{one['sli']:.3g}"


def _bad(one: Mapping[str, Any]) -> str:
    if one["good"] is None or one["total"] is None:
        return words.NOT_MEASURED
    return words.count(one["total"] - one["good"])


def groups(rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], query: Mapping[str, str]) -> Html:
    """Every group of the objective, a link each; the one that is shown is marked."""
    heads = ("State", "Group", "Budget left", "Burn, worst", "Coverage")
    return table(heads, (_group(one, one is chosen, query) for one in rows))


def _group(one: Mapping[str, Any], shown: bool, query: Mapping[str, str]) -> Html:
    name = words.group(one["group"])
    target = {name: one["group"].get(name) for name in DIMENSIONS}
    text = tag("strong", f"{name} ◀ shown") if shown else anchor(name, link(query, links.SLO, **target))
    left = one["budget_remaining"]
    rates = [rate for rate in one["burn_rates"].values() if rate is not None]
    known = words.NOT_MEASURED if left is None else _left(left)
    meter = [] if left is None else [bar(left, "bl-bad" if left <= 0 else "bl-warn" if left < 0.25 else "bl-good")]
    return row(
        cell(sign(state_of(one))),
        cell(text),
        cell(*meter, tag("small", known)),
        cell(words.times(max(rates)) if rates else words.NOT_MEASURED, cls="bl-number"),
        words.NOT_MEASURED if one["coverage"] is None else words.percent(one["coverage"], 1),
    )


def burns(one: Mapping[str, Any], policy: Sequence[Limit]) -> Html:
    """The burn of each window as a bar on one scale, with the factors above which it alerts."""
    rates = sorted(one["burn_rates"].items(), key=lambda pair: parse_prometheus(pair[0]))
    if not rates:
        return nothing(f"{words.NOT_MEASURED}: {one['reason'] or 'no window has events'}.")
    top = max([1.5, *(rate for _, rate in rates if rate is not None), *(limit.factor for limit in policy)])
    lines = (
        _burn(window, rate, [limit for limit in policy if window in (limit.long, limit.short)], top)
        for window, rate in rates
    )
    return table(("Window", "Burn", f"From 0 to {words.times(top)}", "Alerts above"), lines, cls="bl-burn")


def _burn(window: str, rate: float | None, limits: Sequence[Limit], top: float) -> Html:
    if rate is None:
        return row(window, cell(f"{words.NOT_MEASURED}: no events, or too little was seen", cls="bl-unknown", span=3))
    lowest = min((limit.factor for limit in limits), default=1.0)
    over = [limit.severity for limit in limits if rate > limit.factor]
    cls = "bl-bad" if "page" in over else "bl-warn" if over or rate > 1 else "bl-good"
    texts = [
        f"{limit.severity} {words.times(limit.factor)} with {limit.short if window == limit.long else limit.long}"
        for limit in limits
    ]
    number = cell(words.times(rate), cls="bl-number bl-over" if rate > 1 else "bl-number")
    return row(
        window, number, cell(bar(rate / top, cls, lowest / top)), "; ".join(texts) or "not stored with this revision"
    )


def interval(one: Mapping[str, Any]) -> Html:
    """A sampled objective: the estimate, its interval and the objective on one line from the interval's far end on."""
    low, high = one["interval"]
    known = [value for value in (low, high, one["sli"], one["objective"]) if value is not None]
    floor, top = max(0.0, min(known) - 0.02), min(1.0, max(known) + 0.02)
    parts = [tag("i", style=_from_to(low, high, floor, top))]
    if one["sli"] is not None:
        parts.append(tag("b", style=_at(one["sli"], floor, top)))
    if one["objective"] is not None:
        parts.append(tag("u", style=_at(one["objective"], floor, top)))
    said = f"95 % interval {words.percent(low)} to {words.percent(high)}; dashed: the objective. "
    corrected = (
        "" if one.get("corrected") else "Uncorrected: the share that the detector flags, not the share that is bad."
    )
    ends = tag(
        "p",
        tag("span", words.percent(floor, 0)),
        tag("span", words.percent(top, 0)),
        cls="bl-ends",
        style="max-width:40rem",
    )
    return tag(
        "div", tag("span", *parts, cls="bl-interval"), ends, tag("p", said, tag("strong", corrected), cls="bl-line")
    )


def _at(value: float, floor: float, top: float) -> str:
    return f"left:{100 * (value - floor) / max(top - floor, _ALL):.2f}%"


def _from_to(low: float, high: float, floor: float, top: float) -> str:
    return f"{_at(low, floor, top)};width:{100 * (high - low) / max(top - floor, _ALL):.2f}%"


def revisions(found: Sequence[Revision], now: float) -> Html:
    """Objective and window, since when, newest first."""
    if not found:
        return nothing("The engine has stored none.")
    lines = (_revision(one, index == 0, now) for index, one in enumerate(reversed(found)))
    return table(("In force since", "May be bad", "Window", "What is counted"), lines)


def _revision(one: Revision, newest: bool, now: float) -> Html:
    counted = f"{one.sli.reason}." if isinstance(one.sli, Unreadable) else _counted(one)
    since = cell(words.since(one.since, now), *([tag("small", "in force now")] if newest else []))
    return row(since, _allowed(one), words.age(one.window), counted)


def _allowed(one: Revision) -> str:
    if not isinstance(one.sli, Unreadable) and one.sli.kind == "sums":
        return f"{float(one.allowed):.4g} for each unit"
    return words.percent(float(one.allowed), 2)


def _counted(one: Revision) -> str:
    assert not isinstance(one.sli, Unreadable)
    part, total = one.sli.part, one.sli.total
    side = "good" if one.sli.part_is_good else "bad"
    limit = "" if part.at_or_below is None else f" at or below {part.at_or_below:g}"
    where = f" where {part.where}" if part.where else ""
    return f"{side}: {', '.join(part.measures)}{where}{limit}; of {', '.join(total.measures)}"
