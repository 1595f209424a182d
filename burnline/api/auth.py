"""Who asks, and what they may: bearer tokens with roles; without any token, whoever is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from burnline.check import is_loopback
from core.clock import Clock
from storage import tokens
from storage.database import Database
from storage.tokens import ROLES, Role, Token

REMEMBERED = 2.0
"""Seconds for which a token that was found is not looked up again: a revoked one is refused within this time."""

_MOST_REMEMBERED = 1024
_OPEN = frozenset({"/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
_ADMIN = ("/api/v1/tokens", "/api/v1/audit")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True)
class Caller:
    """Who makes a request; `token_id` is None without tokens."""

    name: str
    role: Role
    token_id: str | None = None

    @property
    def actor(self) -> str | None:
        """The name that the audit notes; None: the one that the request gives."""
        return self.name if self.token_id is not None else None


LOCAL = Caller("local", "admin")


def needed(method: str, path: str) -> Role | None:
    """The least role that a request needs; None: anybody may ask. A path that nobody thought of needs one."""
    if path in _OPEN or path.startswith("/runbooks/"):
        return None
    if any(path == place or path.startswith(f"{place}/") for place in _ADMIN):
        return "admin"
    return "read" if method in ("GET", "HEAD", "OPTIONS") else "write"


def require(caller: Caller, role: Role) -> None:
    """HTTPException 403 where a caller's role is weaker."""
    if ROLES.index(caller.role) < ROLES.index(role):
        raise HTTPException(403, f"this needs a token with the role {role}; {caller.name!r} has {caller.role}")


def bearer(header: str) -> str | None:
    """The secret of an Authorization header."""
    scheme, _, secret = header.partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine: a page of another name that resolves here must not be obeyed."""
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    return not name or is_loopback(name.strip("[]"))


class Door:
    """Tells callers by their secrets. Closed for good once a token has been made: revoking the last opens nothing."""

    def __init__(self, database: Database, clock: Clock, *, loopback: bool) -> None:
        self._db = database
        self._clock = clock
        self._closed = not loopback
        self._open_until = 0.0
        self._known: dict[str, tuple[Token, float]] = {}

    def remembered(self, secret: str | None) -> Caller | None:
        """The caller, where the answer is fresh enough to need no look-up."""
        if not self._closed and self._clock.monotonic() < self._open_until:
            return LOCAL
        token, until = self._known.get(tokens.digest(secret or ""), (None, 0.0))
        if token is None or self._clock.monotonic() >= until or not token.holds(self._clock.now()):
            return None
        return Caller(token.name, token.role, token.id)

    def look_up(self, secret: str | None) -> Caller:
        """The caller as the database knows it now; HTTPException 401 that does not say whether a secret ever held."""
        if not self._closed and not tokens.any_made(self._db):
            self._open_until = self._clock.monotonic() + REMEMBERED
            return LOCAL
        self._closed = True
        if secret is None:
            text = "this needs a token: Authorization: Bearer …; `burnline token add` makes one"
            raise HTTPException(401, text, _CHALLENGE)
        token = tokens.find(self._db, secret)
        if token is None or not token.holds(self._clock.now()):
            self._known.pop(tokens.digest(secret), None)
            raise HTTPException(401, "this token is unknown, expired or revoked", _CHALLENGE)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[tokens.digest(secret)] = (token, self._clock.monotonic() + REMEMBERED)
        return Caller(token.name, token.role, token.id)

    def forget(self) -> None:
        """Look up anew: a token was made or revoked."""
        self._open_until = 0.0
        self._known.clear()


def _caller_of(request: Request) -> Caller:
    found = request.state.caller
    assert isinstance(found, Caller)
    return found


CallerOf = Annotated[Caller, Depends(_caller_of)]
"""A route's parameter: who asks."""
