"""`burnline slo`: files, what they would change and have changed, and status."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

if TYPE_CHECKING:
    from burnline.settings import Settings
    from burnline.slo_sets.in_force import InForce
    from burnline.slo_sets.plan import Plan

app = typer.Typer(help="SLO files, and how the SLOs stand.", rich_markup_mode=None, no_args_is_help=True)


@app.command()
def validate(
    paths: Annotated[list[Path], typer.Argument(help="SLO files or folders")],
    lenient: Annotated[bool, typer.Option("--lenient", help="Take what OpenSLO's text allows, too")] = False,
    json: JsonOption = False,
) -> None:
    """Check SLO files.

    OpenSLO v1, and files of Sloth, Pyrra and slo-generator by their own tool's rules. Exit code 0 when all are
    right, else 1 with one `file:line: message` for each error. OpenSLO is checked as its Go SDK 0.9.2 does;
    --lenient also takes what only its text and old schema allow, with a note for each on stderr.

    Example: burnline slo validate slos/ extra.yaml
    """
    from slo_engine.specs.validate import examine

    found = examine(paths, lenient=lenient)
    if json:
        print_json([{"file": p.file, "line": p.line, "message": p.message} for p in found.problems])
    for line in (*found.problems, *found.notes):
        typer.echo(str(line), err=True)
    raise typer.Exit(1 if found.problems else 0)


@app.command()
def convert(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of Sloth, Pyrra, slo-generator")],
    out: Annotated[str, typer.Option(help="Folder to write one file an SLO to; - prints them")] = "-",
    period: Annotated[str, typer.Option(help="Window of SLOs whose tool writes none into its files")] = "30d",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there")] = False,
    json: JsonOption = False,
) -> None:
    """Turn other tools' SLO files into OpenSLO.

    Reads Sloth, Pyrra and slo-generator, writes OpenSLO v1, and says what could not be carried over. Each line
    on stderr is `file:line: kind: key: why`. Kind lost: Burnline has no place for it; ignored: the file's own
    tool drops it, too; chosen: carried over, and how. Exit code 0 when all was carried over, 4 when something
    is lost or ignored, 1 when a file is wrong: then nothing is written.

    Example: burnline slo convert sloth/*.yaml --out slos/
    """
    from burnline.converting import run

    raise typer.Exit(run(paths, out, period, force=force, as_json=json))


@app.command()
def lint(
    paths: Annotated[list[Path] | None, typer.Argument(help="SLO files or folders")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings, too")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Find what is valid and still wrong.

    Alerts that never fire, thresholds that no bucket has, windows with too little traffic and more. Without
    PATHS the files and packs of the configuration are looked at. A line is `file:line: severity: [rule] what:
    what to do`; docs/slo-lint.md tells every rule. Bucket bounds, traffic and values of labels are read from
    the ledger of the configured database; without one these rules say that they did not look. Exit code 0
    without an error, 1 with one or with a file that is not valid.

    Example: burnline slo lint slos/ --strict
    """
    import time

    from burnline.linting import run

    raise typer.Exit(run(paths or (), settings_of(config), time.time(), strict=strict, as_json=json))


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show budgets and burn rates as the engine last saw them. Example: burnline slo status --json"""
    from storage import slo as store

    rows = store.status(open_database(settings_of(config)))
    if json:
        print_json(rows)
    else:
        print_status(rows, time.time())


@app.command()
def rules(
    paths: Annotated[list[Path], typer.Argument(help="SLO files or folders")],
    out: Annotated[str, typer.Option("--out", "-o", help="File to write; - is standard output")] = "-",
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", help="Engine whose raw metrics carry the signals, as vllm; may be given again"),
    ] = None,
    policy: Annotated[
        Literal["burnline", "workbook", "sloth"],
        typer.Option("--policy", help="Conditions: the engine's own, or those of others for comparison"),
    ] = "burnline",
) -> None:
    """Write SLOs as recording and alerting rules for Prometheus.

    Exit code 0 when every SLO has rules; 1 when some have none: the others are written, and each of these is named on
    standard error with the reason.

    Example: burnline slo rules slos/ --engine vllm --out burnline.rules.yaml
    """
    from burnline.rules import write_rules

    told = write_rules(paths, out, engine or (), policy)
    for line in told.lines:
        typer.echo(line, err=True)
    raise typer.Exit(0 if told.complete else 1)


def print_status(rows: list[dict[str, Any]], now: float | None = None) -> None:
    """The status as a table; what is unknown is a dash with its reason.

    `now`: Unix seconds, from which it tells how long a budget lasts; without it, until when.
    """
    from core.forecast import outlook

    lines = []
    for row in rows:
        group = ",".join(f"{k}={v}" for k, v in row["group"].items())
        burn = " ".join(f"{w}:{r:.2g}" for w, r in row["burn_rates"].items() if r is not None)
        lines.append(
            [
                row["state"],
                row["slo"],
                group or "-",
                _sli(row),
                _percent(row["budget_remaining"]),
                burn or "-",
                "; ".join(note for note in (outlook(row, now), row["reason"]) if note),
            ]
        )
    table(lines, ["STATE", "SLO", "GROUP", "SLI", "BUDGET LEFT", "BURN", "NOTE"])


def _sli(row: dict[str, Any]) -> str:
    """The SLI; that of a sample with its interval."""
    if not row["objective"]:
        return _plain(row["sli"])
    interval = row.get("interval")
    return _percent(row["sli"]) + (f" ({_percent(interval[0])} to {_percent(interval[1])})" if interval else "")


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.3%}"


PathsArgument = Annotated[
    list[Path] | None, typer.Argument(help="OpenSLO files or folders [default: those of engine.slos]")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept, and shown wherever it matters")]
ByOption = Annotated[str | None, typer.Option(help="Who [default: you]")]


@app.command()
def plan(
    paths: PathsArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="For CI: exit 0 without changes, 2 with changes, 1 on any error")
    ] = False,
    judge: Annotated[
        bool, typer.Option("--backtest/--no-backtest", help="With budgets, and the alerts of the last 30 days")
    ] = True,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what SLO files would change against what is in force; nothing is written.

    What is added, removed and changed; what would be left of each group's budget; and which alerts would have fired in
    the last 30 days, before and after. Exit codes: 0 done, 1 an error; with --check 2 where there are changes.

    Examples: burnline slo plan slos/;  burnline slo plan slos/ --check --json
    """
    from burnline.slo_sets import views, words
    from core.errors import BurnlineError

    try:
        found = _planned(paths, config, judge=judge)[0]
    except BurnlineError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    said = views.plan_view(found)
    if json:
        print_json(said)
    else:
        for line in words.plan_lines(said):
            typer.echo(line)
    raise typer.Exit(2 if check and found.changes else 0)


@app.command()
def apply(
    paths: PathsArgument = None,
    reason: ReasonOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    accept: Annotated[
        bool, typer.Option("--accept-lost-budget", help="Even where a spent budget would then look unspent")
    ] = False,
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Put SLO files in force: shows the plan, asks, and records the files with who, when and why, in one transaction.

    The engine follows what is applied where engine.slo_source is `applied`. It is in force at its next tick.

    Exit codes: 0 applied, or nothing to apply; 1 the answer was no, or a fault; 2 wrong files or options.

    Example: burnline slo apply slos/ --reason "p99 target agreed with support"
    """
    from burnline.slo_sets import change, views, words

    why = change.reason_of(reason)
    found, wanted, present, settings = _planned(paths, config, judge=True)
    for line in words.plan_lines(views.plan_view(found)):
        typer.echo(line)
    if not found.changes and present.last_applied is not None:
        return
    if not yes and not typer.confirm("put these in force?"):
        raise typer.Exit(1)
    database = open_database(settings)
    number = change.put_in_force(
        database,
        settings,
        wanted,
        found,
        present.last_applied,
        by or getpass.getuser(),
        why,
        time.time(),
        accept=accept,
    )
    typer.echo(f"applied as set {number}")
    if settings.engine.slo_source != "applied":
        typer.echo(
            "note: the engine follows the files of engine.slos until engine.slo_source is set to applied", err=True
        )


@app.command()
def history(
    name: Annotated[str, typer.Argument(help="An SLO, in force or not any more")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List what an SLO has been: sets that changed it, revisions of its objective, and resets, oldest first.

    --json has the text of the file, too. Example: burnline slo history ttft
    """
    from burnline.slo_sets import words
    from burnline.slo_sets.history import history as told

    found = told(open_database(settings_of(config)), name)
    if json:
        print_json(found)
    else:
        table(list(words.history_lines(found)), ["AT", "KIND", "BY", "WHAT", "REASON"])


@app.command()
def reset(
    name: Annotated[str, typer.Argument(help="An SLO in force")],
    reason: ReasonOption = "",
    group: Annotated[
        list[str] | None, typer.Option("--group", help="label=value that a group must have [default: every group]")
    ] = None,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let the budget of an SLO count anew from this minute on. It is audited, and marked on every chart.

    What was bad before no longer counts against the window's budget. Burn rates are what they were: an alert that fires
    goes on until it is over.

    Example: burnline slo reset ttft --group model=llama --reason "a proxy counted health checks as failures, INC-97"
    """
    from burnline.backtesting.report import reset_view
    from burnline.slo_sets import change

    why = change.reason_of(reason)
    database = open_database(settings_of(config))
    made, rows = change.reset(database, name, group or [], by or getpass.getuser(), why, time.time())
    if json:
        print_json([reset_view(one) for one in made])
        return
    for row in rows:
        labels = ",".join(f"{k}={v}" for k, v in row["group"].items())
        typer.echo(
            f"{name} {labels or '-'}: budget left was {_percent(row['budget_remaining'])}; it counts anew from now on"
        )


def _planned(
    paths: list[Path] | None, config: Path | None, *, judge: bool
) -> tuple[Plan, list[Path], InForce, Settings]:
    from burnline.backtesting.progress import on_stderr
    from burnline.slo_sets.change import planned
    from burnline.slo_sets.in_force import in_force
    from burnline.slo_sets.plan import plan as compared

    settings = settings_of(config)
    wanted, slos = planned(settings, paths or [])
    database = open_database(settings)
    present = in_force(settings, database)
    with on_stderr() as stage:
        found = compared(database, settings.database_url, present, slos, time.time(), stage, judge=judge)
    return found, wanted, present, settings
