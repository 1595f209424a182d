"""How long 30 days of tens of SLOs take to judge: over a ledger as it is kept, and over one with every minute."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert

from bench.harness import Table, cpu, guarded
from burnline.backtesting.asked import Side, read_slos
from burnline.backtesting.history import History
from burnline.backtesting.run import Result, run
from core.durations import DAY
from core.measures import TARGET_TIME, Group, Measure
from storage import migrate
from storage.database import Database, sqlite_url
from storage.ledger import cells as codec
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import rollup

START = 1_767_571_200
BOUNDS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
KEPT = {60: 2 * DAY, 300: 7 * DAY, 3600: 400 * DAY}
SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: bench
  indicator:
    metadata: {{name: {name}}}
    spec: {sli}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{objective}]
"""
RATIO = (
    "{ratioMetric: {counter: true, "
    "bad: {metricSource: {type: burnline, spec: {signal: requests, where: 'outcome=\"bad\"', by: [model, region]}}}, "
    "total: {metricSource: {type: burnline, spec: {signal: requests, by: [model, region]}}}}}"
)
LATENCY = "{thresholdMetric: {metricSource: {type: burnline, spec: {signal: ttft, by: [model, region]}}}}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.backtest", description="Measures `burnline backtest` over a ledger of a month."
    )
    parser.add_argument("--days", type=int, default=30, help="days of history (default: %(default)s)")
    parser.add_argument("--slos", type=int, default=30, help="SLOs, half of them latencies (default: %(default)s)")
    parser.add_argument("--groups", type=int, default=10, help="groups of each (default: %(default)s)")
    asked = parser.parse_args(argv)
    return guarded(lambda: _measure(asked.days, asked.slos, asked.groups))


def _measure(days: int, slos: int, groups: int) -> str:
    rows = []
    for name, kept in (("as it is kept", KEPT), ("every minute", dict.fromkeys(KEPT, 400 * DAY))):
        with tempfile.TemporaryDirectory() as folder:
            result, seconds = _judge(Path(folder), kept, days, slos, groups)
        moments = sum(len(zone.ends) for zone in result.zones)
        rows.append((name, f"{moments:,}", str(len(result.here.incidents)), f"{seconds:.1f}"))
    return str(Table(("ledger", "moments", "alerts", "CPU seconds"), rows))


def _judge(folder: Path, kept: dict[int, int], days: int, slos: int, groups: int) -> tuple[Result, float]:
    database = Database(sqlite_url(folder / "ledger.db"))
    migrate.upgrade(database)
    end = START + days * DAY
    _fill(database, kept, end, [(("model", f"m{n // 2}"), ("region", ("eu", "us")[n % 2])) for n in range(groups)])
    (folder / "slos.yaml").write_text("---\n".join(_slo(n) for n in range(slos)))
    side = Side("bench", read_slos([folder / "slos.yaml"]))
    found: list[Result] = []
    seconds = cpu(lambda: found.append(run(History(database, "ledger", "bench", START, end), [side])))
    database.dispose()
    return found[0], seconds


def _slo(n: int) -> str:
    target = 99 + n % 10 / 10
    if n % 2:
        objective = f"{{targetPercent: {target - 4:.1f}, op: lte, value: {BOUNDS[2 + n % 5]}}}"
        return SLO.format(name=f"latency-{n}", sli=LATENCY, objective=objective)
    return SLO.format(name=f"errors-{n}", sli=RATIO, objective=f"{{targetPercent: {target:.1f}}}")


def _fill(database: Database, kept: dict[int, int], end: int, groups: Sequence[Group]) -> None:
    """Healthy traffic, and a bad hour of one group in every day."""
    dictionary = Dictionary()
    good, bad = (Measure("requests", "engine", (("outcome", o), ("reason", o))) for o in ("good", "bad"))
    ttft = Measure("ttft", "engine", (), BOUNDS)
    times = [Measure(TARGET_TIME, "engine", (("state", state),)) for state in ("expected", "covered")]
    atoms = [[Atom(m, group) for m in (good, bad, ttft, *times)] for group in groups]
    with database.write() as connection:
        ids = dictionary.resolve(connection, [atom for each in atoms for atom in each])
        keys = [(ids[atom], cell) for each in atoms for atom in each for cell in range(atom.measure.cells)]
        minutes = _counts(np.random.default_rng(1), len(groups), (end - START) // 60)
        for width, keep in kept.items():
            sums = minutes.reshape(-1, width // 60, minutes.shape[1]).sum(axis=1)
            for place in range(max(0, (end - keep - START) // width), len(sums)):
                cells = dict(zip(keys, sums[place].tolist(), strict=True))
                values = {"width": width, "bucket": START + place * width, "direct": codec.encode(cells), "fine": b""}
                connection.execute(insert(rollup).values(**values))


def _counts(rng: np.random.Generator, groups: int, minutes: int) -> npt.NDArray[np.int64]:
    """600 requests a minute and group: good, bad, ten cells of latency, target-time expected and covered."""
    at = np.arange(minutes)
    found = np.zeros((minutes, groups, 14), np.int64)
    for group in range(groups):
        ill = (at // 60 % 24 == 13) & (at // 1440 % groups == group)
        bad, slow = rng.binomial(600, np.where(ill, 0.2, 0.0005)), rng.binomial(600, np.where(ill, 0.4, 0.002))
        found[:, group, 0], found[:, group, 1] = 600 - bad, bad
        found[:, group, 3], found[:, group, 11] = 600 - slow, slow
        found[:, group, 12:] = 60_000
    return found.reshape(minutes, -1)


if __name__ == "__main__":
    sys.exit(main())
