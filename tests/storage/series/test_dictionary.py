from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core import labels
from core.matchers import Matcher, Selector
from storage.series import dictionary

NAMES = st.sampled_from(["__name__", "a", "b", "Upper"])
VALUES = st.sampled_from(["", "x", "y", "xy", "z\n", "ü", "\ud800"])
SERIES = st.dictionaries(NAMES, VALUES).map(labels.make)
PATTERNS = st.sampled_from(["", "x", "x.*", ".+", ".*", "y|z", "x|"])
MATCHERS = st.one_of(
    st.builds(Matcher, NAMES, st.sampled_from(["=", "!="]), st.sampled_from(["", "x", "ü"])),
    st.builds(Matcher, NAMES, st.sampled_from(["=~", "!~"]), PATTERNS),
)
SOUND = SERIES.filter(lambda one: all(value != "\ud800" for _, value in one))


@given(st.lists(SERIES, max_size=8))
def test_columns_give_every_label_set_back(series):
    found = dictionary.from_columns(dictionary.to_columns(dictionary.build(series)))
    assert [found.labels(number) for number in range(len(found))] == series


@given(st.lists(SOUND, max_size=8), st.sampled_from(["", "x", "xy"]), st.lists(MATCHERS, max_size=3))
def test_the_search_agrees_with_testing_each_series(series, metric, matchers):
    selector = Selector(metric, tuple(matchers))
    expected = [
        number
        for number, one in enumerate(series)
        if selector.matches(dictionary.metric_of(one), {key: value for key, value in one if key != "__name__"})
    ]
    assert dictionary.build(series).find(selector).tolist() == expected


def test_label_values_are_those_of_all_series():
    built = dictionary.build([labels.make({"a": "x", "b": "1"}), labels.make({"a": "y"}), labels.make({"b": "2"})])
    assert built.label_values("a") == {"x", "y"}
    assert built.label_values("none") == set()
