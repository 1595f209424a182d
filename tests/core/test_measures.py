from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.labels import make
from core.measures import Measure, group_from_key, group_key, project

labels = st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=6), max_size=4).map(make)
bounds = st.none() | st.lists(st.one_of(st.integers(-99, 99), st.floats(allow_nan=False)), unique=True, max_size=6).map(
    lambda b: tuple(sorted(b))
)
measures = st.builds(Measure, st.text(max_size=8), st.sampled_from(["", "engine"]), labels, bounds)


@given(measures)
def test_a_measure_is_what_its_key_says(measure: Measure) -> None:
    assert Measure.from_key(measure.key()) == measure
    assert Measure.from_key(measure.key()).key() == measure.key()


@given(measures, measures)
def test_equal_measures_have_equal_keys_and_others_have_not(left: Measure, right: Measure) -> None:
    assert (left == right) == (left.key() == right.key())


def test_whole_and_fractional_spellings_of_a_bound_are_one() -> None:
    assert Measure("x", bounds=(1, 2)).key() == Measure("x", bounds=(1.0, 2.0)).key()


def test_a_histogram_has_one_cell_more_than_bounds_and_a_counter_one() -> None:
    assert [Measure("x", bounds=b).cells for b in (None, (), (1.0, 2.0))] == [1, 1, 3]


@given(labels)
def test_a_group_is_what_its_key_says(group: tuple[tuple[str, str], ...]) -> None:
    assert group_from_key(group_key(group)) == group
    assert group_key(dict(reversed(group))) == group_key(group)


def test_a_projection_keeps_only_its_dimensions() -> None:
    group = (("model", "m"), ("region", "eu"), ("version", "1"))
    assert project(group, ("region", "tenant")) == (("region", "eu"),)
    assert project(group, ()) == ()
