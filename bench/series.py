"""The recent-series store against SQLite rows, and its size against a Prometheus block, all with the same samples."""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from bench.harness import Table, figure, guarded, python, ratio, require_equal, wall
from core.clock import ManualClock
from core.labels import Labels, make, render
from core.matchers import parse_selector
from storage.series import SeriesData, SeriesLimits, SeriesReader, SeriesWriter, compact

_START = 1_700_006_400
"""A Unix second at which a two-hour window begins."""
_INTERVAL = 15
_MOST_SAMPLES = 480
"""Two hours of scrapes: one window of the store, one block of Prometheus."""
_A_TARGET = 300
_SCRAPES_A_FLUSH = 2
_LONG_AFTER = _START + 1e6
_BY_TIME, _BY_SERIES = "SQLite rows, key (ts, sid)", "SQLite rows, key (sid, ts)"
_KEYS = {_BY_TIME: "ts, sid", _BY_SERIES: "sid, ts"}
_SEGMENT, _CHUNK = "Burnline, segment", "Burnline, chunk"
_BLOCK = "Prometheus block"
_NONE = "-"


@dataclass(frozen=True)
class _Data:
    """`values` has shape (samples, series): a third integer counters, gauges with two decimals, sums that rarely
    move. `times` are Unix ms."""

    series: list[Labels]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @property
    def size(self) -> int:
        return self.values.size

    def flushes(self) -> Iterator[range]:
        """Which scrapes are written together."""
        for first in range(0, len(self.times), _SCRAPES_A_FLUSH):
            yield range(first, min(first + _SCRAPES_A_FLUSH, len(self.times)))


