"""Each benchmark runs at a tiny size, prints its table, and prints none when what it measures is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bench import commit, engine, harness, parse, pushed, quality, remote_write, series, startup
from bench.pages import CONTENT_TYPE, SimulatedTarget
from collector.exposition import PageReader, Reading
from collector.remote_write.encode import Request, SeriesTable
from core.matchers import Selector
from storage.ledger.cells import Cells
from storage.series import SeriesData, SeriesReader

_ROOT = Path(__file__).parents[2]


class _Benchmark(NamedTuple):
    name: str
    main: Callable[[Sequence[str]], int]
    tiny: list[str]
    rows: list[str]


_BENCHMARKS = [
    _Benchmark(
        *("parse", parse.main, ["--size", "2", "--rounds", "1"]),
        [
            "prometheus_client",
            "PageReader, cold",
            "PageReader, warm, series changed",
            "page to measures, the same series",
        ],
    ),
    _Benchmark(
        *("series", series.main, ["--size", "12", "--samples", "5", "--rounds", "1"]),
        ["Burnline, segment", "Burnline, chunk", "SQLite rows, key (ts, sid)", "SQLite rows, key (sid, ts)"],
    ),
    _Benchmark("commit", commit.main, ["--size", "2", "3", "--rounds", "1"], ["2", "3"]),
    _Benchmark("engine", engine.main, ["--size", "200", "--days", "31", "--minutes", "1"], ["30 d"]),
    _Benchmark("pushed", pushed.main, ["--size", "2", "5", "--rounds", "1"], ["read", "keep", "count"]),
    _Benchmark("quality", quality.main, ["--size", "20", "--looks", "50"], ["5.0%", "10"]),
    _Benchmark("startup", startup.main, ["--size", "1"], ["python -c pass", "burnline --help"]),
]


def _of(name: str) -> _Benchmark:
    return next(one for one in _BENCHMARKS if one.name == name)


@pytest.mark.parametrize("benchmark", _BENCHMARKS, ids=lambda one: one.name)
def test_a_benchmark_prints_a_row_with_figures_for_each_contender(
    benchmark: _Benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(benchmark.tiny) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    figures = {row[0].strip(): row[1:] for row in rows}
    for name in benchmark.rows:
        assert any(
            float(cell.strip().rstrip("x").replace(",", "")) > 0 for cell in figures[name] if cell.strip() != "-"
        )


@pytest.mark.server("promtool")
def test_the_size_of_a_prometheus_block_is_told_where_promtool_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert series.main(_of("series").tiny) == 0
    assert "| Prometheus block " in capsys.readouterr().out


def test_a_machine_without_promtool_measures_all_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert series.main(_of("series").tiny) == 0
    assert "Prometheus block" not in capsys.readouterr().out


@pytest.mark.parametrize("benchmark", _BENCHMARKS, ids=lambda one: one.name)
def test_a_benchmark_is_a_script_that_says_what_it_measures(benchmark: _Benchmark) -> None:
    script = [sys.executable, f"bench/{benchmark.name}.py", "--help"]
    answer = subprocess.run(script, cwd=_ROOT, capture_output=True, text=True, check=True)
    assert "Measures the" in answer.stdout or "Measures storage" in answer.stdout
    assert "against" in answer.stdout


class _Forgetful(PageReader):
    """Loses the last sample of a page."""

    def read(self, body: bytes, content_type: str | None) -> Reading:
        reading = super().read(body, content_type)
        return reading._replace(series=reading.series[:-1], numbers=reading.numbers[:-1])


def _nothing_is_reported(benchmark: _Benchmark, capsys: pytest.CaptureFixture[str], why: str) -> None:
    assert benchmark.main(benchmark.tiny) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert why in printed.err


def test_a_reader_that_loses_a_sample_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parse, "PageReader", _Forgetful)
    _nothing_is_reported(_of("parse"), capsys, "reading and prometheus_client")


def test_counting_that_differs_from_the_targets_own_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = SimulatedTarget.requests
    monkeypatch.setattr(SimulatedTarget, "requests", lambda self: requests(self) // 2)
    _nothing_is_reported(_of("parse"), capsys, "counted requests")


def test_another_interval_than_the_engines_is_not_simulated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quality, "log_e", lambda share, flagged, judged: 0.0)
    _nothing_is_reported(_of("quality"), capsys, "log E of 0 in 1")


class _Rounding(SeriesReader):
    """Gives values back without their decimals."""

    def select(self, selector: Selector, start_ms: int, end_ms: int, limit: int | None = None) -> list[SeriesData]:
        return [replace(one, values=one.values.round()) for one in super().select(selector, start_ms, end_ms, limit)]


def test_a_store_that_gives_back_other_values_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(series, "SeriesReader", _Rounding)
    _nothing_is_reported(_of("series"), capsys, "those written")


def test_rollups_that_miss_a_count_are_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = commit._sums

    def one_more(cells: commit._PeerCells, width: int) -> dict[int, Cells]:
        return {bucket: {**content, (0, 0): 1} for bucket, content in sums(cells, width).items()}

    monkeypatch.setattr(commit, "_sums", one_more)
    _nothing_is_reported(_of("commit"), capsys, "roll-ups of 60 s")


class _Shifting(SeriesTable):
    """Sends every sample a millisecond late."""

    def encode(self, request: Request) -> bytes:
        return super().encode(request._replace(times=request.times + 1))


@pytest.mark.server("prometheus")
def test_requests_that_say_something_else_are_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote_write, "SeriesTable", _Shifting)
    assert remote_write.main(["--rounds", "1"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "one request as both encode it" in printed.err


def test_a_command_that_fails_is_not_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(startup._CONTENDERS, "broken", ["-c", "raise SystemExit(3)"])
    _nothing_is_reported(_of("startup"), capsys, "`broken` does not answer: status 3")


def test_contenders_take_turns_and_each_goes_first() -> None:
    order: list[str] = []

    def contender(name: str) -> Callable[[], float]:
        def run() -> float:
            order.append(name)
            return float(len(order))

        return run

    medians = harness.take_turns({"a": contender("a"), "b": contender("b")}, 3, prepare=lambda: order.append("-"))
    assert "".join(order) == "-ab-ba-ab"
    assert medians == {"a": 6.0, "b": 5.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345, "12,300"), (100, "100"), (12.345, "12.35"), (9.876, "9.88"), (0.012345, "0.0123"), (0, "0")],
)
def test_figures_have_the_digits_that_matter(value: float, text: str) -> None:
    assert harness.figure(value) == text


@pytest.mark.parametrize("churn", [0.0, 0.01])
def test_a_scrape_changes_the_share_of_values_and_of_series_that_was_asked_for(churn: float) -> None:
    target = SimulatedTarget(1, changing=0.3, churn=churn)
    before, after = (_values(target.scrape()) for _ in range(2))
    kept = before.keys() & after.keys()
    came, went = len(after) - len(kept), len(before) - len(kept)
    moved = list(filter(kept.__contains__, before)) != list(filter(kept.__contains__, after))
    assert came + went + moved == round(480 * churn)
    assert 0.25 < sum(before[key] != after[key] for key in kept) / len(kept) < 0.36


def _values(body: bytes) -> dict[str, float]:
    reading = PageReader().read(body, CONTENT_TYPE)
    return {str(one): value for one, value in zip(reading.series, reading.values, strict=True)}
