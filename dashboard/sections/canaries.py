"""Versions beside their baseline: the verdict, how sure it is, and where it is worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import words
from dashboard.filters import Filters
from dashboard.markup import Html, cell, range_bar, row, table, tag
from dashboard.sections.signs import heading, nothing, sign
from dashboard.snapshot import Snapshot
from storage.canaries import Canary

MOST = 4
_HEADS = ("What is compared", "Difference of bad shares", "", "Evidence that it is worse")


def show(taken: Snapshot, filters: Filters) -> None:
    """Those that run at the time, and the one that the address names, the failed first."""
    mine = [one for one in taken.canaries if _meant(one, filters, taken)]
    mine.sort(key=lambda one: (one.failed_at is None, -one.started_at))
    st.html(heading("Canaries", f"{len(mine)} compared" if mine else ""))
    if not mine:
        st.html(nothing(_why_none(taken, filters)))
    for one in mine[:MOST]:
        with st.container(border=True, key=f"canary-{one.id}"):
            st.html(render(one, taken.now))
    if len(mine) > MOST:
        st.html(nothing(f"{len(mine) - MOST} more: narrow the page with filters to see them."))


def _meant(one: Canary, filters: Filters, taken: Snapshot) -> bool:
    if filters.canary is not None:
        return one.id == filters.canary
    runs = one.started_at <= taken.until and (one.ended_at is None or one.ended_at > taken.until)
    return runs and _covers(one, filters)


def _covers(one: Canary, filters: Filters) -> bool:
    """Narrowed to either of its two versions a page still shows it."""
    place = {"model": one.model} | ({} if one.region is None else {"region": one.region})
    return any(filters.covers(place | {"version": version}) for version in (one.version, one.baseline))


def _why_none(taken: Snapshot, filters: Filters) -> str:
    if filters.canary is not None:
        return f"There is no canary {filters.canary} of the last seven days."
    return "None that fits the filters runs." if taken.canaries else "None runs: no model is served in two versions."


def render(one: Canary, now: float) -> Html:
    """One comparison."""
    verdict = one.verdict
    return tag(
        "div",
        tag("h4", sign(one.state.replace("_", " ")), title(one)),
        tag("p", f"{verdict.get('reason') or 'no reason given'}", cls="bl-summary"),
        tag("p", *_facts(one, now), cls="bl-line"),
        *compared(verdict),
        cls="bl-incident",
    )


def compared(verdict: Mapping[str, Any]) -> Iterable[Html]:
    """What a verdict rests on: each criterion with its interval, and the regions."""
    yield from _criteria(verdict.get("criteria") or ())
    yield from _regions(verdict.get("suspects") or ())


def title(one: Canary) -> str:
    """`llama: v2 beside v1`."""
    where = "" if one.region is None else f" in {one.region}"
    return f"{one.model}: {one.version} beside {one.baseline}{where}"


def _facts(one: Canary, now: float) -> Iterable[Html]:
    verdict = one.verdict
    ended = "" if one.ended_at is None else f", ended {words.clock(one.ended_at, now)}"
    yield _fact("since", words.since(one.started_at, now) + ended)
    yield _fact("evidence", in_words(verdict))
    for who in ("canary", "baseline"):
        yield _fact(who, _bad(verdict.get("bad") or {}, verdict.get("requests") or {}, who))
    if (needs := verdict.get("needs")) and needs.get("requests") is not None:
        yield _fact("still needs about", f"{words.count(needs['requests'])} requests")


def _fact(name: str, value: str) -> Html:
    return tag("span", f"{name} ", tag("strong", value), cls="bl-fact")


def _bad(bad: Mapping[str, Any], requests: Mapping[str, Any], who: str) -> str:
    if bad.get(who) is None or requests.get(who) is None:
        return words.NOT_MEASURED
    return f"{words.count(bad[who])} bad of {words.count(requests[who])}"


def in_words(verdict: Mapping[str, Any]) -> str:
    """The e-value as odds, with those at which it fails."""
    e_value, alpha = verdict.get("e_value"), verdict.get("alpha")
    if e_value is None:
        return words.NOT_MEASURED
    limit = f" (fails at {1 / alpha:.0f} : 1)" if alpha else ""
    return f"{words.evidence(e_value).removeprefix('evidence ')}{limit}"


def _criteria(found: Sequence[Mapping[str, Any]]) -> Iterable[Html]:
    """Differences on one scale, so that their widths compare."""
    known = [one["interval"] for one in found if one.get("interval") and None not in one["interval"]]
    start, end = min([0.0, *(low for low, _ in known)]), max([0.0, *(high for _, high in known)])
    if found:
        worst_first = sorted(found, key=lambda one: -(one.get("e_value") or 0.0))
        yield table(_HEADS, (_criterion(one, start, end) for one in worst_first), cls="bl-canary")


def _criterion(one: Mapping[str, Any], start: float, end: float) -> Html:
    name = cell(tag("strong", str(one.get("name") or one.get("slo"))), tag("small", str(one.get("slo") or "")))
    e_value, delta, interval = one.get("e_value"), one.get("delta"), one.get("interval")
    evidence = words.NOT_MEASURED if e_value is None else words.evidence(e_value)
    if delta is None or not interval or None in interval:
        reason = one.get("reason") or "too few requests"
        return row(name, cell(f"{words.NOT_MEASURED}: {reason}", cls="bl-unknown", span=2), evidence)
    low, high = interval
    text = f"{words.points(delta)} ({words.points(low)} to {words.points(high)})"
    return row(name, range_bar(low, high, delta, start, end), cell(text, cls="bl-number"), evidence)


def _regions(found: Sequence[Mapping[str, Any]]) -> Iterable[Html]:
    known = [one for one in found if one.get("e_value") is not None]
    if known:
        texts = [_region(one) for one in sorted(known, key=lambda one: -one["e_value"])[:MOST]]
        yield tag("p", "By region: ", "; ".join(texts), cls="bl-line")


def _region(one: Mapping[str, Any]) -> str:
    delta = "" if one.get("delta") is None else f", {words.points(one['delta'])}"
    return f"{one.get('region') or 'not told apart'} ({words.evidence(one['e_value'])}{delta})"
