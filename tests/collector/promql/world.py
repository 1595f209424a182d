"""What the tests of the Prometheus source share: a fleet's samples, a server that holds them, and ledgers to compare.

`Tsdb` answers in the place of a server's HTTP; what is asked and how answers are read is the collector's own.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from typing import Any

from sqlalchemy import select

from collector.metrics import CollectorMetrics, PrometheusMetrics
from collector.promql.api import PrometheusApi
from collector.promql.claims import Claims
from collector.promql.source import PrometheusSource
from collector.replay import Replayer, read_openmetrics
from collector.settings import CollectorSettings, PrometheusServer
from collector.target import Counting
from core.clock import ManualClock
from core.errors import ScrapeError
from core.labels import render
from core.matchers import parse_selector
from storage import fleet
from storage.database import Database, sqlite_url
from storage.ledger import cells
from storage.ledger.dictionary import Dictionary
from storage.plan import MeasurePlan
from storage.tables import ledger_row, metadata, source

START = 1_799_996_400
"""A whole hour."""
LOOKBACK = 300.0
DIMENSIONS = ("model", "version", "region", "tenant")

Series = tuple[tuple[str, str], ...]
Rows = dict[tuple[int, int, str, str, str, int], int]
"""(width, bucket, measure, attributes, group, cell) → count, summed over the sources."""


def database(folder: Path, name: str) -> Database:
    """An empty one."""
    found = Database(sqlite_url(folder / f"{name}.db"))
    metadata.create_all(found.engine)
    return found


def server(**settings: Any) -> PrometheusServer:
    """Its settings; `backfill` of two hours."""
    known = {"name": "main", "url": "http://127.0.0.1:1", "match": ['{job="vllm"}'], "backfill": 7200.0}
    return PrometheusServer.model_validate({**known, **settings})


# What a fleet says.


@dataclass
class Samples:
    """What a server has stored: (milliseconds, value) by series; NaN is a stale marker."""

    series: dict[Series, list[tuple[int, float]]] = field(default_factory=dict)

    def put(self, name: str, labels: Mapping[str, str], time: float, value: float) -> None:
        key = tuple(sorted({"__name__": name, **labels}.items()))
        self.series.setdefault(key, []).append((round(time * 1000), value))

    def scrape(self, target: Mapping[str, str], time: float, page: Mapping[tuple[str, Series], float] | None) -> None:
        """What Prometheus stores of one scrape; None is a failed one."""
        self.put("up", target, time, float(page is not None))
        shown = set()
        for (name, own), value in (page or {}).items():
            self.put(name, {**dict(own), **target}, time, value)
            shown.add(tuple(sorted({"__name__": name, **dict(own), **target}.items())))
        for key, samples in self.series.items():
            mine = target.items() <= dict(key).items() and dict(key)["__name__"] != "up"
            if mine and key not in shown and not isnan(samples[-1][1]):
                samples.append((round(time * 1000), nan))

    def removed(self, target: Mapping[str, str], time: float) -> None:
        """The target left Prometheus's discovery: all of its series end."""
        for key, samples in self.series.items():
            if target.items() <= dict(key).items():
                samples.append((round(time * 1000), nan))

    def openmetrics(self) -> str:
        """The same as a file for `promtool` and `burnline ledger replay`; stale markers cannot be written there."""
        families: dict[str, list[str]] = {}
        for key, samples in sorted(self.series.items()):
            name = dict(key)["__name__"]
            labels = render(tuple(pair for pair in key if pair[0] != "__name__")).replace(", ", ",")
            lines = [f"{name}{labels} {value!r} {time / 1000:.3f}" for time, value in samples if not isnan(value)]
            families.setdefault(_family(name), []).extend(lines)
        text = [line for name, lines in families.items() for line in (f"# TYPE {name} {_type(name)}", *lines)]
        return "\n".join([*text, "# EOF", ""])

    def end(self) -> float:
        """When the last sample was stored."""
        return max(time for samples in self.series.values() for time, _ in samples) / 1000


def _family(name: str) -> str:
    return re.sub(r"_(total|bucket)$", "", name)


