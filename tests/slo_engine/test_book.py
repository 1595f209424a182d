"""Windows of the book and what they spent, against naive sums over every minute."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from core.buckets import TIERS, start_of
from core.matchers import parse_matchers
from core.measures import TARGET_TIME, Measure
from slo_engine.book import Account, Book
from slo_engine.burn import Revision, spent
from slo_engine.compile import compile_slo
from slo_engine.specs.model import Alerting, EventRatio, Latency, Place, RateSlices, SignalMetric, Slo
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey

HOUR, DAY = 3600, 86_400
BEGIN = 1_767_571_200
TOTAL, BAD, EXPECTED = 1, 2, 3
METRIC = SignalMetric("requests", by=("model",))
GROUP = (("model", "m"),)
ATOMS = {
    TOTAL: Atom(Measure("requests", "engine", (("outcome", "good"),)), GROUP),
    BAD: Atom(Measure("requests", "engine", (("outcome", "bad"),)), GROUP),
    EXPECTED: Atom(Measure(TARGET_TIME, "engine", (("state", "expected"),)), GROUP),
}
FOREVER = {tier.width: 1e12 for tier in TIERS}


def an_slo(indicator: EventRatio | Latency | RateSlices) -> Slo:
    return Slo(
        name="x",
        group="x",
        service="s",
        description="",
        indicator=indicator,
        objective=0.99,
        objective_exact=Fraction(99, 100),
        threshold=None,
        op=None,
        window_seconds=30 * DAY,
        by=("model",),
        alerting=Alerting(),
        annotations={},
        source=Place("x", 0),
    )


RATIO = an_slo(EventRatio(METRIC, bad=SignalMetric("requests", parse_matchers('outcome="bad"'), ("model",))))
FORMULA = compile_slo(RATIO, {"requests": "engine"})

minutes = st.dictionaries(
    st.integers(0, 3 * 24 * 60).map(lambda n: BEGIN + n * 60),
    st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 60_000)),
    max_size=60,
)


def filled(ledger: dict[int, tuple[int, int, int]], keep: dict[int, float] = FOREVER) -> Book:
    """A book that was told every minute, and the wider buckets that they make together."""
    book = Book([FORMULA], keep)
    for tier in TIERS:
        sums: dict[int, dict[tuple[int, int], int]] = {}
        for minute, (good, bad, expected) in ledger.items():
            into = sums.setdefault(start_of(minute, tier.width), {})
            for series, n in ((TOTAL, good), (BAD, bad), (EXPECTED, expected)):
                into[series, 0] = into.get((series, 0), 0) + n
        for bucket, cells in sums.items():
            book.apply(RowKey(tier.width, bucket), cells, ATOMS)
    return book


def account_of(book: Book) -> Account:
    return book.accounts[0].get(GROUP, Account())


@given(minutes, st.integers(0, 3 * 24 * 60), st.integers(1, 3 * 24 * 60))
def test_a_window_is_the_sum_of_its_minutes_wherever_its_edges_are(
    ledger: dict[int, tuple[int, int, int]], length: int, end: int
) -> None:
    stop = BEGIN + end * 60
    start = stop - length * 60
    inside = [values for minute, values in ledger.items() if start <= minute < stop]
    counts = account_of(filled(ledger)).window(start, stop)
    assert counts.total == sum(good + bad for good, bad, _ in inside)
    assert counts.part == sum(bad for _, bad, _ in inside)
    assert counts.expected == sum(expected for _, _, expected in inside)


@given(minutes, st.integers(1, 3 * 24 * 60))
def test_a_forgetful_book_loses_at_most_the_beginning_of_the_bucket_in_which_a_window_begins(
    ledger: dict[int, tuple[int, int, int]], length: int
) -> None:
    stop = BEGIN + 3 * DAY + 60
    start = stop - length * 60
    keep = {60: 7 * HOUR, 300: 86_400, HOUR: 400 * DAY}
    book = filled(ledger, keep)
    book.trim(stop)
    age = stop - start
    width = 60 if age <= 6 * HOUR else 300 if age <= 82_800 else HOUR
    held = -(-start // width) * width
    counts = account_of(book).window(start, stop)
    assert counts.total == sum(g + b for minute, (g, b, _) in ledger.items() if held <= minute < stop)


@given(minutes, st.permutations(list(range(60))), st.integers(0, 59))
def test_buckets_may_come_in_any_order_and_again_with_other_content(
    ledger: dict[int, tuple[int, int, int]], order: list[int], again: int
) -> None:
    entries = list(ledger.items())
    shuffled = {entries[i][0]: entries[i][1] for i in order if i < len(entries)}
    book = filled(shuffled)
    if entries:
        minute, _ = entries[again % len(entries)]
        ledger[minute] = (7, 0, 0)
        book.apply(RowKey(60, minute), {(TOTAL, 0): 7}, ATOMS)
        assert account_of(book).strips[60].sum(minute, minute + 60)[1] == 7
    total = sum(g + b for g, b, _ in ledger.values())
    assert account_of(book).strips[60].sum(BEGIN, BEGIN + 4 * DAY)[1] == total


revisions_ = st.lists(
    st.tuples(st.integers(-600, 3 * DAY), st.integers(0, 50)),
    min_size=1,
    max_size=5,
    unique_by=lambda one: one[0] // 60,
)


@given(minutes, revisions_, st.integers(1, 3 * 24 * 60))
def test_what_is_allowed_is_the_sum_over_minutes_of_the_budget_in_force_then(
    ledger: dict[int, tuple[int, int, int]], changes: list[tuple[int, int]], length: int
) -> None:
    revisions = [Revision(BEGIN + since, Fraction(budget, 1000)) for since, budget in sorted(changes)]
    stop = BEGIN + 3 * DAY
    start = stop - length * 60
    allowed = Fraction(0)
    for minute, (good, bad, _) in ledger.items():
        in_force = [r for r in revisions if start_of(r.since, 60) <= minute] or revisions[:1]
        if start <= minute < stop:
            allowed += in_force[-1].budget * (good + bad)
    found = spent(FORMULA, account_of(filled(ledger)), length * 60, stop, revisions)
    assert found.allowed == allowed
    assert found.bad == sum(bad for minute, (_, bad, _) in ledger.items() if start <= minute < stop)
    assert found.remaining == (None if not allowed else float(1 - found.bad / allowed))


@given(minutes, revisions_)
def test_no_revision_changes_what_was_counted_however_little_is_still_held(
    ledger: dict[int, tuple[int, int, int]], changes: list[tuple[int, int]]
) -> None:
    revisions = [Revision(BEGIN + since, Fraction(budget, 1000)) for since, budget in sorted(changes)]
    stop = BEGIN + 3 * DAY + 60
    book = filled(ledger, {60: HOUR, 300: 4 * HOUR, HOUR: 400 * DAY})
    book.trim(stop)
    alone = spent(FORMULA, account_of(book), 30 * DAY, stop, revisions[:1])
    among = spent(FORMULA, account_of(book), 30 * DAY, stop, revisions)
    assert among.counts == alone.counts
    low, high = min(r.budget for r in revisions), max(r.budget for r in revisions)
    assert low * among.counts.total <= among.allowed <= high * among.counts.total


def test_of_two_revisions_at_one_time_the_later_is_in_force() -> None:
    book = filled({BEGIN + 600: (100, 0, 0)})
    revisions = [Revision(BEGIN, Fraction(1, 10)), Revision(BEGIN, Fraction(1, 100))]
    for length in (300, 600, 1200):
        assert spent(FORMULA, account_of(book), length, BEGIN + 660 + 60 * (length > 600), revisions).allowed == 1


def test_a_minute_whose_verdict_was_taken_back_counts_nothing() -> None:
    slices = compile_slo(an_slo(RateSlices(SignalMetric("generation_tokens", by=("model",)), "gte", 1.0)), {})
    name = "slices:generation_tokens{} gte 1/s by(model)"
    atoms = {1: Atom(Measure(name, "", (("verdict", "bad"),)), GROUP)}
    book = Book([slices])
    book.apply(RowKey(60, BEGIN), {(1, 0): 1}, atoms)
    assert account_of(book).window(BEGIN, BEGIN + 60).total == 1
    book.apply(RowKey(60, BEGIN), {}, atoms)
    assert account_of(book).window(BEGIN, BEGIN + 60).total == 0


def test_a_clock_that_was_wrong_by_years_does_not_fill_memory() -> None:
    book = Book([FORMULA])
    now = BEGIN + DAY
    book.trim(now)
    for bucket in (0, now - 60, now + 3650 * DAY):
        book.apply(RowKey(60, bucket), {(TOTAL, 0): 5}, ATOMS)
    account = book.accounts[0][GROUP]
    assert account.window(now - 60, now).total == 5
    assert account.since() == now - 60
