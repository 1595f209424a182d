"""`burnline slo`: files and status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

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
        print_status(rows)


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


def print_status(rows: list[dict[str, Any]]) -> None:
    """The status as a table; what is unknown is a dash with its reason."""
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
                row["reason"] or "",
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
