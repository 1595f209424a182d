"""A ledger of months in the real tables, traffic that goes on, and the truth about it: what `bench.engine` judges.

Each group has the cells of `_OF_A_GROUP` and belongs to one source; a source has two groups. History repeats four hours
whose minutes all differ, so that every bucket of every tier is a blob of its own while its sums are known. The newest
70 minutes also have the rows of their sources.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert

from core.durations import DAY, HOUR, MINUTE
from core.measures import TARGET_TIME, Group, Measure
from storage import fleet
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.ledger import cells as cells_codec
from storage.ledger import rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush
from storage.tables import ledger_row, metadata, rollup, rollup_state, source

BEGAN = 1_767_571_200 + 600
"""Where live traffic begins: ten minutes into an hour."""
PATTERNS = 240
"""Minutes of history that differ; afterwards they repeat."""
LIVE = 70
"""Minutes before BEGAN of which the sources' rows are there too."""
_TTFT = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_E2E = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
_TTFT_SHARES = (0.55, 0.3, 0.145, 0.0035, 0.001, 0.0005, 0.0, 0.0, 0.0)
_E2E_SHARES = (0.1, 0.3, 0.3, 0.2, 0.097, 0.002, 0.0009, 0.0001, 0.0)
"""Of the nine cells of a histogram."""
_GROUPS_A_SOURCE = 2
_REGIONS, _TENANTS = 2, 25
_REQUESTS = 30.0
_BURNING = 0.3
"""Share of bad requests, and of slow ones, of the groups that burn, in the newest 70 minutes."""
_TICKS_A_MINUTE = 4

Counts = npt.NDArray[np.int64]


class _Series(NamedTuple):
    measure: Measure
    first: int
    cells: int


_OF_A_GROUP = (
    _Series(Measure("requests", "engine", (("outcome", "good"),)), 0, 1),
    _Series(Measure("requests", "engine", (("outcome", "bad"),)), 1, 1),
    _Series(Measure("ttft", "engine", (), _TTFT), 2, 9),
    _Series(Measure("e2e", "engine", (), _E2E), 11, 9),
    _Series(Measure(TARGET_TIME, "engine", (("state", "expected"),)), 20, 1),
    _Series(Measure(TARGET_TIME, "engine", (("state", "covered"),)), 21, 1),
)
CELLS = 22
EXPECTED, COVERED = 20, 21


class Promise(NamedTuple):
    """An SLO of the benchmark: the cells of a group that are bad, and all that count."""

    name: str
    indicator: str
    target: str
    bad: slice
    total: slice

    @property
    def budget(self) -> Fraction:
        """The share that may be bad."""
        return 1 - Fraction(self.target) / 100


_BY = "by: [model, region, tenant]"


def _requests(which: str, part: str) -> str:
    return (
        f"{{ratioMetric: {{counter: true, {which}: {{metricSource: {{type: burnline, spec: {{signal: requests, "
        f"where: 'outcome=\"{part}\"', {_BY}}}}}}}, "
        f"total: {{metricSource: {{type: burnline, spec: {{signal: requests, {_BY}}}}}}}}}}}"
    )


def _latency(signal: str) -> str:
    return f"{{thresholdMetric: {{metricSource: {{type: burnline, spec: {{signal: {signal}, {_BY}}}}}}}}}"


_BAD, _ALL = slice(1, 2), slice(0, 2)
PROMISES = (
    Promise("success-99", _requests("good", "good"), "99", _BAD, _ALL),
    Promise("success-995", _requests("good", "good"), "99.5", _BAD, _ALL),
    Promise("success-999", _requests("bad", "bad"), "99.9", _BAD, _ALL),
    Promise("success-9995", _requests("bad", "bad"), "99.95", _BAD, _ALL),
    Promise("ttft-500ms", _latency("ttft"), "98", slice(5, 11), slice(2, 11)),
    Promise("ttft-1s", _latency("ttft"), "99", slice(6, 11), slice(2, 11)),
    Promise("ttft-2s", _latency("ttft"), "99.9", slice(7, 11), slice(2, 11)),
    Promise("e2e-10s", _latency("e2e"), "98", slice(16, 20), slice(11, 20)),
    Promise("e2e-20s", _latency("e2e"), "99", slice(17, 20), slice(11, 20)),
    Promise("e2e-40s", _latency("e2e"), "99.9", slice(18, 20), slice(11, 20)),
)
_BOUNDS_OF = {"500ms": 0.5, "1s": 1, "2s": 2, "10s": 10, "20s": 20, "40s": 40}


