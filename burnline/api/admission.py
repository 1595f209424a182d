"""What every request passes before its route: size, names, who asks, how often. Refusals cost no parsing of bodies."""

from __future__ import annotations

from fastapi import HTTPException
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from burnline.api import auth, limits
from burnline.api.auth import LOCAL, Caller, Door
from burnline.api.errors import answer_to
from burnline.settings import ApiSettings
from core.clock import Clock
from core.errors import StorageError

_READING = ("GET", "HEAD", "OPTIONS")


class Admission:
    """An ASGI middleware. `request.state.caller` is who asks, for routes that are not open to all."""

    def __init__(self, app: ASGIApp, door: Door, settings: ApiSettings, clock: Clock, answers: Counter) -> None:
        self._app = app
        self._door = door
        self._max_body = settings.max_body
        self._all = limits.Limiter(settings.rate_per_minute, settings.burst, clock)
        self._writes = limits.Limiter(
            settings.writes_per_minute, min(settings.burst, settings.writes_per_minute), clock
        )
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answers.labels(str(message["status"])).inc()
            await send(message)

        try:
            await self._admit(scope)
        except (HTTPException, StorageError) as refused:
            await answer_to(refused)(scope, receive, told)
            return
        await self._app(scope, limits.counted(receive, self._max_body), told)

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        _refuse_unstorable(scope)
        limits.check_length(headers.get("content-length"), self._max_body)
        role = auth.needed(scope["method"], scope["path"])
        if role is None:
            self._admit_anybody(scope)
            return
        caller = await self._caller(scope, auth.bearer(headers.get("authorization", "")))
        if caller == LOCAL and not auth.is_this_machine(headers.get("host", "")):
            raise HTTPException(403, "without tokens only requests to a name of this machine are answered")
        auth.require(caller, role)
        scope.setdefault("state", {})["caller"] = caller

    def _admit_anybody(self, scope: Scope) -> None:
        # A prober must not be kept out by what else comes from its address.
        if scope["path"] != "/healthz":
            self._all.take(f"anybody {limits.address_of(scope)}")

    async def _caller(self, scope: Scope, secret: str | None) -> Caller:
        """Who asks; each look-up counts on the address, so that secrets cannot be tried out quickly."""
        address = limits.address_of(scope)
        caller = self._door.remembered(secret)
        counted = caller is None
        if caller is None:
            self._all.take(address)
            caller = await run_in_threadpool(self._door.look_up, secret)
        client = caller.token_id or address
        if not (counted and client == address):
            self._all.take(client)
        if scope["method"] not in _READING:
            self._writes.take(client)
        return caller


def _refuse_unstorable(scope: Scope) -> None:
    """No name here holds NUL, which PostgreSQL refuses; neither does a path that is no UTF-8."""
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise HTTPException(400, "the address holds a NUL character")
