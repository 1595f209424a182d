"""Secrets: named in the settings, read when a notification is sent, never printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic_core import CoreSchema, core_schema

from core.errors import DeliveryRetryable

HIDDEN = "<secret>"


class Secret:
    """A text that only `read` gives away: from a file, from the environment, or literal where the settings allow it.

    It is read anew for each notification, so a rotated key works without a restart.
    """

    __slots__ = ("_env", "_file", "_literal")

    def __init__(self, literal: str | None = None, *, file: Path | None = None, env: str | None = None) -> None:
        self._literal = literal
        self._file = file
        self._env = env

    def read(self) -> str:
        """The secret; DeliveryRetryable while its file or variable is missing or empty: it may yet be put there."""
        value = self._value().strip()
        if not value:
            raise DeliveryRetryable(f"{self._origin()} is empty or missing: put the secret there")
        return value

    def _value(self) -> str:
        if self._literal is not None:
            return self._literal
        if self._file is None:
            return os.environ.get(self._env or "", "")
        try:
            return self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def _origin(self) -> str:
        return f"file {self._file}" if self._file is not None else f"environment variable {self._env}"

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        hidden = core_schema.plain_serializer_function_ser_schema(lambda _secret: HIDDEN)
        return core_schema.no_info_plain_validator_function(cls._from_settings, serialization=hidden)

    @classmethod
    def _from_settings(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and value.strip():
            return cls(value)
        raise ValueError("write a text that is not empty")


def exactly_one(**given: object) -> None:
    """ValueError, naming the alternatives, unless just one of them is set."""
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"write exactly one of {', '.join(given)}")
