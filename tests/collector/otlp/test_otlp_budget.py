from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import log2, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.otlp.budget import Budget, Budgets
from collector.otlp.prepare import Prepared
from collector.otlp.sampling import Sampler
from collector.settings import CollectorSettings, OtlpSettings, Stratum
from core.statistics.quality import estimate
from storage import generations, samples
from storage.quality import stratum_of
from tests.collector.otlp.told import NOW, call, ledger, new_database, preparer, request, span, totals

HOUR = 3600.0
FLAGGED = Stratum(name="flagged", match='outcome="bad"', always=True)
BUDGETED = (FLAGGED, Stratum(name="default", budget=60))


def hour_of(budget: Budget, flow: float, begin: float, rng: random.Random) -> int:
    """An hour in which `flow` generations come, evenly; how many are drawn."""
    drawn = 0
    for n in range(round(flow)):
        now = begin + n * HOUR / flow
        budget.settle(now)
        drawn += rng.random() < 1 / 2**budget.step
        budget.note(now)
    return drawn


@pytest.mark.parametrize("flow", [30.0, 100.0, 1000.0, 30_000.0])
def test_a_steady_flow_uses_the_budget_and_does_not_pass_it(flow: float) -> None:
    budget, rng = Budget(100.0, 0.0), random.Random(1)
    hour_of(budget, flow, 0.0, rng)
    drawn = fmean(hour_of(budget, flow, hour * HOUR, rng) for hour in range(1, 5))
    assert min(flow, 100.0) * 0.35 <= drawn <= 100.0 * 1.2


def test_a_rare_stratum_is_drawn_whole() -> None:
    budget = Budget(100.0, 0.0)
    assert hour_of(budget, 50, 0.0, random.Random(1)) == 50
    assert budget.step == 0


def test_a_flood_at_the_start_draws_a_few_hundred() -> None:
    budget, rng = Budget(100.0, 0.0), random.Random(1)
    assert hour_of(budget, 500_000, 0.0, rng) < 600


def test_a_flow_that_grows_a_thousandfold_is_cut_within_its_first_minute() -> None:
    budget, rng = Budget(600.0, 0.0), random.Random(1)
    for hour in range(3):
        hour_of(budget, 500, hour * HOUR, rng)
    assert budget.step == 0
    assert hour_of(budget, 500_000, 3 * HOUR, rng) < 1500


@given(st.lists(st.floats(0, 1e5), max_size=200), st.floats(0.1, 1e5))
def test_the_step_stays_on_the_ladder_whatever_comes(pauses: list[float], hourly: float) -> None:
    budget, now = Budget(hourly, 0.0), 0.0
    for pause in pauses:
        now += pause
        budget.settle(now)
        budget.note(now)
        assert 0 <= budget.step <= 20


def test_each_value_has_its_budget_and_beyond_the_cap_they_share_one() -> None:
    budgets = Budgets(60.0, 2)
    a, b, c, d = (budgets.of((name,), 0.0) for name in "abcd")
    assert len({id(one) for one in (a, b, c)}) == 3
    assert c is d
    assert budgets.of(("a",), 10.0) is a
    b.note(HOUR)
    budgets.settle(HOUR + 60)  # "a" was not seen for an hour
    assert budgets.of(("c",), HOUR + 60) is not c
    assert budgets.of(("b",), HOUR + 60) is b


def test_the_probability_tells_nothing_of_which_traces_are_drawn() -> None:
    """Every trace has many calls: what the first of them decides must not move the probability of the others."""
    traces = [random.Random(n).randbytes(16).hex() for n in range(50)]
    names = []
    for key in range(5):
        sampler = Sampler((Stratum(name="default", budget=60),), bytes([key] * 32))
        names.append([sampler.draw(trace, {}).stratum for trace in traces for _ in range(20)])
    assert names[1:] == names[:-1]
    assert len(set(names[0])) > 3


class Made(NamedTuple):
    """A generation of the simulation."""

    at: float
    trace: str
    labels: dict[str, str]
    flagged: bool


def day(rng: random.Random) -> Iterator[Made]:
    """Six hours whose flow and whose share of bad answers rise together, with a canary of 1 % that is worse."""
    for minute in range(6 * 60):
        busy = minute // 90 % 2
        for n in range(rng.randrange(20, 40) if busy else rng.randrange(1, 4)):
            version = "canary" if rng.random() < 0.01 else "stable"
            failed = rng.random() < 0.03
            rate = 0.6 if failed else 0.4 if version == "canary" else 0.2 if busy else 0.02
            labels = {"version": version, "outcome": "bad" if failed else "good"}
            yield Made(minute * 60.0 + n, rng.randbytes(16).hex(), labels, rng.random() < rate)


def simulate(seed: int) -> tuple[float, float, bool, int]:
    """(error of the weighted rate, error of the plain rate of what was drawn, whether the interval holds the truth,
    strata)."""
    rng = random.Random(seed)
    strata = (FLAGGED, Stratum(name="default", budget=120, by=("version",)))
    sampler = Sampler(strata, rng.randbytes(32))
    made, drawn, flagged = Counter[str](), Counter[str](), Counter[str]()
    of: dict[str, set[float]] = defaultdict(set)
    truth = n = 0
    for one in day(rng):
        sampler.settle(one.at)
        found = sampler.draw(one.trace, one.labels)
        of[found.stratum].add(found.probability)
        made[found.stratum] += 1
        drawn[found.stratum] += found.drawn
        flagged[found.stratum] += found.drawn and one.flagged
        truth, n = truth + one.flagged, n + 1
    assert all(len(probabilities) == 1 for probabilities in of.values())
    said = estimate([stratum_of(made[s], drawn[s], flagged[s], drawn[s], 0) for s in made])
    assert said.rate is not None
    assert said.low is not None
    assert said.high is not None
    plain = flagged.total() / drawn.total()
    return said.rate - truth / n, plain - truth / n, said.low <= truth / n <= said.high, len(made)


