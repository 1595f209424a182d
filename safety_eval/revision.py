"""The revision of a detector: a short digest of everything that may change a score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

_LENGTH = 10
"""Hexadecimal digits: with a thousand revisions, two agree by chance once in two million fleets."""


def digest(packages: Sequence[str], parts: Mapping[str, object]) -> str:
    """Of the installed versions of packages, and of parts that JSON can write."""
    versions = {name: metadata.version(name) for name in packages}
    text = json.dumps([versions, parts], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def of_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
