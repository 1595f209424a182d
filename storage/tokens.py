"""Bearer tokens of the API: only their SHA-256 is kept. A token has 256 random bits, so that no salt is needed."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert, select, update

from core.errors import ConfigError
from storage.database import Database
from storage.tables import api_token, audit

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = ("read", "write", "admin")
"""Each may do what those before it may."""

PREFIX = "burnline_"
"""Makes a leaked token recognisable to secret scanners."""

_LONGEST = 10 * 366 * 86_400.0


@dataclass(frozen=True)
class Token:
    """A token as it is listed; the secret itself is known only to its holder. Times are Unix seconds."""

    id: str
    name: str
    role: Role
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None

    def holds(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def expiry(seconds: float | None, now: float) -> float | None:
    """When a token that holds for so long ends (None: never); ConfigError for a time that is none or over ten years."""
    if seconds is None:
        return None
    if not 0 < seconds <= _LONGEST:
        raise ConfigError("a token holds for over 0 s and at most 10y: write 30d, or nothing for one without an end")
    return now + seconds


def add(db: Database, name: str, role: Role, by: str, now: float, expires_at: float | None = None) -> tuple[Token, str]:
    """Make a token: (the row, the secret, which is shown this once)."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(secrets.token_hex(6), name, role, now, by, expires_at, None)
    with db.write() as connection:
        connection.execute(insert(api_token).values(**token.__dict__, digest=digest(secret)))
        detail = {"name": name, "role": role, "expires_at": expires_at}
        connection.execute(insert(audit).values(at=now, actor=by, action="token.add", subject=token.id, detail=detail))
    return token, secret


def revoke(db: Database, token_id: str, by: str, now: float) -> None:
    """End a token now. ConfigError when there is none of this id that is not revoked."""
    with db.write() as connection:
        held = (api_token.c.id == token_id) & api_token.c.revoked_at.is_(None)
        if not connection.execute(update(api_token).where(held).values(revoked_at=now)).rowcount:
            raise ConfigError(f"there is no token {token_id} that could be revoked: `burnline token list` shows them")
        connection.execute(insert(audit).values(at=now, actor=by, action="token.revoke", subject=token_id, detail={}))


def any_made(db: Database) -> bool:
    """Whether a token was ever made: from then on nobody is let in without one."""
    with db.read() as connection:
        return connection.execute(select(api_token.c.id).limit(1)).first() is not None


def any_holds(db: Database, now: float) -> bool:
    """Whether there is a token that somebody could use now."""
    return any(token.holds(now) for token in every(db))


def find(db: Database, secret: str) -> Token | None:
    """The token of a secret, revoked and expired ones too."""
    with db.read() as connection:
        row = connection.execute(select(api_token).where(api_token.c.digest == digest(secret))).one_or_none()
        return None if row is None else _token(row._asdict())


def every(db: Database) -> list[Token]:
    """All tokens, newest first."""
    with db.read() as connection:
        rows = connection.execute(select(api_token).order_by(api_token.c.created_at.desc(), api_token.c.id))
        return [_token(row._asdict()) for row in rows]


def _token(values: dict[str, object]) -> Token:
    del values["digest"]
    return Token(**values)  # type: ignore[arg-type]  # the columns are those of the dataclass


def digest(secret: str) -> str:
    """What is kept of a secret. Looking it up takes no time that depends on how much of a secret is right."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
