"""Where the Kubernetes API is and how it is asked: by settings, or by the service account of the collector's pod."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from collector.discovery.port import joined
from collector.settings import ApiAccess, KubernetesSd, Tls
from core.errors import DiscoveryError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token (rotated, so it is read for each request), the API's CA and its own namespace."""


class Api(NamedTuple):
    """The API's base URL, its credentials, and the namespaces to look at; an empty one is all."""

    base: str
    access: ApiAccess
    namespaces: tuple[str, ...]


def api_of(given: KubernetesSd, account: Path = ACCOUNT, environ: Mapping[str, str] = os.environ) -> Api:
    """DiscoveryError where there is neither a server in the settings nor a service account."""
    if given.api_server:
        return Api(given.api_server.rstrip("/"), given, _namespaces(given, account))
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    if not host:
        raise DiscoveryError("not inside a cluster (no KUBERNETES_SERVICE_HOST): set api_server")
    access = ApiAccess(
        bearer_token_file=given.bearer_token_file or account / "token",
        basic_auth=given.basic_auth,
        tls=given.tls if given.tls.ca_file else Tls(**{**dict(given.tls), "ca_file": account / "ca.crt"}),
    )
    return Api(f"https://{joined(host, _port(environ))}", access, _namespaces(given, account))


def _port(environ: Mapping[str, str]) -> int:
    try:
        return int(environ.get("KUBERNETES_SERVICE_PORT", "443"))
    except ValueError:
        raise DiscoveryError("KUBERNETES_SERVICE_PORT is no number") from None


def _namespaces(given: KubernetesSd, account: Path) -> tuple[str, ...]:
    own = (_own_namespace(account),) if given.namespaces.own_namespace else ()
    return tuple(dict.fromkeys((*own, *given.namespaces.names))) or ("",)


def _own_namespace(account: Path) -> str:
    try:
        return (account / "namespace").read_text().strip()
    except OSError as error:
        raise DiscoveryError(f"the namespace that this runs in is not known: {error}") from None
