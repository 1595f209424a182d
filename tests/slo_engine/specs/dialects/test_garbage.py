"""Whatever stands in a file of another tool: a problem or an SLO, never a crash; and what is converted is valid."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.yaml import Document, dump_text, load_text
from slo_engine.specs.converting import convert_files
from slo_engine.specs.openslo import read_set
from slo_engine.specs.validate import validate
from tests.slo_engine.specs.dialects import test_pyrra, test_slo_generator, test_sloth, test_v1alpha
from tests.slo_engine.specs.dialects.reading import read

TEXTS = (
    test_sloth._file(),
    test_sloth.WINDOWS,
    test_pyrra.HEAD + test_pyrra.RATIO,
    test_pyrra.HEAD + test_pyrra.LATENCY,
    test_slo_generator.TEXT,
    test_slo_generator.CUT,
    test_v1alpha.TEXT,
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**30),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.sampled_from(["{{.window}}", "sum(rate(a[{{.window}}]))", "((", "'", "99.9", "0d", "-"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, child in children for inner in _paths(child, (*path, key)))]


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = new
    return changed


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_value_at_any_place_is_read_or_refused(data: st.DataObject) -> None:
    document = load_text(data.draw(st.sampled_from(TEXTS)), "a.yaml")[0]
    path = data.draw(st.sampled_from(_paths(document.value)))
    changed = _with(document.value, path, data.draw(VALUES))
    found = read_set([Document("a.yaml", changed, document.lines)], [])
    for item in found.objects:
        if item.sound and item.origin:
            again = read_set(load_text(dump_text(item.node.value), "b.yaml"), [])
            assert again.catalogue.problems == ()


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_written_is_valid_and_means_the_same(text: str, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(text)
    found = convert_files([tmp_path / "in.yaml"], "30d")
    out = tmp_path / "out"
    out.mkdir()
    for document in found.documents:
        (out / f"{document.name}.yaml").write_text(document.text)
    if found.documents:
        assert validate([out]) == []
    for before in read(text).slos:
        (after,) = read_set(load_text((out / f"{before.name}.yaml").read_text(), "b.yaml"), []).catalogue.slos
        assert (after.indicator, after.objective_exact) == (before.indicator, before.objective_exact)
        assert (after.window_seconds, after.alerting) == (before.window_seconds, before.alerting)
