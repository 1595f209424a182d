"""Profiles as they lie in this folder."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from collector.profiles.model import Profile
from core import yaml


@cache
def profiles() -> tuple[Profile, ...]:
    """Every profile, in the order of its engine's name."""
    found = []
    for entry in sorted(files(__package__).iterdir(), key=lambda e: e.name.removesuffix(".yaml")):
        if entry.name.endswith(".yaml"):
            text = entry.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()[:12]
            found.append(Profile.model_validate({**yaml.load_text(text, entry.name)[0].value, "revision": digest}))
    return tuple(found)
