"""`burnline ledger`: counts, and histories replayed into them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table
from burnline.cli.slo import print_status

app = typer.Typer(help="The ledger of counts.", rich_markup_mode=None, no_args_is_help=True)


@app.command()
def query(
    sli: Annotated[str, typer.Option("--sli", help="Name of an SLO in force: its SLI is asked for")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 or Unix seconds")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 or Unix seconds")],
    group: Annotated[
        list[str] | None, typer.Option("--group", help="label=value that a group must have; may be given again")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--step", help="Seconds of a bucket: 60, 300 or 3600 [default: the least that is still kept]"),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what an SLI counted, bucket by bucket: good, total and coverage of each group.

    A bucket without anything has no row. Of a ratio of sums `total` is the denominator, `numerator` the other, and
    `good` null. `coverage` is null where no target was expected.

    Example: burnline ledger query --sli ttft --group model=llama --from 2026-11-23T12:00:00Z --to 2026-11-23T13:00:00Z
    """
    from burnline.querying import query as run

    rows = run(settings_of(config), open_database, sli, group or [], start, end, step)
    if json:
        print_json(rows)
        return
    lines = [
        [r["bucket"], _group(r["group"]), _or_dash(r["good"]), str(r["total"]), _or_dash(r["coverage"])] for r in rows
    ]
    table(lines, ["BUCKET", "GROUP", "GOOD", "TOTAL", "COVERAGE"])


def _group(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items()) or "-"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


@app.command()
def replay(
    openmetrics: Annotated[Path, typer.Option("--openmetrics", help="OpenMetrics text with timestamps")],
    slo: Annotated[list[Path], typer.Option("--slo", help="SLO file or folder; may be given again")],
    at: Annotated[
        str | None,
        typer.Option("--at", help="Evaluate at this time (RFC 3339 or Unix seconds) [default: the last sample]"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Feed a history through the collector's own path, on a clock of its own, and print `slo status`.

    A target is its `job` and `instance`. The file is what `promtool tsdb create-blocks-from openmetrics` takes.

    Example: burnline ledger replay --openmetrics day.om --slo slos/ --at 2026-11-23T12:00:00Z --json
    """
    from burnline.replay import replay as run
    from burnline.times import parse_time

    rows = run(openmetrics, slo, None if at is None else parse_time(at))
    if json:
        print_json(rows)
    else:
        print_status(rows)
