"""What is shown to a server that asks who is calling, and which certificates are trusted."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Protocol

from collector.settings import BasicAuth, Tls


class Credentials(Protocol):
    """The settings that say who is calling; at most one of both."""

    @property
    def bearer_token_file(self) -> Path | None: ...

    @property
    def basic_auth(self) -> BasicAuth | None: ...


def authorization(settings: Credentials) -> dict[str, str]:
    """The header Authorization, if any; files are read each time, so that secrets can be rotated. OSError."""
    if settings.bearer_token_file is not None:
        return {"Authorization": f"Bearer {settings.bearer_token_file.read_text().strip()}"}
    if settings.basic_auth is not None:
        pair = f"{settings.basic_auth.username}:{settings.basic_auth.password_file.read_text().strip()}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}


def tls_context(tls: Tls) -> ssl.SSLContext:
    """What aiohttp takes for https; OSError or ssl.SSLError where a file cannot be read."""
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    if tls.cert_file:
        context.load_cert_chain(str(tls.cert_file), str(tls.key_file) if tls.key_file else None)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
