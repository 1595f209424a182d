"""Prometheus's list of target groups, as files and HTTP endpoints give it."""

from __future__ import annotations

from typing import Any

from collector.discovery.port import Group
from core.errors import ConfigError, Place


def read_groups(document: Any, file: str, origin: str) -> dict[str, Group]:
    """A list of `{targets: [...], labels: {...}}`, by place; ConfigError says which entry is wrong.

    `origin`: the label that says where they come from, `__meta_filepath` or `__meta_url`.
    """
    if not isinstance(document, list):
        raise ConfigError("a list of target groups is needed: [{targets: [host:port], labels: {}}]", Place(file, 1))
    return {str(index): _group(entry, index, file, origin) for index, entry in enumerate(document)}


def _group(entry: Any, index: int, file: str, origin: str) -> Group:
    place = Place(file, 1)
    if not isinstance(entry, dict) or not isinstance(entry.get("targets"), list):
        raise ConfigError(f"entry {index} needs a list named targets", place)
    labels = entry.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(t, str) and t for t in entry["targets"]):
        raise ConfigError(f"entry {index}: targets are texts host:port, labels map names to texts", place)
    targets = tuple({"__address__": address} for address in entry["targets"])
    return Group(targets, {str(name): str(value) for name, value in labels.items()} | {origin: file})
