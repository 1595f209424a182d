"""Committing what counters have counted, against one row a cell in SQLite; and making the roll-ups."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from sqlalchemy import Connection, select

from bench.harness import Table, figure, guarded, python, ratio, require_equal, wall
from bench.pages import BEGAN, CONTENT_TYPE, INTERVAL, SimulatedTarget
from collector.committing import Pending, begin, commit, settle
from collector.counting import SourceCounter
from collector.exposition import PageReader
from collector.target import Counting, TargetReader
from core.buckets import MINUTES
from core.labels import make
from storage import migrate
from storage.database import Database, sqlite_url
from storage.ledger import rollups, rows
from storage.ledger.cells import Cells, decode
from storage.ledger.dictionary import Dictionary
from storage.ledger.rows import SourceFlush
from storage.plan import MeasurePlan
from storage.tables import ledger_row, source

_OURS, _PEER = "burnline.db", "cells.db"
_DIMENSIONS = ("model", "version", "region", "tenant")
_SHAPES = 20
"""Simulated targets; a fleet's targets show their pages in turn, since making 1,000 pages would take longer than all
that is measured."""

_CHANGES_A_SCRAPE = 6
"""Times that a simulated target's numbers move between two scrapes: then a row has as many cells as that of a server
that answers some requests a second."""

_PeerCells = dict[tuple[int, int, int, int, int], int]
"""(source, width, bucket, series, cell) → n."""


class _Flush(NamedTuple):
    """One flush: seconds of ours (checkpoints made, all else), of the peer, and of the roll-ups after it."""

    setting_apart: float
    committing: float
    peer: float
    compute: float
    store: float
    rows: int

    @property
    def ours(self) -> float:
        return self.setting_apart + self.committing


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when the ledger, the roll-ups and the peer's table do not hold the same counts."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.commit",
        description="Measures the wall time of a flush in which every target has a new page (rows, checkpoints and the "
        "compare-and-set, one SQLite transaction, synchronous=FULL) and of the roll-ups after it, against one row a "
        "cell in SQLite with the same settings: one upsert a cell and the same checkpoints, through the driver alone, "
        "with everything but the writing done beforehand. The ledger, the roll-ups and the peer's table are compared "
        "before anything is timed and again at the end.",
    )
    parser.add_argument("--size", type=int, nargs="+", default=[100, 1000], help="targets (default: 100 1000)")
    parser.add_argument("--rounds", type=int, default=8, help="timed flushes, 15 s apart (default: %(default)s)")
    given = parser.parse_args(argv)
    return guarded(lambda: _measure(given.size, given.rounds))


def _measure(sizes: Sequence[int], rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder) / "verification", min(sizes), 2)
        results = {size: _run(Path(folder) / str(size), size, rounds) for size in sizes}
    title = f"Flushes of all targets: {python()}, SQLite {sqlite3.sqlite_version}, wall time, median of {rounds}"
    return f"{title}\n\n{_speeds(results)}\n\n{_sizes(results)}"


# One fleet.


@dataclass
class _Fleet:
    """Targets, their counters and the database that they are committed to; `flushes` says what was written last."""

    database: Database
    size: int
    dictionary: Dictionary = field(default_factory=Dictionary)
    scrapes: int = 0
    flushes: list[SourceFlush] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pages = PageReader()
        self._sources = [SimulatedTarget(number, changing=1.0) for number in range(min(_SHAPES, self.size))]
        self._readers = {f"http://10.0.0.1:{n}/metrics": self._reader(n) for n in range(self.size)}

    def _reader(self, number: int) -> TargetReader:
        checkpoint = rows.open_source(self.database, "target", f"http://10.0.0.1:{number}/metrics", BEGAN)
        counter = SourceCounter(checkpoint, INTERVAL, watched_since=BEGAN)
        counter.discovered(BEGAN)
        labels = make({"region": f"region-{number % 3}", "version": f"v{number % 4}"})
        return TargetReader(counter, labels, Counting(_DIMENSIONS, MeasurePlan()))

    @property
    def now(self) -> float:
        return BEGAN + self.scrapes * INTERVAL

    def scrape(self) -> None:
        """Every target shows a new page; the one reader knows the series of all."""
        self.scrapes += 1
        for one in self._sources * (_CHANGES_A_SCRAPE - 1):
            one.move()
        readings = [self._pages.read(one.scrape(), CONTENT_TYPE) for one in self._sources]
        for number, reader in enumerate(self._readers.values()):
            reader.page(readings[number % len(readings)], self.now, self.now)

    def flush(self) -> tuple[float, float]:
        """What a collector shard does each time it flushes: seconds for making the checkpoints, and for all else."""
        pending: list[Pending] = []
        counters = {url: reader.counter for url, reader in self._readers.items()}
        setting_apart = wall(lambda: pending.extend(begin(counters)))
        return setting_apart, wall(lambda: self._commit(pending))

    def _commit(self, pending: list[Pending]) -> None:
        settlement = commit(self.database, self.dictionary, pending, self.now, lambda _: None)
        require_equal("sources that lost their checkpoint", settle(pending, settlement), [])
        self.flushes = settlement.flushes

    def written(self) -> _PeerCells:
        """The content of the last flush, cell by cell."""
        with self.database.read() as connection:
            wanted = {atom for one in self.flushes for row in one.rows.values() for atom, _ in row}
            ids = self.dictionary.resolve(connection, wanted)
        return {
            (one.checkpoint.source_id, key.width, key.bucket, ids[atom], cell): n
            for one in self.flushes
            for key, row in one.rows.items()
            for (atom, cell), n in row.items()
        }


class _RowPerCell:
    """The peer: a table with one row a cell, through the driver alone."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute(
            "CREATE TABLE cell (source INT, width INT, bucket INT, series INT, cell INT, n INT, "
            "PRIMARY KEY (source, width, bucket, series, cell)) WITHOUT ROWID"
        )
        self.connection.execute("CREATE TABLE checkpoint (source INTEGER PRIMARY KEY, state BLOB)")

    def write(self, cells: _PeerCells, states: list[tuple[int, bytes]]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", states)
        self.connection.executemany(
            "INSERT INTO cell VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n",
            [(*key, n) for key, n in cells.items()],
        )
        self.connection.execute("COMMIT")

    def cells(self) -> _PeerCells:
        found = self.connection.execute("SELECT source, width, bucket, series, cell, n FROM cell")
        return {tuple(row[:5]): row[5] for row in found}


class _Run(NamedTuple):
    """A fleet's flushes, and what the ledger and the peer weigh after them."""

    flushes: list[_Flush]
    rows: int
    cells: int
    table_bytes: int
    blob_bytes: int
    peer_bytes: int
    state_bytes: int


def _run(folder: Path, size: int, rounds: int) -> _Run:
    folder.mkdir()
    database = Database(sqlite_url(folder / _OURS))
    try:
        migrate.upgrade(database)
        fleet, peer = _Fleet(database, size), _RowPerCell(folder / _PEER)
        _turn(fleet, peer)  # the first pages are baselines
        flushes = [_turn(fleet, peer) for _ in range(rounds)]
        _verify(database, peer)
        return _weigh(folder, database, peer, flushes)
    finally:
        database.dispose()


def _turn(fleet: _Fleet, peer: _RowPerCell) -> _Flush:
    """One flush by both: ours first, since what it wrote is what the peer is given."""
    fleet.scrape()
    ours = fleet.flush()
    cells = fleet.written()
    states = [(one.checkpoint.source_id, one.state) for one in fleet.flushes]
    theirs = wall(lambda: peer.write(cells, states))
    return _Flush(*ours, theirs, *_roll_up(fleet.database), sum(len(one.rows) for one in fleet.flushes))


def _roll_up(database: Database) -> tuple[float, float]:
    """Seconds that computing and storing took."""
    found: list[rollups.Changes] = []
    with database.read() as connection:
        compute = wall(lambda: found.append(rollups.compute(connection)))

    def store() -> None:
        with database.write() as writing:
            rollups.store(writing, found[0])

    return compute, wall(store)


# Checking and weighing.


def _ledger_cells(connection: Connection) -> _PeerCells:
    return {
        (row.source_id, row.width, row.bucket, series, cell): n
        for row in connection.execute(select(ledger_row))
        for (series, cell), n in decode(row.cells).items()
    }


def _verify(database: Database, peer: _RowPerCell) -> None:
    with database.read() as connection:
        ours = _ledger_cells(connection)
    if not ours:
        require_equal("a ledger with rows", ours, "rows")
    require_equal("the ledger and the table of cells", ours, {key: n for key, n in peer.cells().items() if n})
    for width in (60, 300, 3600):
        found = {key.bucket: cells for key, cells in rollups.read(database, width, 0)}
        require_equal(f"roll-ups of {width} s and the sum of the rows", found, _sums(ours, width))


def _sums(cells: _PeerCells, width: int) -> dict[int, Cells]:
    result: dict[int, Counter[tuple[int, int]]] = {}
    for (_, own_width, bucket, series, cell), n in cells.items():
        require_equal("the width of rows that were written in time", own_width, MINUTES.width)
        result.setdefault(bucket // width * width, Counter())[series, cell] += n
    return {bucket: dict(counts) for bucket, counts in result.items()}


def _weigh(folder: Path, database: Database, peer: _RowPerCell, flushes: list[_Flush]) -> _Run:
    with database.read() as connection:
        blobs = [len(row.cells) for row in connection.execute(select(ledger_row.c.cells))]
        states = [len(row.state) for row in connection.execute(select(source.c.state))]
    database.dispose()
    cells = len(peer.cells())
    peer.connection.close()
    table, peer_table = _table_bytes(folder / _OURS, "ledger_row"), _table_bytes(folder / _PEER, "cell")
    return _Run(flushes, len(blobs), cells, table, sum(blobs), peer_table, round(median(states)))


def _table_bytes(file: Path, table: str) -> int:
    """What the file shrinks by without the table: its pages and those of its indexes, well filled."""
    connection = sqlite3.connect(file, isolation_level=None)
    page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
    pages = []
    for statement in ("VACUUM", f"DROP TABLE {table}"):
        connection.execute(statement)
        connection.execute("VACUUM")
        pages.append(int(connection.execute("PRAGMA page_count").fetchone()[0]))
    connection.close()
    return (pages[0] - pages[1]) * page_size


# The report.


def _speeds(results: dict[int, _Run]) -> Table:
    head = (
        "targets",
        "ms a flush",
        "of it, checkpoints",
        "row a cell, ms",
        "row a cell takes",
        "roll-ups, ms",
        "their store, ms",
    )
    return Table(head, [_speed(size, run.flushes) for size, run in results.items()])


def _speed(size: int, flushes: list[_Flush]) -> Sequence[str]:
    ours, peer = _ms(one.ours for one in flushes), _ms(one.peer for one in flushes)
    parts = (one.setting_apart for one in flushes), (one.compute for one in flushes), (one.store for one in flushes)
    setting_apart, compute, store = (figure(_ms(part)) for part in parts)
    return f"{size:,}", figure(ours), setting_apart, figure(peer), ratio(peer, ours), compute, store


def _ms(seconds: Iterable[float]) -> float:
    return median(seconds) * 1000


def _sizes(results: dict[int, _Run]) -> Table:
    head = (
        "targets",
        "rows a flush",
        "cells a row",
        "bytes a row",
        "of it, cells",
        "row a cell, bytes",
        "row a cell takes",
        "bytes a checkpoint",
    )
    return Table(head, [_size(size, run) for size, run in results.items()])


def _size(size: int, run: _Run) -> Sequence[str]:
    a_row, blob, peer = (total / run.rows for total in (run.table_bytes, run.blob_bytes, run.peer_bytes))
    a_flush = median(one.rows for one in run.flushes)
    return (
        f"{size:,}",
        f"{a_flush:,.0f}",
        *map(figure, (run.cells / run.rows, a_row, blob, peer)),
        ratio(peer, a_row),
        figure(run.state_bytes),
    )


if __name__ == "__main__":
    sys.exit(main())