def _type(family: str) -> str:
    return (
        "gauge" if family in ("up", "process_start_time_seconds") else "unknown" if "seconds" in family else "counter"
    )


@dataclass
class Engine:
    """One vLLM process after another behind an address."""

    instance: str
    born: float
    labels: dict[str, str] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=lambda: {"stop": 0, "abort": 0})
    fast: int = 0
    slow: int = 0

    @property
    def target(self) -> dict[str, str]:
        return {"job": "vllm", "instance": self.instance, **self.labels}

    def serve(self, good: int, aborted: int = 0, slow: int = 0) -> None:
        self.requests["stop"] += good
        self.requests["abort"] += aborted
        self.fast += good - min(slow, good)
        self.slow += min(slow, good)

    def restart(self, time: float) -> None:
        self.born, self.fast, self.slow = time, 0, 0
        self.requests = {"stop": 0, "abort": 0}

    def page(self) -> dict[tuple[str, Series], float]:
        model = ("model_name", "m")
        found: dict[tuple[str, Series], float] = {("process_start_time_seconds", ()): self.born}
        for reason, n in self.requests.items():
            if n or reason == "stop":
                found["vllm:request_success_total", (("finished_reason", reason), model)] = float(n)
        for bound, n in (("1.0", self.fast), ("+Inf", self.fast + self.slow)):
            found["vllm:e2e_request_latency_seconds_bucket", (("le", bound), model)] = float(n)
        return found


# The server.


class Tsdb(PrometheusApi):
    """A server that holds samples. `left_closed`: as Prometheus 2; `limit`: samples of an answer; `down`: no answer."""

    def __init__(
        self,
        samples: Samples,
        *,
        left_closed: bool = True,
        limit: int = 10**9,
        settings: PrometheusServer | None = None,
    ) -> None:
        super().__init__(None, settings or server(), True, self._note)  # type: ignore[arg-type]  # no HTTP is spoken
        self.samples = samples
        self.left_closed = left_closed
        self.limit = limit
        self.down = False
        self.outcomes: list[str] = []
        self.spans: list[tuple[float, float]] = []
        self.extra: dict[str, Any] = {}

    def _note(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        if self.down:
            raise ScrapeError("connect", "no connection: refused")
        match = re.fullmatch(r"(.*?)(?:\[(\d+)s\])?", form["query"], re.DOTALL)
        assert match is not None
        end = float(form["time"])
        fitting = self._fitting(match[1])
        if match[2] is None:
            return 200, _body("vector", [_instant(key, found, end) for key, found in fitting if _alive(found, end)])
        self.spans.append((end - int(match[2]), end))
        result = [one for key, found in fitting if (one := self._range(key, found, end - int(match[2]), end))["values"]]
        if sum(len(one["values"]) for one in result) > self.limit:
            return 422, b'{"status":"error","errorType":"execution","error":"query would load too many samples"}'
        return 200, _body("matrix", result, **self.extra)

    def _fitting(self, selector: str) -> list[tuple[Series, list[tuple[int, float]]]]:
        parsed = parse_selector(selector)
        return [(key, s) for key, s in self.samples.series.items() if parsed.matches(dict(key)["__name__"], dict(key))]

    def _range(self, key: Series, samples: list[tuple[int, float]], begin: float, end: float) -> dict[str, Any]:
        inside = [
            [time / 1000, _text(value)]
            for time, value in samples
            if not isnan(value)
            and (begin * 1000 < time or (self.left_closed and begin * 1000 == time))
            and time <= end * 1000
        ]
        return {"metric": dict(key), "values": inside}


def _alive(samples: list[tuple[int, float]], at: float) -> bool:
    before = [(time, value) for time, value in samples if (at - LOOKBACK) * 1000 < time <= at * 1000]
    return bool(before) and not isnan(before[-1][1])


def _instant(key: Series, samples: list[tuple[int, float]], at: float) -> dict[str, Any]:
    return {"metric": dict(key), "value": [at, _text([v for t, v in samples if t <= at * 1000][-1])]}


def _body(kind: str, result: list[Any], **extra: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **extra}).encode()


def _text(value: float) -> str:
    return "+Inf" if value == float("inf") else "NaN" if isnan(value) else repr(value)


