"""`burnline gate`: may this roll out?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

if TYPE_CHECKING:
    from burnline.gate import Gate


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("gate")(gate)


def gate(
    slo: Annotated[list[str], typer.Option("--slo", help="An SLO by name; may be repeated")],
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="More SLOs", show_default=False)] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Only groups with this label, as model=llama; may be repeated")
    ] = None,
    max_age: Annotated[str, typer.Option(help="How old the engine's last evaluation may be")] = "5m",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say whether error budgets allow a change now. Exit code 0: pass; 1: fail; 3: not enough data.

    A group fails while its page fires, or when its budget is at or below its freeze level (0 %). Where too little is
    known it does not pass: docs/gate.md has the rules.

    Examples: burnline gate --slo chat-success && ./promote;
    burnline gate --slo chat-success chat-ttft --group model=llama-70b --json
    """
    from burnline import gate as rules
    from core.durations import parse_prometheus

    database = open_database(settings_of(config))
    labels = rules.labels_of(group or [])
    found = rules.ask(database, [*slo, *(more or [])], labels, time.time(), parse_prometheus(max_age))
    if json:
        print_json(rules.as_json(found))
    else:
        _print(found)
    raise typer.Exit(rules.EXIT_CODES[found.verdict])


def _print(found: Gate) -> None:
    """The verdict in the first line, the worst groups first."""
    typer.echo(found.verdict.value.replace("_", " "))
    order = ["fail", "not_enough_data", "pass"]
    rows = sorted(found.groups, key=lambda one: (order.index(one.verdict), one.row["slo"]))
    lines = [
        [
            one.verdict.value.replace("_", " "),
            one.row["slo"],
            ",".join(f"{k}={v}" for k, v in one.row["group"].items()) or "-",
            one.reason,
        ]
        for one in rows
    ]
    table(lines, ["VERDICT", "SLO", "GROUP", "WHY"])
