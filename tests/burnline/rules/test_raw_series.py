"""Signals as raw series: a matcher takes exactly the events that the collector counts."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnline.raw_series import signals_of_engines
from collector.profiles.load import profiles
from collector.profiles.model import Part, Profile
from core.errors import ConfigError
from core.matchers import Matcher, matches_all, parse_matchers
from core.signals import OUTCOMES
from slo_engine.rules import Inexpressible
from slo_engine.specs.model import SignalMetric

WANTED = [set(some) for some in chain.from_iterable(combinations(OUTCOMES, n) for n in (1, 2, 3))]
ENGINES = {profile.engine: profile for profile in profiles()}
TOLD_APART = [
    (profile, part)
    for profile in profiles()
    for part in profile.signals.get("requests", ())
    if part.label and not part.outcome
]


def outcomes(wanted: set[str]) -> tuple[Matcher, ...]:
    return (Matcher("outcome", "=~", "|".join(sorted(wanted))),)


def likely(part: Part) -> st.SearchStrategy[str]:
    """Values of the label: those that are named, those that begin like a pattern, and others."""
    listed = [*part.good, *part.bad, *part.excluded]
    begun = st.builds(lambda a, b: a.rstrip("*") + b, st.sampled_from(listed), st.text("0123456789ab*", max_size=3))
    return st.one_of(st.sampled_from(listed).map(lambda v: v.rstrip("*")), begun, st.text(max_size=5))


@pytest.mark.parametrize(("profile", "part"), TOLD_APART, ids=[profile.engine for profile, _ in TOLD_APART])
@given(data=st.data())
def test_outcomes_are_told_apart_as_the_collector_does(profile: Profile, part: Part, data: st.DataObject) -> None:
    value, wanted = data.draw(likely(part)), data.draw(st.sampled_from(WANTED))
    labels = {part.label: value} | {name: values[0] for name, values in part.where.items() if name != part.label}
    if not profile.fits(part, labels):
        return
    try:
        series = signals_of_engines([profile.engine]).series_of(SignalMetric("requests", outcomes(wanted)))
    except Inexpressible:
        series = ()
    names = {*part.raw, *(profile.prefixes[0] + name for name in part.names)}
    taken = any(set(one.names) == names and matches_all(one.matchers, labels) for one in series)
    assert taken == (part.outcome_of(value) in wanted)


def test_what_is_excluded_is_in_no_total() -> None:
    series = signals_of_engines(["vllm"]).series_of(SignalMetric("requests"))
    finished = next(one for one in series if one.names == ("vllm:request_success_total",))
    for reason, counted in (("stop", True), ("error", True), ("abort", False), ("new", False)):
        assert matches_all(finished.matchers, {"finished_reason": reason}) is counted


def test_an_alias_is_its_part_of_the_signal() -> None:
    (series,) = signals_of_engines(["vllm"]).series_of(SignalMetric("truncated"))
    assert matches_all(series.matchers, {"finished_reason": "length"})
    assert not matches_all(series.matchers, {"finished_reason": "stop"})


def test_status_codes_are_taken_by_class() -> None:
    where = parse_matchers('code=~"5xx|4xx"')
    (series,) = signals_of_engines(["litellm"]).series_of(SignalMetric("http_responses", where))
    for code, counted in (("503", True), ("404", True), ("5xx", True), ("200", False), ("5000", False)):
        assert matches_all(series.matchers, {"status_code": code}) is counted


def test_of_several_engines_the_outermost_layer_is_read_and_a_named_one_if_the_slo_says_so() -> None:
    signals = signals_of_engines(["vllm", "litellm"])
    assert all(one.names[0].startswith("litellm_") for one in signals.series_of(SignalMetric("requests")))
    inside = signals.series_of(SignalMetric("requests", layer="engine"))
    assert all(one.names[0].startswith("vllm:") for one in inside)


@pytest.mark.parametrize(
    ("engines", "metric", "reason"),
    [
        ((), SignalMetric("ttft"), "--engine"),
        (("vllm",), SignalMetric("retries"), "a gateway counts retries"),
        (("vllm",), SignalMetric("goodput"), "traces"),
        (("vllm",), SignalMetric("http_responses", by=("model",)), "carries no model"),
        (("dcgm",), SignalMetric("gpu_utilisation", by=("model",)), "pod"),
        (("litellm",), SignalMetric("requests", parse_matchers('model="m"')), "no matcher"),
        (("vllm",), SignalMetric("requests", parse_matchers('reason="none"'), layer="gateway"), "layer gateway"),
    ],
)
def test_what_no_raw_series_tells_is_refused_with_the_reason(
    engines: tuple[str, ...], metric: SignalMetric, reason: str
) -> None:
    with pytest.raises(Inexpressible, match=reason):
        signals_of_engines(engines).series_of(metric)


def test_an_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"vlm.*only .*vllm.*did you mean 'vllm'"):
        signals_of_engines(["vlm"])
