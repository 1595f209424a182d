"""The four numbers of the week, each with the week before, what was seen, and what is not known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import streamlit as st

from core.statistics.quality import Estimate
from dashboard import words
from dashboard.history import WEEK, Sums
from dashboard.markup import Html, bar, range_bar, tag
from dashboard.overview import Judged

_HOURS = WEEK // 3600
_SMALL = 0.01
"""A change under 1 % of the week before is none that matters."""
NO_COST = "no GPU time is told: scrape the GPUs' exporter as a job, and set collector.gpu_price_per_hour"
NO_PRICE = "no price is set: collector.gpu_price_per_hour"
NO_HISTORY = "no whole hour is known yet"


class Trend(NamedTuple):
    """A change against the week before: an arrow and words; `good` None: neither better nor worse."""

    arrow: str
    text: str
    good: bool | None = None


class Figure(NamedTuple):
    """One number. `text` None: not measured, for `reason`; `drawn`: how sure it is, as bars."""

    title: str
    text: str | None
    reason: str
    drawn: Iterable[Html] = ()
    trend: Trend | None = None


def show(figures: Iterable[Figure]) -> None:
    """All in one row, or two on a narrow screen."""
    st.html(tag("div", *(_card(one) for one in figures), cls="bl-cards"))


def _card(one: Figure) -> Html:
    if one.text is None:
        unknown = tag("p", words.NOT_MEASURED, cls="bl-figure bl-unknown")
        return tag("div", tag("h4", one.title), unknown, tag("p", one.reason, cls="bl-line"), cls="bl-card")
    parts = [tag("h4", one.title), tag("p", one.text, cls="bl-figure"), *one.drawn]
    return tag("div", *parts, _trend(one.trend), cls="bl-card")


def _trend(trend: Trend | None) -> Html:
    if trend is None:
        return tag("p", "No week before to compare with.", cls="bl-quiet")
    colour = {True: "bl-better", False: "bl-worse", None: "bl-same"}[trend.good]
    return tag("p", tag("strong", f"{trend.arrow} ", cls=colour), trend.text, cls="bl-line")


def requests(now: Sums, before: Sums) -> Figure:
    """Requests a second on average."""
    if now.rate is None or (not now.expected and not now.total):
        return Figure("Requests", None, NO_HISTORY)
    text = f"{words.rate(now.rate)} a second"
    trend = None if before.rate is None else relative(now.rate, before.rate, "")
    return Figure("Requests", text, "", [_line(f"{words.count(now.total)} in all{_known(now)}")], trend)


def cost(now: Sums, before: Sums) -> Figure:
    """US dollars for GPU time."""
    title = "Cost of GPU time"
    if not now.seen:
        return Figure(title, None, NO_HISTORY)
    if now.cost is None:
        return Figure(title, None, NO_COST if now.gpu_ms is None else NO_PRICE)
    trend = None if before.cost is None or before.seen < now.seen else relative(now.cost, before.cost, "")
    return Figure(title, words.dollars(now.cost), "", [_line(f"by the configured price{_known(now)}")], trend)


def availability(now: Sums, before: Sums) -> Figure:
    """Share of requests that were answered well."""
    title, share = "Availability", now.availability
    if share is None:
        return Figure(title, None, "no request finished in any hour that is known" if now.seen else NO_HISTORY)
    trend = None if before.availability is None else in_points(share, before.availability, more_is_good=True)
    bad = _line(f"{words.count(now.bad)} of {words.count(now.total)} requests failed")
    return Figure(title, words.percent(share), "", [bad, *_seen(now)], trend)


def _seen(now: Sums) -> Iterable[Html]:
    """Coverage as a bar: the number speaks for this part of the time only."""
    if now.coverage is None:
        yield _line("how much of the time was seen is not known")
        return
    level = "bl-info" if now.coverage >= 0.95 else "bl-warn"
    yield _line(f"seen {words.percent(now.coverage, 1)} of the servers' time")
    yield bar(now.coverage, level)


def support(now: Judged, before: Judged) -> Figure:
    """Share of answers that are not supported by what they were given, as a detector sees it."""
    title, found = "Unsupported answers (hallucinations)", now.rate
    if found.rate is None or found.low is None or found.high is None:
        return Figure(title, None, found.reason or "nothing was judged")
    between = f"{words.percent(found.low, 1)} to {words.percent(found.high, 1)} with 95{words.THIN}% certainty"
    drawn = [
        range_bar(found.low, found.high, found.rate, 0.0, min(1.0, found.high * 1.25)),
        _line(between),
        _line(f"{words.count(found.judged)} answers judged by a program, uncorrected by people"),
    ]
    return Figure(title, words.percent(found.rate, 1), "", drawn, _support_trend(now, before))


def _support_trend(now: Judged, before: Judged) -> Trend | None:
    if before.rate.rate is None or before.revision != now.revision:
        return None
    if _overlap(now.rate, before.rate):
        return Trend("=", f"no clear change from {words.percent(before.rate.rate, 1)} in the week before")
    return in_points(now.rate.rate or 0.0, before.rate.rate, more_is_good=False)


def _overlap(one: Estimate, other: Estimate) -> bool:
    return (one.low or 0.0) <= (other.high or 0.0) and (other.low or 0.0) <= (one.high or 0.0)


def relative(now: float, before: float, unit: str) -> Trend | None:
    """A change in percent of what it was; None where it was nothing. More is neither better nor worse."""
    if not before:
        return None
    change = now / before - 1
    if abs(change) < _SMALL:
        return Trend("=", "as in the week before")
    more = "more" if change > 0 else "less"
    times = words.percent(abs(change), 0) if change < 10 else f"{now / before:,.0f} times"
    return Trend("▲" if change > 0 else "▼", f"{times}{unit} {more} than in the week before")


def in_points(now: float, before: float, more_is_good: bool) -> Trend:
    """A change of a share, in percentage points, said to be better or worse."""
    change = now - before
    if abs(change) < 5e-5:
        return Trend("=", f"as in the week before ({words.percent(before)})")
    good = (change > 0) == more_is_good
    arrow, said = "▲" if change > 0 else "▼", "better" if good else "worse"
    return Trend(arrow, f"{said}: {words.points(change)} against {words.percent(before)} in the week before", good)


def _known(now: Sums) -> str:
    return "" if now.seen >= _HOURS else f", in the {words.age(now.seen * 3600)} that are known"


def _line(text: str) -> Html:
    return tag("p", text, cls="bl-line")
