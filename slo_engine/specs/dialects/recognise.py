"""What a document that nothing reads looks like: the refusal names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

API_VERSION = "openslo/v1"

_BY_VERSION = (
    ("openslo/", "OpenSLO {0}"),
    ("openslo.com/", "OpenSLO {0}"),
    ("sloth.slok.dev/", "Sloth ({0}, {1})"),
    ("prometheus/v1", "Sloth ({0})"),
    ("pyrra.dev/", "Pyrra ({0})"),
    ("sre.google.com/", "slo-generator ({0})"),
    ("n9/", "Nobl9 ({0})"),
    ("apiextensions.k8s.io/", "a Kubernetes resource definition"),
    ("monitoring.coreos.com/", "a Prometheus operator resource"),
)
_BY_KEY = (
    ("groups", "a Prometheus rule file"),
    ("backends", "slo-generator's shared configuration"),
    ("error_budget_policies", "slo-generator's shared configuration"),
    ("slo_target", "slo-generator's format before version 2"),
    ("$schema", "a JSON Schema"),
)


def version_of(value: Any) -> Any:
    """The apiVersion of an object, whatever the case of its key."""
    if not isinstance(value, Mapping):
        return None
    return value.get("apiVersion", next((v for k, v in value.items() if k.lower() == "apiversion"), None))


def refusal(value: Mapping[str, Any]) -> str:
    """What is wrong with an object whose apiVersion is not openslo/v1; names the dialect where it is known."""
    version = version_of(value)
    only = f"only {API_VERSION} is read, and files of Sloth, Pyrra and slo-generator"
    if name := _by_version(version or value.get("version"), value.get("kind")):
        return f"this looks like {name}: {only}"
    if version is None:
        name = next((name for key, name in _BY_KEY if key in value), None)
        return f"this looks like {name}: {only}" if name else f"apiVersion is required: {only}"
    return f"apiVersion: {version!r} is not known: {only}"


def _by_version(version: Any, kind: Any) -> str | None:
    if not isinstance(version, str):
        return None
    return next((name.format(version, kind) for start, name in _BY_VERSION if version.startswith(start)), None)
