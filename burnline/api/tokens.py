"""Tokens: made, listed and revoked by administrators. A secret is answered once, when it is made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, Field

from burnline import views
from burnline.api.auth import CallerOf
from burnline.api.context import Context
from burnline.api.fields import Name, NameInPath, Note, Sent
from core.durations import parse_prometheus
from storage import tokens
from storage.tokens import Role


class NewToken(Sent):
    """A token for somebody or something."""

    name: Name
    role: Role = Field(description="each role may do what those before it may: read, write, admin")
    expires: Annotated[Note, Field(max_length=32, examples=["30d"])] | None = Field(
        None, description="for how long it holds; null: until it is revoked"
    )


class Token(BaseModel):
    """A token without its secret."""

    id: str
    name: str
    role: Role
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    holds: bool = Field(description="neither revoked nor expired")


class NewSecret(Token):
    """A new token with its secret, which is shown this once."""

    secret: str


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])
    database, clock = context.database, context.clock

    @routes.get("", response_model=list[Token])
    def list_tokens() -> list[dict[str, Any]]:
        """All tokens, newest first, revoked and expired ones too."""
        now = clock.now()
        return [views.token(one, now) for one in tokens.every(database)]

    @routes.post("", status_code=201, response_model=NewSecret)
    def add_token(new: Annotated[NewToken, Body()], caller: CallerOf) -> dict[str, Any]:
        """Make a token. With the first one, every request needs one."""
        now = clock.now()
        expires_at = tokens.expiry(None if new.expires is None else parse_prometheus(new.expires), now)
        made, secret = tokens.add(database, new.name, new.role, caller.name, now, expires_at)
        context.door.forget()
        return {**views.token(made, now), "secret": secret}

    @routes.delete("/{token_id}", status_code=204, responses={404: {"description": "no such token to revoke"}})
    def revoke_token(token_id: NameInPath, caller: CallerOf) -> None:
        """Revoke a token: here at once, in other processes within two seconds."""
        if not any(one.id == token_id and one.revoked_at is None for one in tokens.every(database)):
            raise HTTPException(404, f"there is no token {token_id} that could be revoked")
        tokens.revoke(database, token_id, caller.name, clock.now())
        context.door.forget()

    return routes
