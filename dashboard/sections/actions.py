"""What a person does about an incident. Both write through storage, which leaves an audit row."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.clock import SystemClock
from core.durations import parse_prometheus
from core.errors import ConfigError, ParseError, StorageError
from core.matchers import Matcher, parse_matchers
from dashboard import snapshot
from dashboard.login import Viewer
from dashboard.markup import tag
from dashboard.sections.evidence import leading
from storage import incidents, silences
from storage.database import Database
from storage.incidents import Incident

LASTS = "2h"
_ME = "who-am-i"
_NO_DIMENSION = ("alertname", "severity", "service")
_RESULT = "result-of-"


def acknowledge(incident: Incident, database_url: str, viewer: Viewer) -> None:
    """The form that takes an incident."""
    key = f"acknowledge-{incident.id}"
    with st.form(key, border=False):
        _name_field(key, viewer)
        st.text_input("Comment", key=f"{key}-comment", placeholder="what you look at first", max_chars=500)
        what = (key, incident.id, database_url, viewer)
        st.form_submit_button("Acknowledge", type="primary", on_click=_acknowledge, args=what)
    _say_result(key)


def silence(incident: Incident, database_url: str, viewer: Viewer) -> None:
    """The form that keeps alerts like this incident's from notifying."""
    key = f"silence-form-{incident.id}"
    _preset(f"{key}-matchers", ", ".join(str(matcher) for matcher in matchers_of(incident)))
    _preset(f"{key}-duration", LASTS)
    with st.form(key, border=False):
        st.text_input("Alerts that match", key=f"{key}-matchers", max_chars=2000)
        left, right = st.columns([1, 2])
        left.text_input("For", key=f"{key}-duration", max_chars=20, help="such as 30m, 2h or 1d")
        with right:
            _name_field(key, viewer)
        st.text_input("Comment", key=f"{key}-comment", placeholder="why it may be quiet", max_chars=500)
        st.form_submit_button("Silence", on_click=_silence, args=(key, database_url, viewer))
    _say_result(key)


def matchers_of(incident: Incident) -> tuple[Matcher, ...]:
    """The SLO and the group of the leading alert: its other severities are meant too, other groups are not."""
    labels = leading(incident).get("labels") or incident.labels
    wanted = {"slo": incident.slo} | {name: value for name, value in labels.items() if name not in _NO_DIMENSION}
    return tuple(Matcher(name, "=", str(value)) for name, value in wanted.items())


def end_silence(silence_id: str, database_url: str, viewer: Viewer) -> None:
    """A button that ends a silence, with a name to type where nobody logs in."""
    key = f"end-{silence_id}"
    with st.popover("End it", icon=":material/notifications_active:"):
        with st.form(key, border=False):
            _name_field(key, viewer)
            st.form_submit_button("End now", on_click=_end, args=(key, silence_id, database_url, viewer))
        _say_result(key)


def _name_field(key: str, viewer: Viewer) -> None:
    if viewer.name is not None:
        return
    _preset(f"{key}-by", st.session_state.get(_ME, ""))
    st.text_input("Your name", key=f"{key}-by", max_chars=100)


def _preset(key: str, value: str) -> None:
    if key not in st.session_state:
        st.session_state[key] = value


def _acknowledge(key: str, incident_id: int, database_url: str, viewer: Viewer) -> None:
    by, comment = _actor(key, viewer), _given(key, "comment")

    def take(db: Database, now: float) -> str:
        incidents.acknowledge(db, incident_id, by, comment, now)
        return "Acknowledged: repeats stop until it is resolved or alerts join."

    _write(key, database_url, viewer, take)


def _silence(key: str, database_url: str, viewer: Viewer) -> None:
    by, comment, duration = _actor(key, viewer), _given(key, "comment"), _given(key, "duration")
    text = _given(key, "matchers")

    def add(db: Database, now: float) -> str:
        silences.add(db, parse_matchers(text), now, now + parse_prometheus(duration), by, comment, now)
        return f"Silenced for {duration}."

    _write(key, database_url, viewer, add)


def _end(key: str, silence_id: str, database_url: str, viewer: Viewer) -> None:
    by = _actor(key, viewer)

    def end(db: Database, now: float) -> str:
        if not by:
            raise ConfigError("ending a silence needs a name: write yours")
        silences.expire(db, silence_id, by, now)
        return "Ended."

    _write(key, database_url, viewer, end)


def _actor(key: str, viewer: Viewer) -> str:
    return viewer.name or _given(key, "by")


def _given(key: str, name: str) -> str:
    return str(st.session_state[f"{key}-{name}"]).strip()


def _write(key: str, database_url: str, viewer: Viewer, do: Callable[[Database, float], str]) -> None:
    """Carry it out and keep what to say of it; the next drawing reads the database anew."""
    if not viewer.may_write:
        # The form is not drawn for them; a session may have become read-only since.
        st.session_state[_RESULT + key] = (_refusal("your role may read only"), True)
        return
    try:
        text, failed = do(snapshot.source(database_url).database, SystemClock().now()), False
    except (ConfigError, ParseError, StorageError) as error:
        text, failed = _refusal(str(error)), True
    if not failed and viewer.name is None:
        st.session_state[_ME] = _given(key, "by")
    st.session_state[_RESULT + key] = (text, failed)
    snapshot.current.clear()


def _refusal(reason: str) -> str:
    return f"Nothing was written: {reason}"


def _say_result(key: str) -> None:
    text, failed = st.session_state.get(_RESULT + key, ("", False))
    if text:
        st.html(tag("p", text, cls="bl-fault" if failed else "bl-done", role="status"))