# Reading it.


@dataclass
class Reader:
    """A collector that reads a server, on a clock of its own; `start` is a new process over the same database."""

    database: Database
    api: PrometheusApi
    clock: ManualClock
    settings: PrometheusServer = field(default_factory=server)
    claims: Claims = field(default_factory=Claims)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        collector = CollectorSettings(prometheus=(self.settings,))
        self.metrics = PrometheusMetrics(CollectorMetrics().registry)
        self.source = PrometheusSource(
            self.database, collector, self.settings, self.api, self.claims, self.clock, self.metrics
        )

    def round(self, now: float | None = None) -> None:
        if now is not None:
            self.clock.set(now)
        asyncio.run(self.source.round())

    def watermark(self) -> float | None:
        with self.database.read() as connection:
            return fleet.watermark(connection)

    def pulse(self) -> float | None:
        with self.database.read() as connection:
            return fleet.pulse(connection)

    def target(self, instance: str) -> fleet.TargetHealth:
        known = fleet.targets(self.database, with_left=True)
        return next(one for one in known if one.labels["instance"] == instance)


def replayed(folder: Path, text: str, now: float, plan: MeasurePlan | None = None) -> Rows:
    """The ledger's rows after a replay of a file, placed as of `now`."""
    pages, intervals = read_openmetrics(text.encode())
    found = database(folder, "replayed")
    replayer = Replayer(found, Counting(DIMENSIONS, plan or MeasurePlan()))
    for page in pages:
        replayer.feed(page, intervals[page.url], now)
    replayer.flush(now, now)
    try:
        return rows_of(found)
    finally:
        found.dispose()


def rows_of(found: Database, *, which: Callable[[str], bool] = lambda _: True) -> Rows:
    """All rows of the sources whose key fits, but for target-time that was expected or spread."""
    dictionary = Dictionary()
    with found.read() as connection:
        stored = list(connection.execute(select(ledger_row, source.c.key).join(source)))
    result: Rows = {}
    for row in stored:
        if not which(row.key):
            continue
        for (series, cell), n in cells.decode(row.cells).items():
            atom = dictionary.atom(found, series)
            attrs = dict(atom.measure.attrs)
            if attrs.get("state") in ("expected", "spread"):
                continue
            key = (row.width, row.bucket, atom.measure.name, render(attrs), render(atom.group), cell)
            result[key] = result.get(key, 0) + n
    return {key: n for key, n in result.items() if n}


def total(rows: Rows, measure: str, attrs: str = "", group: str = "") -> int:
    """The sum of a measure over all buckets and cells, of those whose attributes and group hold these texts."""
    return sum(n for key, n in rows.items() if key[2] == measure and attrs in key[3] and group in key[4])


def target_time(found: Database, state: str) -> int:
    """Milliseconds of target-time in a state, of the fleet's own groups."""
    dictionary = Dictionary()
    with found.read() as connection:
        stored = list(connection.execute(select(ledger_row.c.cells)).scalars())
    sums = 0
    for blob in stored:
        for (series, _), n in cells.decode(blob).items():
            attrs = dict(dictionary.atom(found, series).measure.attrs)
            if attrs.get("state") == state and not attrs.get("of"):
                sums += n
    return sums


def uncovered(found: Database) -> dict[tuple[int, str], int]:
    """Milliseconds that were expected and not covered, by bucket and group."""
    dictionary, result = Dictionary(), dict[tuple[int, str], int]()
    with found.read() as connection:
        stored = list(connection.execute(select(ledger_row.c.bucket, ledger_row.c.cells)))
    for bucket, blob in stored:
        for (series, _), n in cells.decode(blob).items():
            atom = dictionary.atom(found, series)
            sign = {"expected": 1, "covered": -1}.get(dict(atom.measure.attrs).get("state", ""), 0)
            key = bucket, render(atom.group)
            result[key] = result.get(key, 0) + sign * n
    return result


def every(seconds: int, begin: float, end: float) -> Iterable[float]:
    """Times of scrapes."""
    time = begin
    while time <= end:
        yield time
        time += seconds
