"""The JSON outputs of commands against their schemas in docs/schemas/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def check(name: str, document: Any) -> None:
    """ValidationError unless the document is what docs/schemas/NAME.json says."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
