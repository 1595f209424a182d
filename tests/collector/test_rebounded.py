"""A histogram that goes on with other bounds loses nothing and counts nothing twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import sub
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.counting import SourceCounter
from collector.exposition import PageReader
from collector.rebounded import carried, rebounded
from collector.target import Counting, TargetReader
from core.histogram import Bounds
from core.labels import make
from storage.ledger.rows import Checkpoint
from storage.plan import MeasurePlan
from tests.collector.exposition.protobuf.made import COUNTER, GAUGE, HISTOGRAM, MEDIA, classic, family, native, page

START = 1_800_000_000.0
TTFT = "vllm:time_to_first_token_seconds"
FAST, SLOW = [0.1, 0.2], [0.7, 3.0, 3.1]


class Collected:
    """One target over restarts of its collector: what is counted of its times to the first token."""

    def __init__(self) -> None:
        self._checkpoint = Checkpoint(1, 0, None)
        self.now = START
        self.cells: dict[tuple[Bounds, int], int] = defaultdict(int)
        self.odd: list[int] = []
        self.restart()

    def restart(self) -> None:
        """Begin anew, from the checkpoint."""
        self._counter = SourceCounter(self._checkpoint, 15.0, START)
        self._counter.discovered(START)
        self._reader = TargetReader(self._counter, make({"job": "j"}), Counting(("model",), MeasurePlan()))
        self._pages = PageReader()

    def scrape(self, histogram: Mapping[str, Any], process: float | None = START - 999) -> None:
        """A page with this histogram, of a process that began then."""
        self.now += 15
        families = [
            family("vllm:request_success_total", COUNTER, ({"finished_reason": "stop"}, {"value": 1})),
            family(TTFT, HISTOGRAM, ({"model_name": "m"}, histogram)),
        ]
        if process is not None:
            families.append(family("process_start_time_seconds", GAUGE, ({}, {"value": process})))
        outcome = self._reader.page(self._pages.read(page(*families), MEDIA), self.now, self.now)
        self.odd.append(outcome.relabelled)
        self._flush()

    def _flush(self) -> None:
        self._counter.begin_flush()
        before = {key: dict(row) for key, row in self._counter._rows.items()}
        flush = self._counter.flush({})
        for key, row in flush.rows.items():
            for (atom, cell), n in row.items():
                if atom.measure.name == "ttft":
                    assert atom.measure.bounds is not None
                    self.cells[atom.measure.bounds, cell] += n - before.get(key, {}).get((atom, cell), 0)
        self._checkpoint = Checkpoint(1, flush.checkpoint.version + 1, flush.state)
        self._counter.committed(flush, self._checkpoint)

    @property
    def total(self) -> int:
        return sum(self.cells.values())

    def at_or_below(self, threshold: float) -> int:
        """Over all bounds that were counted with; each must have the threshold."""
        assert all(threshold in bounds for bounds, cell in self.cells if self.cells[bounds, cell])
        return sum(n for (bounds, cell), n in self.cells.items() if bounds[cell:] and bounds[cell] <= threshold)


def test_observations_of_a_native_histogram_are_counted_in_their_cells() -> None:
    target = Collected()
    target.scrape(native(FAST, 5))
    target.scrape(native(FAST + SLOW, 5))
    assert (target.total, target.at_or_below(0.5), target.at_or_below(1.0)) == (3, 0, 1)


def test_one_that_gets_coarser_in_its_process_goes_on_exactly() -> None:
    target = Collected()
    for values, schema in (([0.3], 3), (FAST, 3), (FAST * 2, 2), (FAST * 2 + SLOW, 0), (FAST * 3 + SLOW, 0)):
        target.scrape(native([0.3] * 10 + values, schema))
    assert target.total == 9 - 1
    assert target.at_or_below(1.0) == 6 - 1 + 1
    assert not any(target.odd)


def test_one_whose_zero_bucket_gets_wider_goes_on_exactly() -> None:
    target = Collected()
    target.scrape(native(FAST, 3))
    target.scrape(native(FAST + SLOW, 3, 0.15))
    target.scrape(native(FAST * 2 + SLOW, 3, 0.15))
    assert (target.total, target.at_or_below(0.5)) == (5, 2)


def test_also_over_a_restart_of_the_collector() -> None:
    target = Collected()
    target.scrape(native(FAST, 3))
    target.restart()
    target.scrape(native(FAST + SLOW, 1))
    assert (target.total, target.at_or_below(1.0)) == (3, 1)


def test_one_that_was_reset_counts_what_it_shows_whatever_its_bounds() -> None:
    for process in (START - 999, None):
        target = Collected()
        target.scrape(native(FAST * 5, 1), process)
        target.scrape(native(SLOW, 3), process)
        assert (target.total, target.at_or_below(1.0)) == (3, 1)


def test_one_that_was_created_anew_counts_what_it_shows_although_it_did_not_fall() -> None:
    target = Collected()
    target.scrape(native(FAST, 1, created_timestamp={"seconds": int(START) - 5}), None)
    target.scrape(native(FAST + SLOW, 3, created_timestamp={"seconds": int(START) + 20}), None)
    assert target.total == 5


def test_an_upgrade_from_classic_to_native_buckets_counts_the_new_process_from_zero() -> None:
    target = Collected()
    target.scrape(classic(FAST * 5, [0.25, 1.0, 2.0]))
    target.scrape(classic(FAST * 5 + [0.3], [0.25, 1.0, 2.0]))
    target.scrape(native(FAST + SLOW, 3), START + 20)
    assert target.total == 1 + 5
    assert target.at_or_below(1.0) == 1 + 3


def test_one_process_that_shows_native_buckets_from_now_on_goes_on() -> None:
    target = Collected()
    target.scrape(classic(FAST * 5, [0.25, 1.0, 2.0]))
    target.scrape(native(FAST * 5 + SLOW, 3))
    target.scrape(native(FAST * 6 + SLOW, 3))
    assert (target.total, target.at_or_below(1.0), target.at_or_below(0.25)) == (5, 3, 2)


def test_one_that_had_a_count_alone_goes_on_with_the_shape_that_it_shows() -> None:
    target = Collected()
    target.scrape({"sample_count": 2, "sample_sum": 0.3})
    target.scrape(native(FAST * 2, 3))
    assert (target.total, target.at_or_below(0.5)) == (2, 2)


def test_only_the_same_labels_go_on() -> None:
    found = rebounded(['h{a="1"} le=1.0', 'h{a="2"} le=1.0', "c{}"], ['h{a="1"} le=0.5,1.0', 'h{a="3"} le=', "d{}"])
    assert found == {'h{a="1"} le=0.5,1.0': ('h{a="1"} le=1.0',)}


BOUNDS = st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0, 8.0]), unique=True).map(lambda found: tuple(sorted(found)))
SEEN = st.lists(st.sampled_from([0.1, 0.3, 0.7, 1.5, 3.0, 6.0, 9.0]), max_size=20)


def shown(bounds: Bounds, values: list[float]) -> tuple[int, ...]:
    return tuple(sum(value <= bound for value in values) for bound in (*bounds, float("inf")))


def key(bounds: Bounds) -> str:
    return f"h{{}} le={','.join(map(repr, bounds))}"


@given(BOUNDS, BOUNDS, SEEN, SEEN)
def test_what_is_gained_is_whole_and_exact_at_every_bound_that_both_have(
    before: Bounds, after: Bounds, old: list[float], more: list[float]
) -> None:
    new = shown(after, old + more)
    gained = tuple(map(sub, new, carried(key(before), shown(before, old), key(after), new)))
    cells = list(map(sub, gained, (0, *gained)))
    assert min(cells) >= 0
    assert sum(cells) == len(more)
    at = dict(zip((*after, float("inf")), gained, strict=True))
    for bound in set(before) & set(after):
        assert at[bound] == sum(value <= bound for value in more)


@given(BOUNDS, BOUNDS, SEEN, SEEN)
def test_a_reset_is_seen_wherever_a_bound_that_both_have_fell(
    before: Bounds, after: Bounds, old: list[float], anew: list[float]
) -> None:
    new, last = shown(after, anew), shown(before, old)
    virtual = carried(key(before), last, key(after), new)
    common = [*(set(before) & set(after)), float("inf")]
    fell = any(sum(v <= bound for v in anew) < sum(v <= bound for v in old) for bound in common)
    assert any(n < o for n, o in zip(new, virtual, strict=True)) >= fell


@given(BOUNDS, SEEN, SEEN, st.data())
def test_fewer_bounds_lose_nothing(fine: Bounds, old: list[float], more: list[float], data: st.DataObject) -> None:
    coarse = tuple(sorted(data.draw(st.sets(st.sampled_from(fine)) if fine else st.just(set()))))
    new = shown(coarse, old + more)
    assert carried(key(fine), shown(fine, old), key(coarse), new) == shown(coarse, old)


@dataclass
class Process:
    """A program with one native histogram, as a client library keeps it."""

    values: list[float] = field(default_factory=list)
    schema: int = 5
    threshold: float = 2.0**-128
    created: int = int(START) - 999
    began: float = START - 999

    def page(self) -> dict[str, Any]:
        return native(self.values, self.schema, self.threshold, created_timestamp={"seconds": self.created})

    def reset(self, now: float) -> None:
        self.values, self.schema, self.threshold, self.created = [], 5, 2.0**-128, int(now)


STEPS = st.lists(
    st.tuples(st.sampled_from(["observe", "coarser", "wider", "reset", "restart", "collector"]), SEEN), max_size=12
)


@given(STEPS)
def test_whatever_a_process_does_each_observation_that_a_page_shows_counts_once(
    steps: list[tuple[str, list[float]]],
) -> None:
    target, process, seen = Collected(), Process([0.3]), list[float]()
    target.scrape(process.page(), process.began)
    for step, values in steps:
        if step == "coarser":
            process.schema = max(0, process.schema - 2)
        elif step == "wider":
            process.threshold = min(0.25, max(0.01, process.threshold * 2))
        elif step == "reset":
            process.reset(target.now + 1)
        elif step == "restart":
            process.reset(target.now + 1)
            process.began = target.now + 1
        elif step == "collector":
            target.restart()
        process.values = process.values + values
        seen += values
        target.scrape(process.page(), process.began)
    assert target.total == len(seen)
    for bound in (0.25, 0.5, 1.0, 2.0):
        assert target.at_or_below(bound) == sum(value <= bound for value in seen)
