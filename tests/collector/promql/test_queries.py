"""A server is asked for the plan's queries: each minute once, through errors, restarts and rivals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import ScrapeError
from core.measures import TARGET_TIME
from storage import plan
from storage.ledger import cells
from storage.ledger.dictionary import Dictionary
from storage.plan import QueryMeasure
from storage.tables import ledger_row
from tests.collector.promql.world import START, Reader, Rows, Samples, Tsdb, database, rows_of, server, total

MINUTE = 60
RATIO = QueryMeasure(part="bad * 1", total="all * 1", by=("model",))
Answers = Callable[[str, int], Mapping[str, float]]
"""The value of each model at a time, for a query."""


def steady(query: str, _: int) -> dict[str, float]:
    return {"m": 2.5 if query == RATIO.part else 10.25}


class QueryServer(Tsdb):
    """A server without targets that answers range queries. `refuses`: what it says of a query over so many points."""

    def __init__(self, answers: Answers = steady) -> None:
        super().__init__(Samples())
        self.answers = answers
        self.asked: list[tuple[str, int, int]] = []
        self.refuses: Callable[[str, int], tuple[int, bytes] | None] = lambda _query, _points: None

    async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        if not url.endswith("query_range") or self.down:
            return await super()._post(url, form)
        assert form["step"] == "60"
        begin, end = int(form["start"]), int(form["end"])
        assert begin % MINUTE == end % MINUTE == 0
        if refused := self.refuses(form["query"], (end - begin) // MINUTE + 1):
            return refused
        self.asked.append((form["query"], begin, end))
        return 200, json.dumps(
            {"status": "success", "data": self._data(form["query"], begin, end), **self.extra}
        ).encode()

    def _data(self, query: str, begin: int, end: int) -> dict[str, Any]:
        curves: dict[str, list[list[Any]]] = {}
        for time in range(begin, end + MINUTE, MINUTE):
            for model, value in self.answers(query, time).items():
                curves.setdefault(model, []).append([time, str(value)])
        series = [{"metric": {"model": model, "pod": "x"}, "values": curve} for model, curve in curves.items()]
        return {"resultType": "matrix", "result": series}


def reader(tmp_path: Path, api: Tsdb, *queries: QueryMeasure, now: float = START + 45.0, **settings: Any) -> Reader:
    """A collector over an empty ledger whose plan holds these queries."""
    found = Reader(database(tmp_path, "asked"), api, ManualClock(now), server(**settings))
    with found.database.write() as connection:
        plan.put(connection, [], now, queries or (RATIO,))
    return found


def counts(rows: Rows, ratio: QueryMeasure = RATIO) -> tuple[int, int]:
    return total(rows, ratio.name, 'count="part"'), total(rows, ratio.name, 'count="total"')


def asked_minutes(found: Reader) -> dict[str, int]:
    """Minutes of target-time by state."""
    dictionary, result = Dictionary(), {"expected": 0, "covered": 0}
    with found.database.read() as connection:
        for blob in list(connection.execute(ledger_row.select().with_only_columns(ledger_row.c.cells)).scalars()):
            for (series, _), n in cells.decode(blob).items():
                measure = dictionary.atom(found.database, series).measure
                if measure.name == TARGET_TIME:
                    result[dict(measure.attrs)["state"]] += n // 60_000
    return result


def test_the_past_is_counted_at_first_sight_and_then_each_new_minute_once(tmp_path: Path) -> None:
    api = QueryServer()
    found = reader(tmp_path, api)
    found.round()
    assert api.asked == [(query, START - 7200 + MINUTE, START) for query in (RATIO.part, RATIO.total)]
    assert counts(rows_of(found.database)) == (300, 1230)  # 120 minutes of 2.5 and 10.25
    found.round()
    assert len(api.asked) == 2
    for later in range(1, 6):
        found.round(START + 45.0 + later * MINUTE)
    assert counts(rows_of(found.database)) == (312, 1281)  # of 312.5 and 1281.25
    assert asked_minutes(found) == {"expected": 125, "covered": 125}


def test_the_watermark_passes_a_minute_when_it_is_counted(tmp_path: Path) -> None:
    found = reader(tmp_path, QueryServer())
    found.round()
    watermark = found.watermark()
    assert watermark is not None and START <= watermark <= START + 15
    newest = max(bucket + width for width, bucket, *_ in rows_of(found.database))
    assert newest == START


def test_a_restart_goes_on_with_what_is_left_over_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    api = QueryServer()
    found = reader(tmp_path, api)
    for later in range(8):
        found.start()
        found.round(START + 45.0 + later * MINUTE)
    assert counts(rows_of(found.database)) == (317, 1301)  # of 317.5 and 1301.75
    spans = [(begin, end) for query, begin, end in api.asked if query == RATIO.total]
    assert all(end + MINUTE == begin for (_, end), (begin, _) in pairwise(spans))


def test_two_processes_that_ask_one_server_count_once(tmp_path: Path) -> None:
    one = reader(tmp_path, QueryServer())
    other = Reader(one.database, QueryServer(), ManualClock(START + 45.0), one.settings)
    for later in range(6):
        for each in (one, other):
            each.round(START + 45.0 + later * MINUTE)
    assert counts(rows_of(one.database)) == (312, 1281)
    assert asked_minutes(one) == {"expected": 125, "covered": 125}


def test_a_server_that_is_down_leaves_the_time_expected_and_covers_it_later(tmp_path: Path) -> None:
    api = QueryServer()
    found = reader(tmp_path, api)
    found.round()
    api.down = True
    for later in (1, 2, 3):
        found.round(START + 45.0 + later * MINUTE)
        found.start()
    assert asked_minutes(found) == {"expected": 123, "covered": 120}
    assert (found.watermark() or 0) > START + 3 * MINUTE
    api.down = False
    found.round(START + 45.0 + 4 * MINUTE)
    assert asked_minutes(found) == {"expected": 124, "covered": 124}
    assert counts(rows_of(found.database)) == (310, 1271)


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        (RATIO.part, 400, b'{"status":"error","errorType":"bad_data","error":"parse error"}'),
        (RATIO.total, 503, b"gone"),
        (RATIO.total, 200, b'{"status":"success","warnings":["a store is down"],"data":{}}'),
        (RATIO.part, 200, b'{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}'),
    ],
)
def test_one_side_that_is_not_answered_counts_neither_and_hinders_no_other_query(
    query: str, status: int, body: bytes, tmp_path: Path
) -> None:
    sound = QueryMeasure(part="bad * 2", total="all * 2", by=("model",))
    api = QueryServer()
    found = reader(tmp_path, api, RATIO, sound)
    found.round()
    api.refuses = lambda asked, _: (status, body) if asked == query else None
    found.round(START + 45.0 + MINUTE)
    rows = rows_of(found.database)
    assert counts(rows) == (300, 1230)
    assert counts(rows, sound) == (1240, 1240)  # 121 minutes of 10.25 are 1240.25
    assert asked_minutes(found) == {"expected": 242, "covered": 241}


def test_a_span_that_the_server_finds_too_long_is_asked_for_in_pieces(tmp_path: Path) -> None:
    api = QueryServer()
    api.refuses = lambda _, points: (422, b'{"status":"error","error":"too many samples"}') if points > 25 else None
    found = reader(tmp_path, api)
    found.round()
    assert counts(rows_of(found.database)) == (300, 1230)
    assert max((end - begin) // MINUTE + 1 for _, begin, end in api.asked) <= 25


def test_no_answer_has_more_points_than_prometheus_gives(tmp_path: Path) -> None:
    api = QueryServer()
    found = reader(tmp_path, api, backfill=30_000 * MINUTE)
    found.round()
    assert [(end - begin) // MINUTE + 1 for query, begin, end in api.asked if query == RATIO.total] == [
        11000,
        11000,
        8000,
    ]
    assert counts(rows_of(found.database)) == (75_000, 307_500)


def test_nan_in_a_minute_is_not_counted_and_its_group_alone_lacks_coverage(tmp_path: Path) -> None:
    def said(query: str, time: int) -> dict[str, float]:
        odd = float("nan") if time == START else 10.0
        return {"m": 0.0, "n": 0.0} if query == RATIO.part else {"m": odd, "n": 10.0}

    found = reader(tmp_path, QueryServer(said))
    found.round()
    assert counts(rows_of(found.database)) == (0, 2390)
    assert asked_minutes(found) == {"expected": 240, "covered": 239}


@pytest.mark.parametrize(("named", "is_asked"), [("main", True), ("", True), ("other", False)])
def test_the_server_that_the_spec_names_is_asked(named: str, is_asked: bool, tmp_path: Path) -> None:
    api = QueryServer()
    reader(tmp_path, api, RATIO.model_copy(update={"server": named})).round()
    assert bool(api.asked) == is_asked


def test_a_query_that_hangs_is_asked_last_and_starves_no_other(tmp_path: Path) -> None:
    hanging = [QueryMeasure(part=f"aa{n}(slow)", total="all * 1") for n in (1, 2)]
    sound = RATIO.model_copy(update={"part": "z * 1"})
    tried: list[str] = []

    class Hanging(QueryServer):
        async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
            if "slow" in form["query"]:
                tried.append(form["query"])
                raise ScrapeError("timeout", "no whole answer within 30s")
            return await super()._post(url, form)

    found = reader(tmp_path, Hanging(), *hanging, sound)
    for later in range(1, 4):
        found.clock.advance(1)
        found.round(START + 45.0 + later * MINUTE)
    assert counts(rows_of(found.database), sound)[1] == 1250  # all 122 minutes of 10.25 are 1250.5
    assert len(set(tried)) == 2


def test_an_unreachable_server_is_not_asked_for_every_query(tmp_path: Path) -> None:
    class Unreachable(QueryServer):
        async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
            raise ScrapeError("connect", "no connection: refused")

    api = Unreachable()
    found = reader(tmp_path, api, RATIO, RATIO.model_copy(update={"by": ()}), RATIO.model_copy(update={"part": "b"}))
    found.round()
    assert api.outcomes == ["connect", "connect"]  # one for all queries, one for the targets
