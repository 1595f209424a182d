"""An OpenID Connect provider as small as one can be: it logs in whoever it is told to, with real signatures."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey


class Provider:
    """Serves on its own thread from `start` to `stop`; `claims` are those of the next login."""

    def __init__(self, claims: dict[str, Any]) -> None:
        self.claims = claims
        self.address = ""
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, dict[str, str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Listen on a free port of the loopback."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Close every connection and end the thread."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def metadata_url(self) -> str:
        """What a client is configured with."""
        return f"{self.address}/.well-known/openid-configuration"

    async def _listen(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _metadata(self, _: web.Request) -> web.Response:
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        made: dict[str, Any] = {name: f"{self.address}/{path}" for name, path in paths.items()}
        made |= {"issuer": self.address, "id_token_signing_alg_values_supported": ["RS256"]}
        return web.json_response(made | {"response_types_supported": ["code"], "subject_types_supported": ["public"]})

    async def _authorize(self, request: web.Request) -> web.Response:
        code = secrets.token_urlsafe(8)
        self._codes[code] = dict(request.query)
        back = urlencode({"code": code, "state": request.query["state"]})
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{back}")

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [self._key.as_dict(private=False)]})

    async def _token(self, request: web.Request) -> web.Response:
        asked = self._codes.pop(str((await request.post())["code"]))
        now = int(time.time())
        claims = {"iss": self.address, "aud": asked["client_id"], "sub": "1", "iat": now, "exp": now + 600}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims | {"nonce": asked["nonce"], **self.claims}, self._key)
        return web.json_response({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})
