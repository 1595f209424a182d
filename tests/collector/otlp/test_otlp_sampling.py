from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binomtest

from collector.otlp.sampling import Sampler
from collector.settings import OtlpSettings, Stratum
from tests.collector.otlp.told import KEY

STRATA = (
    Stratum(name="failed", match='outcome="bad"', probability=1.0),
    Stratum(name="eu", match='region=~"eu|de", tenant!="none"', probability=0.2),
    Stratum(name="default", probability=0.05),
)
TRACES = [random.Random(n).randbytes(16).hex() for n in range(20_000)]
ids = st.binary(min_size=16, max_size=16).map(bytes.hex)


@pytest.mark.parametrize(
    ("labels", "stratum"),
    [
        ({"outcome": "bad", "region": "eu"}, "failed"),
        ({"outcome": "good", "region": "de"}, "eu"),
        ({"outcome": "good", "region": "de", "tenant": "none"}, "default"),
        ({}, "default"),
    ],
)
def test_the_first_stratum_that_fits_decides(labels: dict[str, str], stratum: str) -> None:
    assert Sampler(STRATA, KEY).draw("0" * 32, labels).stratum == stratum


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.2, 0.5, 1.0])
def test_the_share_that_is_drawn_is_the_probability(probability: float) -> None:
    sampler = Sampler((Stratum(name="default", probability=probability),), KEY)
    drawn = sum(sampler.draw(trace, {}).drawn for trace in TRACES)
    assert binomtest(drawn, len(TRACES), probability).pvalue > 1e-4


def test_the_choice_is_independent_of_samplers_that_look_at_the_id() -> None:
    sampler = Sampler((Stratum(name="default", probability=0.5),), KEY)
    kept = [trace for trace in TRACES if int(trace[16:], 16) < 2**64 // 4]  # what TraceIdRatioBased(0.25) keeps
    drawn = sum(sampler.draw(trace, {}).drawn for trace in kept)
    assert binomtest(drawn, len(kept), 0.5).pvalue > 1e-4


def test_another_key_draws_others() -> None:
    one, other = (Sampler((Stratum(name="default", probability=0.5),), key) for key in (KEY, bytes(32)))
    both = sum(one.draw(trace, {}).drawn and other.draw(trace, {}).drawn for trace in TRACES)
    assert 4500 < both < 5500


@given(ids, st.floats(0, 1), st.floats(0, 1))
def test_what_a_small_probability_draws_a_larger_one_draws_too(trace: str, one: float, other: float) -> None:
    small, large = (
        Sampler((Stratum(name="default", probability=p),), KEY).draw(trace, {}).drawn for p in sorted((one, other))
    )
    assert small <= large


@given(ids, st.sampled_from([{}, {"outcome": "bad"}, {"region": "eu"}]))
def test_the_trace_of_every_drawn_generation_is_kept(trace: str, labels: dict[str, str]) -> None:
    sampler = Sampler(STRATA, KEY)
    assert sampler.draw(trace, labels).drawn <= sampler.keeps(trace)


def test_the_trace_of_nothing_that_could_be_drawn_is_not_kept() -> None:
    sampler = Sampler((Stratum(name="default", probability=0.1),), KEY)
    assert sum(map(sampler.keeps, TRACES)) == sum(sampler.draw(trace, {}).drawn for trace in TRACES) < len(TRACES) / 5


@pytest.mark.parametrize(
    "strata",
    [
        (),
        ({"name": "other", "probability": 0.5},),
        ({"name": "default", "match": 'model="m"', "probability": 0.5},),
        ({"name": "default", "probability": 0.1}, {"name": "default", "probability": 0.5}),
        ({"name": "default", "probability": 1.5},),
        ({"name": "a", "match": "model=", "probability": 0.5}, {"name": "default", "probability": 0.5}),
    ],
)
def test_strata_that_cannot_be_right_are_refused(strata: Any) -> None:
    with pytest.raises(ValidationError):
        OtlpSettings(strata=strata)
