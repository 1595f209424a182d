"""python -m bench.engine: one tick of the SLO engine over many groups, and its start over a ledger of months.

The engine runs in a process of its own, on a clock that the benchmark moves; between two ticks all sources commit 15 s
of traffic. What it says of every group is compared with the same traffic added up minute by minute, in exact fractions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench import engine_peer
from bench.engine_world import BEGAN, COVERED, EXPECTED, PROMISES, Promise, World, spec_of
from bench.harness import Table, figure, guarded, python, ratio, require_equal
from bench.processes import usage_of
from core.clock import ManualClock
from core.durations import DAY, HOUR, MINUTE
from slo_engine.low_traffic import ENOUGH
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.specs import load
from slo_engine.tick import LEASE, Engine
from storage import leases
from storage import slo as store
from storage.database import Database, sqlite_url

_ROWS = (
    *(("page", HOUR, 5 * MINUTE, Fraction(2, 100)), ("page", 6 * HOUR, 30 * MINUTE, Fraction(5, 100))),
    *(("ticket", DAY, 2 * HOUR, Fraction(10, 100)), ("ticket", 3 * DAY, 6 * HOUR, Fraction(10, 100))),
)
"""The Site Reliability Workbook's windows with the share of the budget that each spends."""
_WINDOWS = {"5m": 300, "30m": 1800, "1h": HOUR, "2h": 2 * HOUR, "6h": 6 * HOUR, "1d": DAY, "3d": 3 * DAY}
_MIB = 2**20
_SERVE = "serve"
"""The first argument of the engine's own process."""


class _Cost(NamedTuple):
    """What one command took: CPU and wall seconds, bytes resident after it."""

    cpu: float
    wall: float
    resident: int


class _Result(NamedTuple):
    start: _Cost
    judging: list[_Cost]
    others: list[_Cost]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when the engine says anything else than the truth."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.engine",
        description="Measures the CPU time of ticks of the SLO engine (reading what was committed since the last one, "
        "rolling it up, judging, writing), its memory, and its start from the roll-ups of a ledger on disk. Ten SLOs "
        "of eight windows each over the same groups, some of which burn. What is said of every group is held against "
        "the same traffic, added up minute by minute.",
    )
    parser.add_argument("--size", type=int, default=10_000, help="groups of all SLOs together (default: %(default)s)")
    parser.add_argument("--days", type=int, default=90, help="days that the ledger has (default: %(default)s)")
    parser.add_argument("--periods", type=int, nargs="+", default=[30], help="days of the SLOs' period (default: 30)")
    parser.add_argument("--minutes", type=int, default=3, help="minutes of four ticks (default: %(default)s)")
    parser.add_argument("--late", type=float, default=0.05, help="share of the sources with late rows (default: 0.05)")
    parser.add_argument("--burning", type=float, default=0.01, help="share of the groups that burn (default: 0.01)")
    parser.add_argument("--peer", type=int, default=0, help="groups that Prometheus evaluates beside (default: none)")
    parser.add_argument("--profile", action="store_true", help="write where the time goes to var/engine.prof")
    given = parser.parse_args(argv)
    if given.peer and not engine_peer.installed():
        parser.error("prometheus and promtool are not installed (Debian: apt install prometheus)")
    return guarded(lambda: _measure(given))