def test_the_weighted_rate_has_no_bias_and_its_interval_holds_the_truth_while_the_probability_varies() -> None:
    runs = [simulate(seed) for seed in range(60)]
    errors, plain = [one[0] for one in runs], [one[1] for one in runs]
    assert abs(fmean(errors)) < 3 * stdev(errors) / sqrt(len(runs))
    assert abs(fmean(plain)) > 10 * stdev(plain) / sqrt(len(runs))  # what would be said without the strata
    assert sum(not one[2] for one in runs) <= 6
    assert all(one[3] >= 4 for one in runs)


def test_sample_and_ledger_carry_the_probability_of_the_draw(tmp_path: Path) -> None:
    database = new_database(tmp_path)
    reader = preparer(strata=BUDGETED)
    told = [call(1, trace=trace, failed=trace % 10 == 0) for trace in range(1, 401)]
    book = ledger(database)
    for at in range(0, 400, 20):
        book.commit([reader.prepare(request(*told[at : at + 20]), NOW, 0.0)], NOW)
    found = generations.recent(database, 0.0, limit=1000)
    of = {(one.stratum, one.probability) for one in found}
    assert ("flagged", 1.0) in of
    assert {stratum for stratum, _ in of} > {"flagged", "default@1", "default@1/2"}
    assert all(log2(p).is_integer() and s.endswith(f"@1/{round(1 / p)}") for s, p in of if p < 1)
    counted = totals(database)
    for stratum, _ in of:
        own = [one for one in found if one.stratum == stratum]
        sums = [n for name, n in counted.items() if name.startswith("gen") and name.endswith(f"stratum={stratum}")]
        assert sum(sums) == len(own)
        assert counted.get(f"drawn stratum={stratum}", 0) == sum(one.sampled for one in own)
    waiting = {(one.trace_id, one.probability) for one in samples.lease(database, "test", NOW, 0.0, 1000)}
    assert waiting == {(one.trace_id, one.probability) for one in found if one.sampled}


def _prepared(*spans: Any, strata: Sequence[Stratum]) -> Prepared:
    return preparer(strata=strata).prepare(request(*spans), NOW, 0.0)


def test_the_spans_of_a_trace_that_is_always_drawn_are_kept_wherever_they_stand_in_the_request() -> None:
    strata = (FLAGGED, Stratum(name="default", probability=0.0))
    found = _prepared(
        span(1, trace=1),
        span(2, trace=2),
        call(3, trace=1, failed=True),
        call(4, trace=2),
        span(5, trace=1),
        strata=strata,
    )
    assert {(one.trace_id[-1], one.span_id[-1]) for one in found.spans} == {("1", "1"), ("1", "3"), ("1", "5")}
    assert [(one.generation.sampled, one.generation.stratum) for one in found.calls] == [
        (True, "flagged"),
        (False, "default"),
    ]


def test_spans_that_come_after_their_call_are_kept() -> None:
    reader = preparer(strata=(FLAGGED, Stratum(name="default", probability=0.0)))
    reader.prepare(request(call(1, trace=1, failed=True)), NOW, 0.0)
    later = reader.prepare(request(span(2, trace=1), span(3, trace=2)), NOW, 0.0)
    assert [one.span_id[-1] for one in later.spans] == ["2"]


@pytest.mark.parametrize(
    ("told", "stratum"),
    [
        ({"user.flagged": True}, "risky"),
        ({"user.flagged": False}, "default"),
        ({"gen_ai.response.finish_reasons": ["length"]}, "cut"),
        ({"gen_ai.response.finish_reasons": ["stop"]}, "default"),
    ],
)
def test_strata_match_finish_reasons_and_labels_of_the_settings(told: dict[str, Any], stratum: str) -> None:
    strata = (
        Stratum(name="risky", match='flagged="true"', always=True),
        Stratum(name="cut", match='finish_reason="length"', always=True),
        Stratum(name="default", probability=0.1),
    )
    reader = preparer(strata=strata, stratum_labels={"flagged": ("user.flagged",)})
    (found,) = reader.prepare(request(call(told=told)), NOW, 0.0).calls
    assert found.generation.stratum == stratum


@pytest.mark.parametrize(
    "stratum",
    [
        {},
        {"probability": 0.1, "budget": 10},
        {"budget": 10, "always": True},
        {"probability": 0.1, "by": ["model"]},
        {"budget": 0},
        {"budget": 10, "most": 0},
        {"name": "a@1/2", "probability": 0.1},
    ],
)
def test_rules_that_say_two_things_or_none_are_refused(stratum: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OtlpSettings(strata=({"name": "first", **stratum}, {"name": "default", "probability": 0.5}))  # type: ignore[arg-type]


def test_by_names_labels_that_generations_have() -> None:
    def settings(by: str) -> CollectorSettings:
        default = Stratum(name="default", budget=10, by=(by,))
        return CollectorSettings(otlp=OtlpSettings(strata=(default,), stratum_labels={"risk": ("app.risk",)}))

    assert [settings(by).otlp.strata[0].by for by in ("tenant", "outcome", "risk")] == [
        ("tenant",),
        ("outcome",),
        ("risk",),
    ]
    with pytest.raises(ValidationError, match="modle"):
        settings("modle")
