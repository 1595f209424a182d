"""Every file of docs/schemas is a JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import ValidationError

from tests.schemas import check, names, schema


@pytest.mark.parametrize("name", names())
def test_it_is_a_schema_and_has_a_title(name: str) -> None:
    assert schema(name)["title"]


def test_an_error_names_the_place() -> None:
    value: Any = [{"file": "a", "line": "1", "message": "x"}]
    with pytest.raises(ValidationError) as raised:
        check("slo-validate", value)
    assert raised.value.json_path == "$[0].line"