def _measure(given: argparse.Namespace) -> str:
    Path("var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="var") as folder:
        world = World(Path(folder), given.size // len(PROMISES), given.days, given.burning)
        world.build()
        size = (Path(folder) / "burnline.db").stat().st_size
        results = {}
        for period in given.periods:
            results[period] = _run(world, period, given)
            _pass_a_minute(world, given.late)  # an engine judges no minute that another has judged
        world.database.dispose()
    title = (
        f"{world.groups * len(PROMISES):,} groups of {len(PROMISES)} SLOs, {world.sources} sources, "
        f"{given.late:.0%} late, {given.burning:.0%} burning, "
        f"a ledger of {given.days} days ({size / _MIB:.0f} MiB): {python()}"
    )
    tables = [str(_table(results))]
    if given.peer:
        with tempfile.TemporaryDirectory(dir="var") as folder:
            theirs = engine_peer.cost(Path(folder), given.peer)
        tables.append(str(_beside(results, theirs, given.size, given.peer)))
    return "\n\n".join([title, *tables])


def _pass_a_minute(world: World, late: float) -> None:
    for _ in range(4):
        world.advance(late)


def _table(results: dict[int, _Result]) -> Table:
    head = ("period", "CPU ms a judging tick", "CPU ms another tick", "resident MiB", "start, CPU s", "start, wall s")
    rows = []
    for period, (start, judging, others) in results.items():
        rows.append(
            (
                f"{period} d",
                figure(1000 * median(one.cpu for one in judging)),
                figure(1000 * median(one.cpu for one in others)) if others else "-",
                figure(max(one.resident for one in (*judging, *others)) / _MIB),
                figure(start.cpu),
                figure(start.wall),
            )
        )
    return Table(head, rows)


def _beside(results: dict[int, _Result], theirs: float, size: int, groups: int) -> Table:
    """Ours with the three ticks that come between two evaluations."""
    ours = min(_minute(result) for result in results.values()) / size
    rows = [
        (f"burnline, {size:,} groups", figure(1e6 * ours)),
        (f"{engine_peer.NAME}, {groups:,} groups", figure(1e6 * theirs)),
        ("the peer takes", ratio(theirs, ours)),
    ]
    return Table(("who", "CPU µs a group and evaluation"), rows)


def _minute(result: _Result) -> float:
    return median(one.cpu for one in result.judging) + 3 * median(one.cpu for one in result.others)


def _run(world: World, period: int, given: argparse.Namespace) -> _Result:
    """Start an engine, check what it says first, then let minutes pass."""
    path = world.folder / f"slos-{period}.yaml"
    path.write_text("---\n".join(spec_of(promise, period) for promise in PROMISES))
    with _engine(world.folder / "burnline.db", path, given.profile) as ask:
        start = ask("lead", world.now)
        require_equal("the clock", world.now % MINUTE, 0)
        ask("tick", world.now)
        _verify(world, period, first_time=True)
        judging, others = [], []
        for _ in range(given.minutes * 4):
            world.advance(given.late)
            (others if world.now % MINUTE else judging).append(ask("tick", world.now))
        _verify(world, period, first_time=False)
    return _Result(start, judging, others)


# The engine's process.


@contextmanager
def _engine(database: Path, slos: Path, profile: bool) -> Iterator[Any]:
    given = [_SERVE, str(database), str(slos), *(["profile"] if profile else [])]
    command = [sys.executable, "-m", "bench.engine", *given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told, heard = process.stdin, process.stdout
        assert told is not None
        assert heard is not None

        def ask(what: str, now: int) -> _Cost:
            told.write(json.dumps([what, now]) + "\n")
            told.flush()
            cost = _Cost(*json.loads(heard.readline()))
            return cost._replace(resident=usage_of(process.pid).resident)

        yield ask
        told.close()


def _serve(path: str, slos: str, profile: str = "") -> int:
    """The engine's process: a question a line on standard input, its cost on standard output."""
    database, clock = Database(sqlite_url(Path(path))), ManualClock(float(BEGAN))
    engine = Engine(database, EngineSettings(packs=()), "", load([Path(slos)]).slos, clock, EngineMetrics())
    profiler = _profiler() if profile else None
    for line in sys.stdin:
        what, now = json.loads(line)
        clock.set(float(now))
        began = time.process_time(), time.perf_counter()
        if what == "lead":
            epoch = leases.acquire(database, LEASE, slos, float(now), 0.0)
            assert epoch is not None
            engine.lead(epoch)
        else:
            if profiler and now > BEGAN:
                profiler.enable()
            engine.tick()
            if profiler:
                profiler.disable()
        print(json.dumps([time.process_time() - began[0], time.perf_counter() - began[1], 0]), flush=True)
    if profiler:
        profiler.dump_stats("var/engine.prof")
    return 0


def _profiler() -> Any:
    import cProfile

    return cProfile.Profile()


# The truth.


def _verify(world: World, period: int, *, first_time: bool) -> None:
    """Every group of every SLO as the engine wrote it last, against sums of minutes; and who fires."""
    end = world.now // MINUTE * MINUTE
    lengths = {**_WINDOWS, f"{period}d": period * DAY}
    sums = {name: world.window(end, seconds) for name, seconds in lengths.items()}
    said = {(row["slo"], json.dumps(row["group"])): row for row in store.status(world.database)}
    require_equal("groups with a status", len(said), len(PROMISES) * world.groups)
    for promise in PROMISES:
        name = f"{promise.name}-{period}d"
        for place, group in enumerate(world.names):
            own = {window: counts[place].tolist() for window, counts in sums.items()}
            found = said[name, json.dumps({k: v for k, v in group if k != "version"})]
            expected = _expected(promise, own, f"{period}d")
            require_equal(f"{name} {group}: {found} is {expected}", {k: found[k] for k in expected}, expected)
            if first_time and (state := _state(promise, own, period)) is not None:
                require_equal(f"the state of {name} {group}", found["state"], state)


def _spent(promise: Promise, cells: list[int]) -> tuple[int, int]:
    return sum(cells[promise.bad]), sum(cells[promise.total])


def _expected(promise: Promise, own: dict[str, list[int]], period: str) -> dict[str, Any]:
    bad, total = _spent(promise, own[period])
    burns = {}
    for window in sorted(_WINDOWS, key=lambda name: _WINDOWS[name]):
        b, t = _spent(promise, own[window])
        burns[window] = float(b / (promise.budget * t)) if t else None
    return {
        "good": total - bad,
        "total": total,
        "sli": (total - bad) / total,
        "budget_remaining": float(1 - bad / (promise.budget * total)),
        "burn_rates": burns,
        "coverage": min(1.0, own[period][COVERED] / own[period][EXPECTED]),
        "window": period,
    }


def _state(promise: Promise, own: dict[str, list[int]], period: int) -> str | None:
    """At the first evaluation: firing where both windows of a row are above, pending where the short one is.

    None where a row has too few events: there the detector decides, and its evidence is no sum.
    """
    levels = [_level(promise, own, row, period) for row in _ROWS]
    if None in levels:
        return None
    return next(state for state in ("firing", "pending", "ok") if state in levels)


def _level(promise: Promise, own: dict[str, list[int]], row: tuple[str, int, int, Fraction], period: int) -> str | None:
    names = {seconds: name for name, seconds in _WINDOWS.items()}
    severity, long, short, share = row
    reach = max(Fraction(1), Fraction(75, 100) / promise.budget)
    factor = min(share * period * DAY / long, reach)
    if factor * promise.budget * _spent(promise, own[names[long]])[1] < ENOUGH[severity]:
        return None
    if not _above(promise, own[names[short]], factor):
        return "ok"
    return "firing" if _above(promise, own[names[long]], factor) else "pending"


def _above(promise: Promise, cells: list[int], factor: Fraction) -> bool:
    bad, total = _spent(promise, cells)
    return bad > factor * promise.budget * total


if __name__ == "__main__":
    raise SystemExit(_serve(*sys.argv[2:]) if sys.argv[1:2] == [_SERVE] else main())
