"""The JSON outputs of commands against their schemas in docs/schemas/."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def names() -> list[str]:
    """Every schema, by its file's name without the ending."""
    return sorted(path.stem for path in SCHEMAS.glob("*.json"))


def schema(name: str) -> dict[str, Any]:
    """A schema that is itself valid."""
    return dict(_validator(name).schema)


def check(name: str, document: Any) -> None:
    """ValidationError unless the document is what docs/schemas/NAME.json says."""
    _validator(name).validate(document)


@cache
def _validator(name: str) -> Draft202012Validator:
    value: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(value)
    return Draft202012Validator(value)