@dataclass
class _Figures:
    """What one store did: seconds, and bytes on the disk. None where there is nothing to measure."""

    bytes_: int
    write: float | None = None
    compact: float | None = None
    one: float | None = None
    target: float | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a store does not give back the samples that were written."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.series",
        description="Measures storage.series: bytes a sample in segments and in chunks, and the wall time of writing "
        "(durably, every 30 s of samples), of compacting and of reading, against SQLite rows (WAL, synchronous=FULL, a "
        "transaction a flush) with either order of the key; and, where promtool is installed, against the size of a "
        "Prometheus block. Every store must give back every sample before anything is timed.",
    )
    parser.add_argument("--size", type=int, default=3000, help="series, 300 a target (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=_MOST_SAMPLES, help="samples a series (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="repeats (default: %(default)s)")
    given = parser.parse_args(argv)
    if not 1 <= given.samples <= _MOST_SAMPLES:
        parser.error(f"--samples: two hours hold 1 to {_MOST_SAMPLES}")
    return guarded(lambda: _measure(_data(given.size, given.samples), given.rounds))


def _data(series: int, samples: int) -> _Data:
    rng = np.random.default_rng(7)
    names = [_labels(number) for number in range(series)]
    counters = rng.poisson(20, (samples, series)).cumsum(axis=0) + rng.integers(0, 10**6, series)
    gauges = rng.uniform(0, 100, series) + rng.normal(0, 0.5, (samples, series)).cumsum(axis=0)
    moves = rng.exponential(0.3, (samples, series)) * (rng.random((samples, series)) < 0.1)
    kinds = np.arange(series) % 3
    values = np.select([kinds == 0, kinds == 1], [counters, gauges.round(2)], moves.cumsum(axis=0))
    return _Data(names, (_START + _INTERVAL * np.arange(samples)) * 1000, values.astype(np.float64))


def _labels(number: int) -> Labels:
    kind = ("requests", "usage", "latency_seconds_sum")[number % 3]
    name = f"bench_{kind}_{number % _A_TARGET}"
    return make({"__name__": name, "instance": f"10.0.0.{number // _A_TARGET}:8000", "job": "vllm"})


def _measure(data: _Data, rounds: int) -> str:
    results: dict[str, list[_Figures]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _run_all(data, place / "verification")
        block = _block_bytes(data, place / "block")
        for turn in range(rounds):
            for name, found in _run_all(data, place / str(turn), first=turn).items():
                results.setdefault(name, []).append(found)
    title = (
        f"{len(data.series):,} series of {len(data.times)} samples: {python()}, SQLite {sqlite3.sqlite_version}, "
        f"wall time, median of {rounds}"
    )
    return f"{title}\n\n{_table(data, results, block)}"


def _run_all(data: _Data, place: Path, first: int = 0) -> dict[str, _Figures]:
    """Write and read with every store, in turns; each gives back every sample or raises Unequal."""
    stores: list[Callable[[], dict[str, _Figures]]] = [
        partial(_run_ours, data, place / "ours"),
        *(partial(_run_rows, data, place / f"{number}.db", name) for number, name in enumerate(_KEYS)),
    ]
    place.mkdir(parents=True)
    results: dict[str, _Figures] = {}
    for number in range(len(stores)):
        results |= stores[(first + number) % len(stores)]()
    shutil.rmtree(place)
    return results


# Ours.


def _run_ours(data: _Data, folder: Path) -> dict[str, _Figures]:
    write = wall(lambda: _write_ours(data, folder))
    _verify_ours(data, folder)
    segment = _Figures(_file_bytes(folder, "seg"), write, None, *_read_times(data, folder))
    took = wall(lambda: compact(folder, "a", _LONG_AFTER))
    _verify_ours(data, folder)
    return {_SEGMENT: segment, _CHUNK: _Figures(_file_bytes(folder, "chunk"), None, took, *_read_times(data, folder))}


def _write_ours(data: _Data, folder: Path) -> None:
    writer = SeriesWriter(folder, "a", ManualClock(_START), SeriesLimits())
    refs = np.array([writer.ref(labels) for labels in data.series])
    for flush in data.flushes():
        for at in flush:
            for first in range(0, len(refs), _A_TARGET):
                part = slice(first, first + _A_TARGET)
                writer.add(int(data.times[at]), refs[part], data.values[at, part])
        writer.flush()
    writer.close()


def _select(folder: Path, selector: str) -> list[SeriesData]:
    """By a reader that has cached nothing."""
    return SeriesReader(folder).select(parse_selector(selector), -1, 1 << 60)


def _read_times(data: _Data, folder: Path) -> tuple[float, float]:
    return (
        wall(lambda: _select(folder, _one_series(data))),
        wall(lambda: _select(folder, _one_target(data))),
    )


def _one_series(data: _Data) -> str:
    pairs = dict(data.series[0])
    return f'{pairs["__name__"]}{{instance="{pairs["instance"]}"}}'


def _one_target(data: _Data) -> str:
    return f'{{instance="{dict(data.series[0])["instance"]}"}}'


def _verify_ours(data: _Data, folder: Path) -> None:
    found = {one.labels: one for one in _select(folder, '{job="vllm"}')}
    require_equal("series of the store and those written", set(found), set(data.series))
    for number, labels in enumerate(data.series):
        one = found[labels]
        same = np.array_equal(one.times, data.times) and np.array_equal(one.values, data.values[:, number])
        require_equal(f"samples of {render(labels)} and those written", same, True)


def _file_bytes(folder: Path, kind: str) -> int:
    return sum(file.stat().st_size for file in folder.glob(f"*.{kind}"))


# SQLite.


def _run_rows(data: _Data, file: Path, name: str) -> dict[str, _Figures]:
    write = wall(lambda: _write_rows(data, file, _KEYS[name]))
    _verify_rows(data, file)
    target = range(min(_A_TARGET, len(data.series)))
    times = wall(lambda: _read_rows(file, range(1))), wall(lambda: _read_rows(file, target))
    return {name: _Figures(file.stat().st_size, write, None, *times)}


def _write_rows(data: _Data, file: Path, key: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"CREATE TABLE sample (ts INT, sid INT, value REAL, PRIMARY KEY ({key})) WITHOUT ROWID")
    sids = range(len(data.series))
    for flush in data.flushes():
        connection.execute("BEGIN IMMEDIATE")
        for at in flush:
            time, values = int(data.times[at]), data.values[at].tolist()
            rows = ((time, sid, value) for sid, value in zip(sids, values, strict=True))
            connection.executemany("INSERT INTO sample VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _read_rows(file: Path, sids: range) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """The times and values of each series, by a new connection."""
    connection = sqlite3.connect(file)
    wanted = "SELECT sid, ts, value FROM sample WHERE sid >= ? AND sid < ? ORDER BY sid, ts"
    rows = connection.execute(wanted, (sids.start, sids.stop)).fetchall()
    connection.close()
    table = np.array(rows, np.float64).reshape(len(sids), -1, 3)
    return [(part[:, 1].astype(np.int64), part[:, 2]) for part in table]


def _verify_rows(data: _Data, file: Path) -> None:
    for number, (times, values) in enumerate(_read_rows(file, range(len(data.series)))):
        same = np.array_equal(times, data.times) and np.array_equal(values, data.values[:, number])
        require_equal("samples of SQLite and those written", same, True)


# Prometheus.


def _block_bytes(data: _Data, folder: Path) -> int | None:
    """Size of chunks and index of a block that promtool makes; None where it is not installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return None
    folder.mkdir()
    text = folder / "samples.om"
    with text.open("w") as file:
        file.writelines(_openmetrics(data))
    blocks = folder / "blocks"
    made = [promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", str(text), str(blocks)]
    subprocess.run(made, check=True, capture_output=True)
    statistics = [json.loads(meta.read_text())["stats"] for meta in blocks.glob("*/meta.json")]
    require_equal("samples of the block and those written", sum(one["numSamples"] for one in statistics), data.size)
    return sum(
        file.stat().st_size for file in blocks.rglob("*") if file.name == "index" or file.parent.name == "chunks"
    )


def _openmetrics(data: _Data) -> Iterator[str]:
    for number in sorted(range(len(data.series)), key=lambda place: data.series[place]):
        pairs = dict(data.series[number])
        head = pairs.pop("__name__") + render(pairs).replace(", ", ",")
        for time, value in zip(data.times.tolist(), data.values[:, number].tolist(), strict=True):
            yield f"{head} {value!r} {time // 1000}\n"
    yield "# EOF\n"


# The report.


def _table(data: _Data, results: dict[str, list[_Figures]], block: int | None) -> str:
    names = [name for name in (_SEGMENT, _CHUNK, _BY_TIME, _BY_SERIES) if name in results]
    medians = {name: _median(results[name]) for name in names}
    rows = [(name, *_texts(data, one)) for name, one in medians.items()]
    if block is not None:
        rows.append((_BLOCK, *_texts(data, _Figures(block))))
    head = ("store", "bytes a sample", "written/s", "compacted/s", "1 series, ms", f"{_A_TARGET} series, ms")
    return f"{Table(head, rows)}\n\n{_ratios(medians, block)}"


def _median(several: list[_Figures]) -> _Figures:
    def of(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return median(known) if known else None

    return _Figures(
        several[0].bytes_,
        of([one.write for one in several]),
        of([one.compact for one in several]),
        of([one.one for one in several]),
        of([one.target for one in several]),
    )


def _texts(data: _Data, one: _Figures) -> Sequence[str]:
    speeds = (_NONE if took is None else figure(data.size / took) for took in (one.write, one.compact))
    waits = (_NONE if took is None else figure(took * 1000) for took in (one.one, one.target))
    return (figure(one.bytes_ / data.size), *speeds, *waits)


def _ratios(medians: dict[str, _Figures], block: int | None) -> str:
    chunk, segment = medians[_CHUNK], medians[_SEGMENT]
    rows = []
    for name in _KEYS:
        peer = medians[name]
        sizes = ratio(peer.bytes_, segment.bytes_), ratio(peer.bytes_, chunk.bytes_)
        pairs = (peer.write, segment.write), (peer.one, chunk.one), (peer.target, chunk.target)
        rows.append((name, *sizes, *(ratio(theirs, ours) for theirs, ours in pairs if theirs and ours)))
    if block is not None:
        rows.append((_BLOCK, ratio(block, segment.bytes_), ratio(block, chunk.bytes_), _NONE, _NONE, _NONE))
    head = (
        "the peer takes",
        "of a segment's bytes",
        "of a chunk's bytes",
        "write time",
        "1 series",
        f"{_A_TARGET} series",
    )
    return str(Table(head, rows))


if __name__ == "__main__":
    sys.exit(main())
