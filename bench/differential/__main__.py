"""`python -m bench.differential`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.differential.compare import compare
from bench.differential.page import page
from bench.differential.tables import report
from bench.prometheus import Unanswered


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, and print the tables; 1 where Burnline is off by more than it may be, 2 without a Prometheus."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.differential",
        description="Feeds one random fleet (births, deaths, restarts, gaps, irregular scrapes) to Burnline and to a "
        "real Prometheus with the rules of `burnline slo rules`, and prints the counts of windows and the minutes of "
        "alerts of both beside the truth.",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the fleet (default: %(default)s)")
    parser.add_argument("--hours", type=int, default=10, help="of history (default: %(default)s)")
    parser.add_argument("--targets", type=int, default=6, help="addresses of the fleet (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write a page with the tables and a plot here (HTML)")
    wanted = parser.parse_args(argv)
    if missing := [name for name in ("prometheus", "promtool") if shutil.which(name) is None]:
        print(f"{' and '.join(missing)} must be installed", file=sys.stderr)
        return 2
    try:
        found = compare(wanted.seed, wanted.hours, wanted.targets)
    except Unanswered as error:
        print(error, file=sys.stderr)
        return 2
    print(report(found))
    if wanted.out:
        wanted.out.write_text(page(found), encoding="utf-8")
        print(f"\n{wanted.out} shows it")
    return 1 if any(one.beyond or (one.quiet and one.exact < len(one.counts)) for one in found.windows) else 0


if __name__ == "__main__":
    sys.exit(main())
