"""Open incidents, each with its evidence and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.matchers import matches_all
from dashboard import guard, snapshot, words
from dashboard.filters import Filters
from dashboard.login import Viewer
from dashboard.markup import Html, safe_url, tag
from dashboard.sections import actions, evidence
from dashboard.sections.signs import heading, nothing, sign
from dashboard.snapshot import Snapshot
from storage import incidents
from storage.incidents import Incident
from storage.silences import Silence

IN_FULL = 5
"""Incidents drawn with their evidence; with more than these at once the list says more than any one."""
_LINKS = (
    ("runbook_url", "Runbook", ":material/menu_book:"),
    ("dashboard_url", "Only this, at that time", ":material/filter_alt:"),
)


def show(taken: Snapshot, filters: Filters, database_url: str, viewer: Viewer) -> None:
    """Those that fit the filters, unacknowledged pages first; an incident named in the address even when it is over."""
    mine = [one for one in taken.incidents if meant(one, filters)]
    if filters.incident is not None:
        mine = [one for one in taken.incidents if one.id == filters.incident] or _closed(filters.incident, database_url)
    mine.sort(key=lambda one: (one.severity != "page", one.acknowledged_at is not None, -one.opened_at))
    st.html(heading(_title(taken, filters), _tally(mine)))
    if not mine:
        st.html(nothing(_why_none(taken, filters)))
    for incident in mine[:IN_FULL]:
        with st.container(border=True, key=f"incident-{incident.id}"):
            guard.draw(f"Incident {incident.id}", _card, incident, taken, database_url, viewer)
    for incident in mine[IN_FULL:]:
        st.html(_header(incident, taken))


def _title(taken: Snapshot, filters: Filters) -> str:
    if filters.incident is not None:
        return "Incident"
    return "Incidents of that time" if taken.past else "Open incidents"


def meant(incident: Incident, filters: Filters) -> bool:
    """Whether one of its alerts is of the chosen SLO and group."""
    labels = [alert["labels"] for alert in incident.alerts] or [incident.labels]
    return any(filters.takes(one.get("slo", incident.slo)) and filters.covers(one) for one in labels)


def _closed(incident_id: int, database_url: str) -> list[Incident]:
    found = incidents.get(snapshot.source(database_url).database, incident_id)
    return [] if found is None else [found]


def _tally(mine: Sequence[Incident]) -> str:
    waiting = sum(1 for one in mine if one.open and one.acknowledged_at is None)
    return f"{len(mine)}, {waiting} not acknowledged" if mine else ""


def _why_none(taken: Snapshot, filters: Filters) -> str:
    if filters.incident is not None:
        return f"There is no incident {filters.incident}."
    kind = "of that time" if taken.past else "open ones"
    return f"None of the {len(taken.incidents)} {kind} fits the filters." if taken.incidents else "None."


def _card(incident: Incident, taken: Snapshot, database_url: str, viewer: Viewer) -> None:
    st.html(_header(incident, taken))
    st.html(evidence.render(incident, taken))
    _links(incident)
    if incident.open and viewer.may_write:
        left, right = st.columns(2)
        with left, st.expander("Acknowledge", icon=":material/pan_tool:", key=f"ack-{incident.id}"):
            actions.acknowledge(incident, database_url, viewer)
        with right, st.expander("Silence", icon=":material/notifications_paused:", key=f"silence-{incident.id}"):
            actions.silence(incident, database_url, viewer)


def _header(incident: Incident, taken: Snapshot) -> Html:
    return tag(
        "div",
        tag("h4", sign(incident.severity), incident.title),
        tag("p", f"#{incident.id} · {_life(incident, taken.now)}", cls="bl-line"),
        tag("p", _taken_by(incident, taken.now), *_silenced(incident, taken), cls="bl-line"),
        *_suspect(incident),
        cls="bl-incident",
    )


def _life(incident: Incident, now: float) -> str:
    opened = f"open since {words.since(incident.opened_at, now)}"
    if incident.open:
        told = "nobody was notified yet"
        if incident.notified_at is not None:
            told = f"first notified {words.age(incident.notified_at - incident.opened_at)} after that"
        return f"{opened} · {told}"
    ended = "at an unknown time" if incident.resolved_at is None else words.since(incident.resolved_at, now)
    return f"{incident.outcome or 'closed'} {ended}; opened {words.clock(incident.opened_at, now)}"


def _suspect(incident: Incident) -> list[Html]:
    found = evidence.suspect(evidence.leading(incident).get("evidence", {}).get("suspects") or ())
    return [] if found is None else [tag("p", "Suspect: ", tag("strong", found), cls="bl-line bl-suspect")]


def _taken_by(incident: Incident, now: float) -> Html:
    if incident.acknowledged_at is None:
        return tag("strong", "nobody has acknowledged it" if incident.open else "nobody acknowledged it")
    comment = f": {incident.comment}" if incident.comment else ""
    ago = words.age(now - incident.acknowledged_at)
    return tag("span", f"acknowledged by {incident.acknowledged_by} {ago} ago{comment}")


def _silenced(incident: Incident, taken: Snapshot) -> list[Html]:
    held = [one for one in taken.silences if one.is_active(taken.now) and _hides(one, incident)]
    texts = [f" · silenced by {one.created_by} for {words.age(one.ends_at - taken.now)} more" for one in held]
    return [tag("span", text) for text in texts]


def _hides(silence: Silence, incident: Incident) -> bool:
    return any(matches_all(silence.matchers, alert["labels"]) for alert in incident.alerts if alert["ends_at"] is None)


def _links(incident: Incident) -> None:
    """Addresses come from SLO files and labels: only what a browser may follow becomes a link."""
    notes = evidence.leading(incident).get("annotations", {})
    found = [(safe_url(notes.get(name)), text, icon) for name, text, icon in _LINKS]
    with st.container(horizontal=True):
        for url, text, icon in found:
            if url is not None:
                st.link_button(text, url, icon=icon, key=f"link-{incident.id}-{text}")
