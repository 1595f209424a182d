"""`python -m bench.alerting`: the evidence of docs/alerting-evidence.md, made again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.alerting.report import all_scores, outages, plot, rewritten
from bench.alerting.study import KINDS, Kind, Results, study

_ROOT = Path(__file__).parents[2]
_PAGE = "docs/alerting-evidence.md"
_QUICK = (Kind(Fraction("0.999"), 10), Kind(Fraction("0.99"), 100))


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, and write the page's tables and plots; with --quick print them instead."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.alerting",
        description="Measures precision, recall and delay of alert rules over simulated months, and the workbook's "
        f"outages against their closed forms; writes the tables of {_PAGE} and docs/images/alerts-*.svg.",
        epilog="example: python -m bench.alerting --months 100 --workers 1",
    )
    parser.add_argument(
        "--months", type=int, default=1000, help="months of each kind of traffic (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the simulation (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="two kinds of traffic, printed; no file is written")
    chosen = parser.parse_args(argv)
    if chosen.months < 1 or chosen.workers < 1:
        parser.error("--months and --workers must be 1 or more")
    kinds = _QUICK if chosen.quick else KINDS
    results = _study(kinds, chosen.months, chosen.seed, chosen.workers)
    if chosen.quick:
        print("\n\n".join(f"{severity}s\n\n{all_scores(results, kinds, severity)}" for severity in ("page", "ticket")))
        return 0
    _write(results, kinds)
    return 0


def _study(kinds: Sequence[Kind], months: int, seed: int, workers: int) -> Results:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("months", total=months * len(kinds))
        return study(kinds, months, seed, workers, lambda done: progress.advance(task, done))


def _write(results: Results, kinds: Sequence[Kind]) -> None:
    parts = outages()
    for severity in ("page", "ticket"):
        parts[f"{severity}s"] = all_scores(results, kinds, severity)
        (_ROOT / f"docs/images/alerts-{severity}.svg").write_text(plot(results, kinds, severity), encoding="utf-8")
    page = _ROOT / _PAGE
    page.write_text(rewritten(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
    print(f"written: {_PAGE}, docs/images/alerts-page.svg, docs/images/alerts-ticket.svg")


if __name__ == "__main__":
    sys.exit(main())
