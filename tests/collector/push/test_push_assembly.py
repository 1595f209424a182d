"""When a page is whole, and what becomes of one that never is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from collector.promql.pages import Address
from collector.push.assembly import Assembly, Part, Verdict
from collector.push.catalog import PushedSeries

ADDRESS = Address("a:1", "vllm")
SETTLE = 10.0
OPEN_AT_MOST = 300
TOLD = "scrape_samples_post_metric_relabeling"


class Target:
    """What comes of one target; values by the series' names, None is a stale marker."""

    def __init__(self) -> None:
        self.assembly = Assembly(SETTLE)
        self.series: dict[str, PushedSeries] = {}
        self.requests = 0

    def one(self, name: str) -> PushedSeries:
        metric = name.partition("{")[0]
        own = (("__name__", metric), ("instance", "a:1"), ("job", "vllm"), ("own", name))
        labels = own[:3] if metric == name else own
        return self.series.setdefault(name, PushedSeries(metric, labels, ADDRESS, len(self.series)))

    def push(self, time: int, now: float, values: Mapping[str, float | None]) -> None:
        self.requests += 1
        parts = [Part(self.one(name), time * 1000, value) for name, value in values.items()]
        self.assembly.add(self.requests, parts, now)

    def ready(self, now: float) -> list[tuple[int, Verdict, set[str]]]:
        names = {one: name for name, one in self.series.items()}
        return [
            (page.time // 1000, page.verdict, {names[s] for s, v in page.values.items() if v is not None})
            for page in self.assembly.ready(now)
        ]


@pytest.fixture
def target() -> Target:
    return Target()


def told(n: int) -> dict[str, float | None]:
    return {"up": 1.0, TOLD: float(n)}


def test_a_page_waits_for_as_many_samples_as_the_sender_tells_of(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, TOLD: 2.0})
    target.push(15, 15.0, {"b": 1.0})
    assert target.ready(16.0) == []  # nobody knows yet whether it is up
    target.push(15, 16.0, {"up": 1.0})
    assert target.ready(16.0) == [(15, Verdict.WHOLE, {"a", "b", "up", TOLD})]


def test_pages_are_settled_in_the_order_of_their_times(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, **told(2)})
    target.push(30, 30.0, {"a": 2.0, "b": 2.0, **told(2)})
    target.push(15, 24.0, {"b": 1.0})
    assert [time for time, *_ in target.ready(30.0)] == [15, 30]


def test_a_failed_scrape_waits_for_nothing(target: Target) -> None:
    target.push(15, 15.0, {"up": 0.0})
    assert [verdict for _, verdict, _ in target.ready(15.0)] == [Verdict.FAILED]


def test_without_a_number_the_series_of_the_page_before_are_waited_for(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, "b": 1.0})
    assert target.ready(24.0) == []
    assert target.ready(25.0) == [(15, Verdict.INCOMPLETE, {"a", "b"})]  # it may have more: it only teaches
    target.push(30, 30.0, {"a": 1.0})
    assert target.ready(31.0) == []
    target.push(30, 31.0, {"b": 1.0})
    assert target.ready(31.0) == [(30, Verdict.WHOLE, {"a", "b"})]
    target.push(45, 45.0, {"a": 1.0, "b": None})
    assert target.ready(45.0) == [(45, Verdict.WHOLE, {"a"})]


def test_a_series_that_is_new_counts_from_the_next_page_on_where_nobody_tells_how_many_there_are(
    target: Target,
) -> None:
    target.push(15, 15.0, {"a": 1.0})
    target.ready(25.0)
    target.push(30, 30.0, {"a": 1.0, "h{le=1}": 1.0})  # more of the histogram may come
    assert target.ready(31.0) == []
    assert target.ready(40.0) == [(30, Verdict.KNOWN, {"a"})]
    target.push(30, 41.0, {"h{le=2}": 1.0})  # too late, and yet it is known from now on
    target.push(45, 45.0, {"a": 1.0, "h{le=1}": 1.0})
    assert target.ready(46.0) == []
    target.push(45, 46.0, {"h{le=2}": 1.0})
    assert target.ready(46.0) == [(45, Verdict.WHOLE, {"a", "h{le=1}", "h{le=2}"})]


def test_where_the_sender_leaves_series_out_the_number_is_not_waited_for_again(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, **told(5)})
    assert target.ready(24.0) == []
    assert [verdict for _, verdict, _ in target.ready(25.0)] == [Verdict.INCOMPLETE]
    target.push(30, 30.0, {"a": 1.0, **told(5)})
    assert [verdict for _, verdict, _ in target.ready(30.0)] == [Verdict.WHOLE]


def test_a_page_that_lacks_something_is_left_out_and_the_next_one_has_less(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, "b": 1.0, **told(2)})
    target.ready(15.0)
    target.push(30, 30.0, {"a": 1.0, **told(2)})
    assert [verdict for _, verdict, _ in target.ready(40.0)] == [Verdict.INCOMPLETE]
    target.push(45, 45.0, {"a": 1.0, **told(2)})
    assert [verdict for _, verdict, _ in target.ready(45.0)] == [Verdict.WHOLE]


def test_as_long_as_a_queue_that_is_behind_goes_on_its_pages_wait(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, "b": 1.0, **told(2)})
    target.ready(15.0)
    for time in (30, 45, 60):
        target.push(time, float(time), {"a": 1.0, **told(2)})
    target.push(15, 69.0, {"b": 1.0})  # sent again
    assert target.ready(70.0) == []
    for time in (30, 45, 60):
        target.push(time, 70.0 + time / 10, {"b": 1.0})
    assert [time for time, *_ in target.ready(80.0)] == [30, 45, 60]


def test_no_page_stays_open_for_ever(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, "b": 1.0, **told(2)})
    target.ready(15.0)
    target.push(30, 30.0, {"a": 1.0, **told(2)})
    for now in range(30, 30 + OPEN_AT_MOST, 5):
        target.push(15, float(now), {"b": 1.0})
        assert target.ready(float(now)) == []
    assert [time for time, *_ in target.ready(30.0 + OPEN_AT_MOST)] == [30]
    assert target.assembly.samples == 0


def test_samples_with_the_time_of_no_scrape_are_strays_and_teach_nothing(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, **told(1)})
    target.ready(15.0)
    target.push(17, 17.0, {"z": 1.0})
    assert [verdict for _, verdict, _ in target.ready(27.0)] == [Verdict.STRAY]
    target.push(30, 30.0, {"a": 1.0, **told(1)})
    assert [verdict for _, verdict, _ in target.ready(30.0)] == [Verdict.WHOLE]


def test_a_stale_up_ends_the_target(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0, **told(1)})
    target.ready(15.0)
    target.push(31, 45.0, {"up": None})
    assert [verdict for _, verdict, _ in target.ready(45.0)] == [Verdict.ENDED]
    target.push(31, 46.0, {"a": None})
    target.push(60, 60.0, {"a": 1.0, **told(1)})
    assert [verdict for _, verdict, _ in target.ready(60.0)] == [Verdict.WHOLE]


def test_requests_are_done_when_no_page_of_theirs_is_open(target: Target) -> None:
    target.push(15, 15.0, {"a": 1.0})
    target.push(15, 15.0, told(2))
    target.push(30, 30.0, {"a": 2.0})
    assert target.assembly.take_done() == set()
    target.push(15, 31.0, {"b": 1.0})
    target.ready(31.0)
    assert target.assembly.take_done() == {1, 2, 4}
    target.push(15, 32.0, {"a": 1.0})  # sent again
    assert target.assembly.take_done() == {5}
    assert target.assembly.samples == 1
