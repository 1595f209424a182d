"""Every schema of docs/schemas is a schema, and says of each key of an object whether there may be others."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import ValidationError

from tests.schemas import check, names, schema


@pytest.mark.parametrize("name", names())
def test_it_is_valid_has_a_title_and_refuses_what_is_not_there(name: str) -> None:
    found = schema(name)
    assert found["title"]
    with pytest.raises(ValidationError):
        check(name, {"not": "there"})


def test_an_error_names_the_place() -> None:
    value: Any = {"problems": [{"file": "a", "line": "1", "message": "x"}], "notes": []}
    with pytest.raises(ValidationError) as raised:
        check("slo-validate", value)
    assert raised.value.json_path == "$.problems[0].line"
