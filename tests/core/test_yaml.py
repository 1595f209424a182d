from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import yaml
from core.errors import ConfigError, Place

TEXT = """\
# a comment
kind: SLO
spec:
  objectives:
    - target: 0.99
      displayName: first
    - target: 0.999
---
kind: Service
"""


def load(text: str) -> object:
    return yaml.load_text(text, "f.yaml")[0].value


def test_every_document_knows_the_lines_of_its_keys_and_items() -> None:
    slo, service = yaml.load_text(TEXT, "f.yaml")
    assert slo.value["spec"]["objectives"][1] == {"target": 0.999}
    assert slo.place(("spec", "objectives", 1)) == Place("f.yaml", 7)
    assert slo.place(("spec", "objectives", 0, "displayName")) == Place("f.yaml", 6)
    assert str(service.place(("kind",))) == "f.yaml:9"


def test_a_path_that_is_absent_stands_where_its_nearest_parent_does() -> None:
    slo = yaml.load_text(TEXT, "f.yaml")[0]
    assert slo.place(("spec", "objectives", 0, "target", "x", 3)).line == 5
    assert slo.place(("metadata", "name")).line == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2022-01-01 12:00:00", {"a": "2022-01-01 12:00:00"}),
        ("a: 0o17", {"a": 15}),
        ("a: 017", {"a": 17}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1_000", {"a": 1000}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: yes", {"a": "yes"}),
        ("a: True", {"a": True}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: '1'", {"a": "1"}),
        ("1: x", {"1": "x"}),
        ("a: -.INF", {"a": -math.inf}),
        ("a: .Inf", {"a": math.inf}),
        ("a: 0b11", {"a": "0b11"}),
        ("a: 0x0b11", {"a": 0x0B11}),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
        ("base: &x {a: 1}\nother: *x", {"base": {"a": 1}, "other": {"a": 1}}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert load(text) == value


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_every_spelling_of_nan_is_nan(text: str) -> None:
    found = load(f"a: {text}")
    assert isinstance(found, dict)
    assert math.isnan(found["a"])


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "twice"),
        ("a: 1\nb: [1, 2", 2, "not valid YAML"),
        ("a: 1\n\tb: 2", 2, "not valid YAML"),
        ("a: &x [*x]", 1, "not valid YAML"),
        ("a: !!int one", 1, "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        yaml.load_text(text, "f.yaml")
    assert error.value.place is not None
    assert error.value.place.file == "f.yaml"
    assert error.value.place.line in (line, line + 1)


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    for name in ("absent.yaml", "latin.yaml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            yaml.load_file(tmp_path / name)


def test_a_file_without_documents_has_none() -> None:
    assert yaml.load_text("", "f.yaml") == []
    assert yaml.load_text("# only a comment\n", "f.yaml") == []


@given(st.text(alphabet="ab:-_0123xob.e+ \n'\"[]{}&*!#~", max_size=30))
def test_any_text_is_read_or_refused_with_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        yaml.load_text(text, "f.yaml")