def spec_of(promise: Promise, days: int) -> str:
    """The OpenSLO text over a rolling period; its name says the period."""
    bound = _BOUNDS_OF.get(promise.name.rpartition("-")[2])
    value = f", op: lte, value: {bound}" if bound else ""
    return f"""\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {promise.name}-{days}d, annotations: {{burnline/page: "true", burnline/ticket: "true"}}}}
spec:
  service: bench
  indicator: {{metadata: {{name: {promise.name}-{days}d}}, spec: {promise.indicator}}}
  timeWindow: [{{duration: {days}d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{targetPercent: {promise.target}{value}}}]
"""


@dataclass
class World:
    """The fleet and its ledger. `groups` is even; `burns` is the share of them that burn."""

    folder: Path
    groups: int
    days: int
    burns: float = 0.01
    now: int = BEGAN
    _live: dict[int, Counts] = field(default_factory=dict)
    _marks: list[Checkpoint] = field(default_factory=list)
    _ticks: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(1)
        self.database = Database(sqlite_url(self.folder / "burnline.db"))
        metadata.create_all(self.database.engine)
        self.dictionary = Dictionary()
        self.names = [_group(number) for number in range(self.groups)]
        self.sources = self.groups // _GROUPS_A_SOURCE
        self.burning = max(1, round(self.groups * self.burns))
        self._patterns = self._traffic(PATTERNS)
        self._make_series()

    def _make_series(self) -> None:
        self._atoms = [[Atom(one.measure, group) for one in _OF_A_GROUP] for group in self.names]
        with self.database.write() as connection:
            ids = self.dictionary.resolve(connection, [atom for of_group in self._atoms for atom in of_group])
        self.dictionary.keep(ids)
        spread = [[ids[atom]] * one.cells for row in self._atoms for atom, one in zip(row, _OF_A_GROUP, strict=True)]
        self._ids = np.array([number for part in spread for number in part], np.int64)
        self._cells = np.array([cell for part in spread for cell in range(len(part))], np.int64)
        self._order = np.lexsort((self._cells, self._ids))

    def _traffic(self, minutes: int) -> Counts:
        """Minutes × groups × cells."""
        shape = (minutes, self.groups)
        found = np.zeros((*shape, CELLS), np.int64)
        requests = self._random.poisson(_REQUESTS, shape)
        found[..., 1] = self._random.binomial(requests, 0.0002)
        found[..., 0] = requests - found[..., 1]
        found[..., 2:11] = self._random.multinomial(requests, _TTFT_SHARES)
        found[..., 11:20] = self._random.multinomial(requests, _E2E_SHARES)
        found[..., EXPECTED] = 60_000
        found[..., COVERED] = 60_000
        return found

    # What is written before the engine starts.

    def build(self) -> None:
        """Write every roll-up of the period, and the rows and targets of the newest minutes."""
        live = self._traffic(LIVE)
        self._burn(live)
        self._live = {self.now - (LIVE - place) * MINUTE: live[place] for place in range(LIVE)}
        self._write_rollups()
        self._write_sources()
        self._write_rows()
        self.say_seen()

    def _burn(self, minutes: Counts) -> None:
        burning = minutes[:, : self.burning]
        for good, bad in ((0, 1), (2, 10), (11, 19)):
            moved = (burning[..., good] * _BURNING).astype(np.int64) + 1
            burning[..., good] -= np.minimum(moved, burning[..., good])
            burning[..., bad] += moved

    def _write_rollups(self) -> None:
        hours = range((self.now - self.days * DAY) // HOUR * HOUR, self.now, HOUR)
        fives = range(self.now // 300 * 300 - 7 * DAY, self.now, 300)
        minutes = range(self.now - 2 * DAY, self.now, MINUTE)
        made: dict[tuple[int, int], bytes] = {}
        for width, buckets in ((HOUR, hours), (300, fives), (MINUTE, minutes)):
            values = []
            for bucket in buckets:
                blob = self._blob(width, bucket, made)
                parts = {"direct": blob, "fine": b""} if width == MINUTE else {"direct": b"", "fine": blob}
                values.append({"width": width, "bucket": bucket, **parts})
            for at in range(0, len(values), 200):
                with self.database.write() as connection:
                    connection.execute(insert(rollup), values[at : at + 200])

    def _blob(self, width: int, bucket: int, made: dict[tuple[int, int], bytes]) -> bytes:
        inside = range(bucket, min(bucket + width, self.now), MINUTE)
        if any(minute in self._live for minute in inside):
            return self._encoded(self.minutes(inside))
        which = width, bucket // MINUTE % PATTERNS
        if which not in made:
            made[which] = self._encoded(self.minutes(inside))
        return made[which]

    def _encoded(self, counts: Counts, only: npt.NDArray[np.int64] | None = None) -> bytes:
        flat = counts.reshape(-1)
        order = self._order if only is None else only
        order = order[flat[order] != 0]
        return cells_codec.encode_columns(self._ids[order], self._cells[order], flat[order])

    def _write_sources(self) -> None:
        values = [
            {"kind": "target", "key": _url(number), "version": 0, "state": b"", "updated_at": self.now}
            for number in range(self.sources)
        ]
        with self.database.write() as connection:
            connection.execute(insert(source), values)
        self._marks = [rows.open_source(self.database, "target", _url(n), self.now) for n in range(self.sources)]

    def _write_rows(self) -> None:
        per_source = _GROUPS_A_SOURCE * CELLS
        of = [self._order[self._order // per_source == number] for number in range(self.sources)]
        with self.database.write() as connection:
            rev = rows.next_rev(connection)
            for minute, counts in self._live.items():
                values = [
                    {"source_id": mark.source_id, "width": 60, "bucket": minute, "rev": rev}
                    | {"cells": self._encoded(counts, of[number])}
                    for number, mark in enumerate(self._marks)
                ]
                connection.execute(insert(ledger_row), values)
            connection.execute(insert(rollup_state).values(id=1, rev=rev))

    def say_seen(self) -> None:
        """The collector is here and has committed everything until now."""
        signals = sorted({one.measure.name for one in _OF_A_GROUP})
        with self.database.write() as connection:
            fleet.put_shard(connection, "0", self.now, BEGAN - self.days * DAY, self.now, {})
            fleet.put_targets(connection, [self._target(number, signals) for number in range(self.sources)])

    def _target(self, number: int, signals: list[str]) -> TargetHealth:
        own = self.names[number * _GROUPS_A_SOURCE : (number + 1) * _GROUPS_A_SOURCE]
        groups = [dict(group) for group in own]
        seen = TargetHealth(_url(number), "0", "llm", {}, 15.0, BEGAN - self.days * DAY, list(groups), signals, up=True)
        seen.progress_at = seen.last_success_at = seen.last_scrape_at = float(self.now)
        return seen

    # What goes on.

    def advance(self, late: float) -> None:
        """15 s of traffic of every source are committed; a share of the sources also has late events, each in one of
        the ten minutes before."""
        self._ticks += 1
        minute = self.now // MINUTE * MINUTE
        more = self._traffic(1) // _TICKS_A_MINUTE
        self._burn(more)
        touched: dict[int, set[int]] = {number: {minute} for number in range(self.sources)}
        self._live[minute] = self._live.get(minute, np.zeros((self.groups, CELLS), np.int64)) + more[0]
        for number in self._random.choice(self.sources, max(1, round(self.sources * late)), replace=False):
            before = minute - MINUTE * int(self._random.integers(1, 11))
            self._live[before][number * _GROUPS_A_SOURCE, 0] += 3
            touched[int(number)].add(before)
        self.now += MINUTE // _TICKS_A_MINUTE
        flushes = [SourceFlush(self._marks[n], b"", self._content(n, minutes)) for n, minutes in touched.items()]
        won, _ = rows.commit(self.database, self.dictionary, flushes, self.now)
        self._marks = [won[mark.source_id] for mark in self._marks]
        self.say_seen()

    def _content(self, number: int, minutes: Iterable[int]) -> dict[RowKey, AtomCells]:
        return {RowKey(60, minute): self._row(number, minute) for minute in minutes}

    def _row(self, number: int, minute: int) -> AtomCells:
        content: AtomCells = {}
        for group in range(number * _GROUPS_A_SOURCE, (number + 1) * _GROUPS_A_SOURCE):
            counts = self._live[minute][group].tolist()
            for atom, one in zip(self._atoms[group], _OF_A_GROUP, strict=True):
                content.update({(atom, n): counts[one.first + n] for n in range(one.cells) if counts[one.first + n]})
        return content

    # The truth.

    def minutes(self, wanted: Iterable[int]) -> Counts:
        """The sum of whole minutes, groups × cells."""
        times = np.zeros(PATTERNS, np.int64)
        total = np.zeros((self.groups, CELLS), np.int64)
        for minute in wanted:
            if minute in self._live:
                total += self._live[minute]
            else:
                times[minute // MINUTE % PATTERNS] += 1
        for place in np.flatnonzero(times):
            total += times[place] * self._patterns[place]
        return total

    def window(self, end: int, seconds: int) -> Counts:
        """What a window holds that ends at a minute's edge: it begins at the bucket edge that its length allows."""
        width = MINUTE if seconds <= 6 * HOUR else 300 if seconds <= 3 * DAY else HOUR
        begin = -(-(end - seconds) // width) * width
        return self.minutes(range(max(begin, (BEGAN - self.days * DAY) // HOUR * HOUR), end, MINUTE))


def _group(number: int) -> Group:
    model, rest = divmod(number, _REGIONS * _TENANTS)
    region, tenant = divmod(rest, _TENANTS)
    return (
        *(("model", f"model-{model}"), ("region", f"region-{region}")),
        *(("tenant", f"tenant-{tenant}"), ("version", "v1")),
    )


def _url(number: int) -> str:
    return f"http://10.0.{number // 250}.{number % 250}:8000/metrics"
