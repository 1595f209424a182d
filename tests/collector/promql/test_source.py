"""A server's samples are counted as a scrape's pages are: once, in their own minutes, and only what was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from collector.promql.service import PrometheusReaders
from collector.settings import CollectorSettings
from core.clock import ManualClock
from core.errors import StorageFull
from storage import fleet, plan
from storage.plan import SelectorMeasure
from tests.collector.promql.world import (
    START,
    Engine,
    Reader,
    Samples,
    Tsdb,
    database,
    every,
    replayed,
    rows_of,
    server,
    target_time,
    total,
)


def _hour(engine: Engine, samples: Samples, begin: float = START, minutes: int = 60) -> None:
    """Scrapes every 15 s, with ten requests before each."""
    for time in every(15, begin + 3, begin + minutes * 60):
        engine.serve(10, slow=1)
        samples.scrape(engine.target, time, engine.page())


@pytest.fixture
def samples() -> Samples:
    return Samples()


def _reader(tmp_path: Path, samples: Samples, now: float) -> Reader:
    return Reader(database(tmp_path, "read"), Tsdb(samples), ManualClock(now))


def test_what_the_server_holds_is_counted_as_a_replay_of_it_is(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000)
    _hour(engine, samples)
    now = START + 3700.0
    reader = _reader(tmp_path, samples, now)
    reader.round()
    assert rows_of(reader.database) == replayed(tmp_path, samples.openmetrics(), now)
    assert total(rows_of(reader.database), "requests") == 10 * 239  # of 240 scrapes the first is a baseline


def test_only_what_is_new_is_asked_for_and_the_sum_is_the_same(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000)
    now = START + 1000.0
    reader = _reader(tmp_path, samples, now)
    for minute in range(16):
        _hour(engine, samples, START + 60 * minute, 1)
    api = reader.api
    assert isinstance(api, Tsdb)
    reader.round(START + 300.0)
    asked = len(api.spans)
    for at in range(360, 1100, 60):
        reader.round(START + float(at))
    assert all(end - begin == 61 for begin, end in api.spans[asked:])
    assert rows_of(reader.database) == replayed(tmp_path, samples.openmetrics(), START + 1080.0)


def test_a_restart_goes_on_where_the_server_was_read(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000)
    reader = _reader(tmp_path, samples, START + 1000.0)
    _hour(engine, samples, START, 20)
    reader.round()
    _hour(engine, samples, START + 1200, 20)
    reader.start()
    api = reader.api
    assert isinstance(api, Tsdb)
    api.spans.clear()
    reader.round(START + 2500.0)
    assert min(begin for begin, _ in api.spans) == START + 970 - 1
    assert rows_of(reader.database) == replayed(tmp_path, samples.openmetrics(), START + 2500.0)


def test_an_outage_of_the_server_is_not_covered_until_it_tells_of_it(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000)
    reader = _reader(tmp_path, samples, START + 630.0)
    _hour(engine, samples, START, 30)
    reader.round()
    api = reader.api
    assert isinstance(api, Tsdb)
    api.down = True
    covered = target_time(reader.database, "covered")
    reader.round(START + 930.0)
    assert target_time(reader.database, "covered") == covered
    assert target_time(reader.database, "expected") >= covered + 300_000
    assert reader.watermark() == START + 900  # others are judged; what this server knows is not covered
    pulse = reader.pulse()
    assert pulse is not None and pulse < START + 900 + 60
    health = reader.target("a:1")
    assert health.error_reason == "source" and "connect" in (health.error or "")
    assert health.up  # nothing is known against the target itself
    api.down = False
    reader.round(START + 1830.0)
    assert rows_of(reader.database) == replayed(tmp_path, samples.openmetrics(), START + 1830.0)
    assert target_time(reader.database, "covered") == target_time(reader.database, "expected")
    assert reader.target("a:1").error_reason is None


def test_a_birth_a_restart_a_death_and_failed_scrapes_count_as_for_a_scrape(tmp_path: Path, samples: Samples) -> None:
    old, born = Engine("a:1", START - 9000), Engine("b:1", START + 600, {"version": "v2"})
    for time in every(15, START, START + 1800):
        old.serve(2)
        if time == START + 900:
            old.restart(time - 5)
            old.serve(7)
        failed = START + 300 <= time < START + 345
        samples.scrape(old.target, time, None if failed else old.page())
        if START + 615 <= time <= START + 1200:
            born.serve(3)
            samples.scrape(born.target, time, born.page())
    samples.removed(born.target, START + 1215)
    reader = _reader(tmp_path, samples, START + 700.0)
    for at in range(700, 2000, 60):
        reader.round(START + float(at))
    now = reader.clock.now()
    rows = rows_of(reader.database)
    assert total(rows, "requests", group='version="v2"') == 3 * 40  # born while its job was watched: from zero
    assert total(rows, "requests") == 3 * 40 + 2 * (60 - 1) + 7 + 2 * 60
    counted = {key: n for key, n in rows.items() if key[2] != "target_time"}
    file = {key: n for key, n in replayed(tmp_path, samples.openmetrics(), now).items() if key[2] != "target_time"}
    assert counted == file
    dead = reader.target("b:1")
    assert dead.left_at == START + 1200
    assert reader.target("a:1").left_at is None


def test_the_first_reading_tells_of_targets_and_watermark_only_when_it_has_caught_up(
    tmp_path: Path, samples: Samples
) -> None:
    engine = Engine("a:1", START - 9000)
    _hour(engine, samples, START, 60)
    reader = _reader(tmp_path, samples, START + 3600.0)
    api = reader.api
    assert isinstance(api, Tsdb)
    marks: list[float | None] = []

    async def watched(*arguments: object) -> object:
        marks.append(reader.watermark())
        return await Tsdb._post(api, *arguments)  # type: ignore[arg-type]

    api._post = watched  # type: ignore[method-assign, assignment]
    reader.round()
    assert len(marks) > 6
    assert set(marks) == {None}
    assert START + 3540 < (reader.watermark() or 0.0) <= START + 3570


def test_the_watermark_is_the_last_page_of_the_target_that_is_furthest_behind(tmp_path: Path, samples: Samples) -> None:
    slow, quick = Engine("a:1", START - 9000), Engine("b:1", START - 9000)
    for step, engine in ((60, slow), (15, quick)):
        for time in every(step, START + 7, START + 1200):
            engine.serve(1)
            samples.scrape(engine.target, time, engine.page())
    reader = _reader(tmp_path, samples, 0)
    for at in range(700, 1230, 10):
        reader.round(START + float(at))
        assert reader.watermark() == START + 7 + (at - 30 - 7) // 60 * 60
    assert target_time(reader.database, "covered") == target_time(reader.database, "expected")


def test_two_processes_that_read_one_server_count_everything_once(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000)
    _hour(engine, samples, START, 40)
    one = _reader(tmp_path, samples, START + 700.0)
    other = Reader(one.database, Tsdb(samples), ManualClock(START + 700.0))
    one.round()
    other.round()
    for at in range(760, 2500, 60):
        first, second = (one, other) if at % 120 else (other, one)
        first.round(START + float(at))
        second.round(START + float(at))
    counted = {key: n for key, n in rows_of(one.database).items() if key[2] != "target_time"}
    file = replayed(tmp_path, samples.openmetrics(), one.clock.now())
    assert sum(counted.values()) == sum(n for key, n in file.items() if key[2] != "target_time")
    assert target_time(one.database, "covered") <= target_time(one.database, "expected")
    conflicts = [m for r in (one, other) for f in r.metrics.conflicts.collect() for m in f.samples if m.value > 0]
    assert conflicts


def test_a_target_whose_labels_change_goes_on_counting_under_the_new_ones(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000, {"version": "v1"})
    for time in every(15, START, START + 1200):
        if time == START + 615:
            samples.removed(engine.target, time)
            engine.labels = {"version": "v2", "region": "eu"}
        engine.serve(2)
        samples.scrape(engine.target, time, engine.page())
    reader = _reader(tmp_path, samples, START + 1300.0)
    reader.round()
    rows = rows_of(reader.database)
    assert total(rows, "requests", group='version="v1"') == 2 * 40
    assert total(rows, "requests", group='version="v2"') == 2 * 40
    assert reader.target("a:1").labels == engine.target


def test_up_that_appears_later_makes_no_counter_look_born(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000, {"version": "v1"})
    for time in every(15, START, START + 1200):
        engine.serve(2)
        samples.scrape(engine.target, time, engine.page())
    up = next(key for key in samples.series if ("__name__", "up") in key)
    samples.series[up] = [(time, value) for time, value in samples.series[up] if time >= (START + 600) * 1000]
    reader = _reader(tmp_path, samples, START + 610.0)
    reader.round()
    reader.round(START + 1300.0)
    counted = total(rows_of(reader.database), "requests")
    assert counted == 2 * 80  # all but the first page's: counters that lose a target's label go on from what they were


def test_samples_that_no_scrape_has_are_strays_and_not_counted(tmp_path: Path, samples: Samples) -> None:
    engine = Engine("a:1", START - 9000)
    _hour(engine, samples, START, 10)
    samples.put("vllm:request_success_total", {**engine.target, "finished_reason": "stop"}, START + 100.5, 1e6)
    reader = _reader(tmp_path, samples, START + 700.0)
    reader.round()
    assert total(rows_of(reader.database), "requests") == 10 * 39
    assert reader.metrics.strays.labels("main")._value.get() == 1


def test_a_target_that_burnline_scrapes_itself_is_not_counted_from_the_server(tmp_path: Path, samples: Samples) -> None:
    for instance in ("a:1", "b:1"):
        _hour(Engine(instance, START - 9000), samples, START, 10)
    reader = _reader(tmp_path, samples, START + 700.0)
    own = fleet.TargetHealth("http://a:1/metrics", "0", "engines", {"instance": "a:1", "job": "engines"}, 15, START)
    with reader.database.write() as connection:
        fleet.put_targets(connection, [own])
    reader.round()
    assert total(rows_of(reader.database, which=lambda key: "a:1" in key), "requests") == 0
    assert total(rows_of(reader.database, which=lambda key: "b:1" in key), "requests") == 10 * 39
    assert reader.metrics.refused.labels("main")._value.get() == 1


def test_a_target_that_two_servers_have_is_counted_from_one(tmp_path: Path, samples: Samples) -> None:
    _hour(Engine("a:1", START - 9000), samples, START, 10)
    one = _reader(tmp_path, samples, START + 700.0)
    other = Reader(one.database, Tsdb(samples), one.clock, server(name="other"), one.claims)
    apart = Reader(one.database, Tsdb(samples), one.clock, server(name="apart"))  # as in another process
    for reader in (one, other, apart):
        reader.round()
    assert total(rows_of(one.database), "requests") == 10 * 39


def test_two_targets_at_once_under_one_address_are_refused(tmp_path: Path, samples: Samples) -> None:
    for replica in ("a", "b"):
        _hour(Engine("a:1", START - 9000, {"replica": replica}), samples, START, 10)
    reader = _reader(tmp_path, samples, START + 640.0)
    reader.round()
    assert total(rows_of(reader.database), "requests") == 0
    assert reader.metrics.refused.labels("main")._value.get() == 1


def test_a_selector_that_is_applied_later_counts_what_the_server_still_has_once(
    tmp_path: Path, samples: Samples
) -> None:
    engine = Engine("a:1", START - 9000)
    _hour(engine, samples, START, 40)
    reader = _reader(tmp_path, samples, START + 700.0)
    reader.round()
    wanted = SelectorMeasure(selector='vllm:request_success_total{finished_reason="stop"}', by=("model_name",))
    slow = SelectorMeasure(selector="vllm:e2e_request_latency_seconds", kind="histogram")
    with reader.database.write() as connection:
        found = plan.put(connection, [wanted, slow], reader.clock.now())
    for at in range(760, 1200, 60):
        reader.round(START + float(at))
    reader.start()
    for at in range(1200, 2500, 60):
        reader.round(START + float(at))
    file = replayed(tmp_path, samples.openmetrics(), reader.clock.now(), found)
    counted = rows_of(reader.database)
    assert {k: n for k, n in counted.items() if k[2] != "target_time"} == {
        k: n for k, n in file.items() if k[2] != "target_time"
    }
    assert total(counted, wanted.name) == 10 * 159
    assert total(counted, slow.name) == 10 * 159


def test_a_past_that_the_server_refuses_costs_the_past_alone(tmp_path: Path, samples: Samples) -> None:
    _hour(Engine("a:1", START - 9000), samples, START, 40)
    reader = _reader(tmp_path, samples, START + 1200.0)
    reader.round()
    api = reader.api
    assert isinstance(api, Tsdb)
    wanted = SelectorMeasure(selector="vllm:request_success_total")
    with reader.database.write() as connection:
        plan.put(connection, [wanted], reader.clock.now())
    post = api._post

    async def refusing(url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        signals = "vllm_" in form["query"]  # all spellings of the profile
        return await post(url, form) if signals or "[" not in form["query"] else (422, b"")

    api._post = refusing  # type: ignore[method-assign]
    for at in range(1260, 2500, 60):
        reader.round(START + float(at))
    rows = rows_of(reader.database)
    assert total(rows, "requests") == 10 * 159
    assert total(rows, wanted.name) == 10 * (159 - 77)  # the 78 pages before were read under the old plan


def test_selectors_that_fit_no_target_are_said_once(
    tmp_path: Path, samples: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    reader = _reader(tmp_path, samples, START + 700.0)
    for at in (700, 760):
        reader.round(START + float(at))
    _hour(Engine("a:1", START + 590), samples, START + 600, 4)
    reader.round(START + 900.0)
    said = [record.getMessage() for record in caplog.records if record.name == "collector.promql.source"]
    assert said == ['prometheus main: not read: no target fits {job="vllm"}']


def test_a_server_that_is_not_configured_any_more_holds_no_watermark_back(tmp_path: Path, samples: Samples) -> None:
    _hour(Engine("a:1", START - 9000), samples, START, 10)
    reader = _reader(tmp_path, samples, START + 630.0)
    reader.round()
    assert reader.watermark() is not None
    readers = PrometheusReaders(reader.database, CollectorSettings(), ManualClock(START + 900.0), reader.metrics)

    async def run() -> None:
        stop = asyncio.Event()
        stop.set()
        await readers.run(stop)

    asyncio.run(run())
    assert reader.watermark() is None
    assert reader.target("a:1").left_at == START + 900


def test_a_flush_that_fails_goes_with_the_next(
    tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hour(Engine("a:1", START - 9000), samples, START, 20)
    reader = _reader(tmp_path, samples, START + 630.0)
    reader.round()

    def full(*_: object) -> None:
        raise StorageFull("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("collector.promql.source.commit", full)
        reader.round(START + 900.0)
    assert reader.watermark() == START + 588
    reader.round(START + 1230.0)
    assert rows_of(reader.database) == replayed(tmp_path, samples.openmetrics(), START + 1230.0)
