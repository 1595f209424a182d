"""Who looks at the pages, and what they may do: Streamlit's OpenID Connect login with the API's roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from core.clock import SystemClock
from dashboard.markup import tag
from dashboard.options import Login, Options
from storage.tokens import ROLES, Role


class Viewer(NamedTuple):
    """`name` is whose actions are written down; None: there is no login, and people type their names."""

    name: str | None
    role: Role

    @property
    def may_write(self) -> bool:
        """Whether acknowledging and silencing are offered and carried out."""
        return self.role != "read"


class Refusal(NamedTuple):
    """Why somebody sees nothing; `by_login`: a login can change that."""

    text: str
    by_login: bool


ANYBODY = Viewer(None, "write")
"""Without a login the server listens on loopback, and whoever reaches it may write."""


def judge(login: Login | None, claims: Mapping[str, Any], now: float) -> Viewer | Refusal:
    """Who somebody with these claims of an identity token is."""
    if login is None:
        return ANYBODY
    if not claims.get("is_logged_in"):
        return Refusal("Log in to see how the fleet does.", by_login=True)
    issued = claims.get("iat")
    if not isinstance(issued, int | float) or now - issued > login.session_seconds:
        return Refusal("Your login is too long ago: log in again.", by_login=True)
    name = str(claims.get("email") or claims.get("sub") or "")
    role = role_of(claims, login.roles)
    if role is None or not name:
        return Refusal(f"{name or 'A person without a name'} has no role here: ask who runs Burnline.", by_login=False)
    return Viewer(name, role)


def role_of(claims: Mapping[str, Any], roles: Mapping[str, Role]) -> Role | None:
    """The highest role that an e-mail address or a `claim=value` gives; None: none does.

    An address that the provider says it has not verified gives none.
    """
    given = [role for key, role in roles.items() if _holds(claims, key)]
    return max(given, key=ROLES.index, default=None)


def _holds(claims: Mapping[str, Any], key: str) -> bool:
    name, equals, value = key.partition("=")
    if not equals:
        verified = claims.get("email_verified", True) is True
        return verified and str(claims.get("email", "")).casefold() == key.casefold()
    held = claims.get(name)
    return value in [str(one) for one in held] if isinstance(held, list | tuple) else str(held) == value


def admit(options: Options) -> Viewer | None:
    """The viewer of this session; None, and the reason drawn, if there is nothing for them to see."""
    # Without a login `st.user` would warn that nothing is configured.
    claims = {} if options.login is None else st.user.to_dict()
    found = judge(options.login, claims, SystemClock().now())
    if isinstance(found, Viewer):
        return found
    _refuse(found, bool(claims.get("is_logged_in")))
    return None


def _refuse(found: Refusal, logged_in: bool) -> None:
    st.html(tag("h2", "Burnline"))
    st.html(tag("p", found.text, cls="bl-line"))
    if found.by_login:
        _script(_KEEP_PLACE)
        st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
    elif logged_in:
        _log_out("refused")


def say(viewer: Viewer) -> None:
    """Who is logged in, with the way out; nothing without a login."""
    if viewer.name is None:
        return
    _script(_RETURN_TO_PLACE)
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.html(tag("p", f"{viewer.name} · {_MAY[viewer.role]}", cls="bl-quiet"), width="content")
        _log_out("page")


def _log_out(where: str) -> None:
    st.button("Log out", type="tertiary", icon=":material/logout:", on_click=st.logout, key=f"log-out-{where}")


# The provider sends everybody back to the root: the tab remembers which address it was opened at.
_KEEP_PLACE = "sessionStorage.setItem('burnline-place', location.pathname + location.search)"
_RETURN_TO_PLACE = """
const place = sessionStorage.getItem('burnline-place')
sessionStorage.removeItem('burnline-place')
if (place && place !== location.pathname + location.search) location.replace(place)
"""


def _script(text: str) -> None:
    st.html(f"<script>{text}</script>", unsafe_allow_javascript=True)


_MAY: Mapping[Role, str] = {"read": "may read", "write": "may acknowledge and silence", "admin": "administrator"}
