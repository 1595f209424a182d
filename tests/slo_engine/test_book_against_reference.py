"""The engine's arrays against the slow reference: any buckets in any order, replaced, late, under any clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.buckets import TIERS
from core.matchers import parse_matchers
from core.measures import TARGET_TIME, Group, Measure, group_key
from slo_engine.book import KEEP, Book
from slo_engine.burn import Revision
from slo_engine.compile import Formula, compile_slo
from slo_engine.conditions import Level, State
from slo_engine.evaluate import policy_of, read_group, read_groups, stand
from slo_engine.evaluation import Evaluation, Measured
from slo_engine.forecast import exhausted_at
from slo_engine.specs.model import EventRatio, Latency, SignalMetric
from slo_engine.status import row
from storage import status_blocks
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey
from tests.slo_engine.reference_book import SlowBook, alarms, spent
from tests.slo_engine.test_book import an_slo

HOUR, DAY = 3600, 86_400
BEGIN = 1_767_571_200
BY = ("model",)
LAYERS = {"requests": "engine", "ttft": "engine"}
MODELS = ("a", "b", "c")
REQUESTS = SignalMetric("requests", by=BY)
BAD, GOOD = (SignalMetric("requests", parse_matchers(f'outcome="{which}"'), BY) for which in ("bad", "good"))
FORMULAS = tuple(
    compile_slo(an_slo(indicator), LAYERS)
    for indicator in (
        EventRatio(REQUESTS, bad=BAD),
        EventRatio(REQUESTS, good=GOOD),
        Latency(SignalMetric("ttft", by=BY), 0.5),
        Latency(SignalMetric("ttft", by=BY), 1.0),
    )
)
KINDS = (
    Measure("requests", "engine", (("outcome", "good"),)),
    Measure("requests", "engine", (("outcome", "bad"),)),
    Measure("ttft", "engine", (), (0.25, 1.0, 4.0)),
    *(Measure(TARGET_TIME, "engine", (("state", state),)) for state in ("expected", "covered", "spread")),
)
ATOMS = {
    1 + place: Atom(kind, (("model", model), ("version", version)))
    for place, (kind, model, version) in enumerate((k, m, v) for v in "12" for m in MODELS for k in KINDS)
}

counts = st.one_of(st.integers(1, 50), st.integers(1, 10**6), st.sampled_from([2**31 - 1, 2**31, 2**40]))
cells = st.dictionaries(
    st.sampled_from(sorted(ATOMS)).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, ATOMS[n].measure.cells - 1))),
    counts,
    max_size=12,
)
"""(series, cell) → n."""
keys = st.sampled_from(TIERS).flatmap(
    lambda tier: st.integers(-2, 4 * DAY // tier.width).map(lambda n: RowKey(tier.width, BEGIN + n * tier.width))
)
steps = st.lists(
    st.one_of(st.tuples(keys, cells), st.integers(-HOUR, 5 * DAY).map(lambda n: float(BEGIN + n))), max_size=25
)
"""A bucket's content, or a time to which the clock moves."""
revisions = st.lists(
    st.tuples(st.integers(-DAY, 4 * DAY), st.integers(1, 400)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[0] // 60,
).map(lambda found: [Revision(BEGIN + since, Fraction(budget, 1000)) for since, budget in sorted(found)])


def told(given_steps: Sequence[object], keep: Mapping[int, float]) -> tuple[Book, list[SlowBook]]:
    """Both memories after the same steps."""
    book, slow = Book(FORMULAS, keep), [SlowBook(formula, keep) for formula in FORMULAS]
    for step in given_steps:
        for one in (book, *slow):
            if isinstance(step, float):
                one.trim(step)
            else:
                key, content = step  # type: ignore[misc]  # the other kind of step
                one.apply(key, content, ATOMS)
    return book, slow


def each(book: Book, slow: Sequence[SlowBook]) -> list[tuple[int, SlowBook, Group]]:
    return [(index, one, group) for index, one in enumerate(slow) for group in book.accounts[index]]


@given(steps, st.integers(0, 5 * DAY // 60), st.sampled_from([60, 300, 1800, 2 * HOUR, 6 * HOUR, DAY, 30 * DAY]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_window_and_beginning_is_that_of_the_reference(steps: list[object], end: int, length: int) -> None:
    stop = BEGIN + end * 60
    for keep in (KEEP, {60: HOUR, 300: 8 * HOUR, HOUR: 2 * DAY}):
        book, slow = told(steps, keep)
        for index, one, group in each(book, slow):
            account = book.accounts[index][group]
            expected = one.window(group, stop - length, stop)
            assert account.window(stop - length, stop) == expected
            place = list(book.accounts[index]).index(group)
            assert tuple(book.windows(index, stop - length, stop)[place].tolist()) == expected
            assert account.window(stop - length, stop) == expected  # from what was summed for all
            assert account.since() == one.since(group)
        assert all(set(accounts) == one.groups for accounts, one in zip(book.accounts, slow, strict=True))


@given(steps, st.integers(0, 5 * DAY // 60), revisions)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_who_alarms_and_what_is_said_of_the_others_is_as_one_by_one(
    steps: list[object], end: int, revisions: list[Revision]
) -> None:
    stop = BEGIN + end * 60
    book, slow = told(steps, KEEP)
    for index, one in enumerate(slow):
        if not book.accounts[index]:
            continue
        evaluation = Evaluation(Measured(book, index), stop, revisions)
        found = evaluation._sheet.alarming(evaluation.policy.rows).tolist()
        expected = [alarms(one, group, stop, policy_of(one.formula), revisions) for group in evaluation.groups]
        assert found == expected
        _at_rest_or_looked_at(evaluation, found)
        _said_alike(evaluation, FORMULAS[index], stop, revisions)


def _at_rest_or_looked_at(evaluation: Evaluation, by_rate: list[bool]) -> None:
    """Who is not looked at has nothing to say: neither by its rates nor by the evidence of few events."""
    looked_at = evaluation.alarming(("page", "ticket")).tolist()
    assert all(one or not rate for one, rate in zip(looked_at, by_rate, strict=True))
    for place in np.flatnonzero(~np.array(looked_at, bool)).tolist():
        reading = evaluation.reading(place)
        assert not any(finding.bad for finding in reading.findings.values())
        for severity in ("page", "ticket"):
            assert stand(reading, evaluation.policy, severity).level in (Level.BELOW, Level.UNKNOWN)


def _said_alike(evaluation: Evaluation, formula: Formula, stop: int, revisions: list[Revision]) -> None:
    everybody = np.arange(len(evaluation.groups))
    said = dict(status_blocks.rows(status_blocks.encode(evaluation.at_rest(everybody))))
    whole = {
        one.group: one for one in read_groups(formula, evaluation.one.accounts, stop, policy_of(formula), revisions)
    }
    for place, (group, account) in enumerate(evaluation.one.accounts.items()):
        reading = read_group(formula, group, account, stop, policy_of(formula), revisions)
        assert evaluation.reading(place) == whole[group]
        told_alone = row(reading, State.OK) | {"exhausted_at": exhausted_at(reading, stop)}
        assert said[group_key(group)] == told_alone
        assert list(said[group_key(group)]) == list(told_alone)


@given(steps, st.integers(0, 5 * DAY // 60), revisions, st.sampled_from([300, DAY, 30 * DAY]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
def test_what_a_group_spent_is_that_of_the_reference(
    steps: list[object], end: int, revisions: list[Revision], length: int
) -> None:
    stop = BEGIN + end * 60
    book, slow = told(steps, KEEP)
    for index, one, group in each(book, slow):
        policy = policy_of(one.formula)
        reading = read_group(one.formula, group, book.accounts[index][group], stop, policy, revisions)
        found = reading.windows.get(length, reading.period)
        assert (found.counts, found.bad, found.allowed) == tuple(
            spent(one, group, length if length in reading.windows else 30 * DAY, stop, revisions)
        )
