"""What is counted of a target whose series are relabelled, and after its rules were changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from collector.counting import SourceCounter
from collector.exposition import PageReader
from collector.relabel import compile_rules
from collector.settings import RelabelRule
from collector.target import Counting, TargetReader
from core.labels import make
from storage.ledger.rows import Checkpoint
from storage.plan import MeasurePlan

START = 1_800_000_000.0
TARGET = make({"job": "j", "instance": "a:1", "region": "eu", "version": "v1"})
COUNTING = Counting(("model", "version", "region"), MeasurePlan())
NO_STOPS = {"source_labels": ("finished_reason",), "regex": "stop", "action": "drop"}
BY_REASON = {"source_labels": ("finished_reason",), "regex": "length", "target_label": "version", "replacement": "v2"}


class Collected:
    """One target over restarts of its collector; each page is flushed."""

    def __init__(self) -> None:
        self._checkpoint = Checkpoint(1, 0, None)
        self._counts: dict[tuple[str, str], int] = defaultdict(int)

    def restart(self, *rules: Mapping[str, Any]) -> Collected:
        """Begin anew with other rules, from the checkpoint."""
        self._counter = SourceCounter(self._checkpoint, 15.0, START)
        self._counter.discovered(START)
        compiled = compile_rules(tuple(RelabelRule(**rule) for rule in rules))
        self._reader = TargetReader(self._counter, TARGET, COUNTING, compiled)
        self._pages = PageReader()
        return self

    def relabel(self, **labels: str) -> None:
        """The target has other labels."""
        self._reader.recount(make({**dict(TARGET), **labels}), COUNTING)

    def page(self, after: float, stop: int, length: int) -> None:
        """A scrape, with how many requests ended for each reason since the process began."""
        body = "".join(
            f'vllm:request_success_total{{finished_reason="{reason}",model_name="m"}} {n}\n'
            for reason, n in (("stop", stop), ("length", length))
        )
        text = f"# TYPE vllm:request_success_total counter\n{body}process_start_time_seconds {START - 999}\n"
        reading = self._reader.names.page(self._pages.read(text.encode(), "text/plain"))
        self._reader.page(reading, START + after, START + after)
        self._flush()

    def _flush(self) -> None:
        self._counter.begin_flush()
        before = {key: dict(row) for key, row in self._counter._rows.items()}
        flush = self._counter.flush({})
        for key, row in flush.rows.items():
            for (atom, cell), n in row.items():
                if atom.measure.name == "requests":
                    reason = dict(atom.measure.attrs).get("reason", "")
                    gained = n - before.get(key, {}).get((atom, cell), 0)
                    self._counts[reason, dict(atom.group).get("version", "")] += gained
        self._checkpoint = Checkpoint(1, flush.checkpoint.version + 1, flush.state)
        self._counter.committed(flush, self._checkpoint)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Requests by reason and version."""
        return {key: n for key, n in self._counts.items() if n}


def test_a_series_that_other_rules_show_begins_with_a_baseline() -> None:
    target = Collected().restart(NO_STOPS)
    target.page(15, stop=100, length=10)
    target.page(30, stop=200, length=11)
    assert target.counts == {("length", "v1"): 1}
    target.restart()
    target.page(45, stop=300, length=13)
    assert target.counts == {("length", "v1"): 3}, "what ended before it was shown is not counted"
    target.page(60, stop=305, length=13)
    assert target.counts == {("length", "v1"): 3, ("stop", "v1"): 5}


def test_without_a_change_of_rules_a_new_series_counts_from_zero() -> None:
    target = Collected().restart({"source_labels": ("finished_reason",), "regex": "abort", "action": "drop"})
    target.page(15, stop=100, length=0)
    target.restart({"source_labels": ("finished_reason",), "regex": "abort", "action": "drop"})
    target.page(30, stop=101, length=0)
    assert target.counts == {("stop", "v1"): 1}


def test_a_rule_may_divide_a_target_among_groups() -> None:
    target = Collected().restart(BY_REASON)
    target.page(15, stop=1, length=1)
    target.page(30, stop=3, length=5)
    assert target.counts == {("stop", "v1"): 2, ("length", "v2"): 4}


def test_counts_go_on_over_other_labels_of_the_target_under_rules() -> None:
    target = Collected().restart(NO_STOPS)
    target.page(15, stop=1, length=1)
    target.relabel(region="us")
    target.page(30, stop=3, length=5)
    assert target.counts == {("length", "v1"): 4}
