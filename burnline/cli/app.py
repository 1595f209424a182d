"""The command tree, and how errors leave it.

Exit codes: 0 done; 1 the answer is no (a broken SLO file, a rejected page, a gate that is shut); 2 wrong use or
configuration; 3 a gate has not enough data; 4 done, with losses (`slo convert`).
"""

from __future__ import annotations

import typer

from burnline.cli import (
    backtest,
    canaries,
    config,
    db,
    debug,
    demo,
    deployments,
    gate,
    incidents,
    ledger,
    maintenance,
    parts,
    shards,
    silences,
    slo,
    tokens,
)
from burnline.cli import eval as evaluation
from core.errors import BurnlineError, ConfigError

app = typer.Typer(
    name="burnline",
    help="Burnline: SLOs, burn rates and pages for fleets of LLM servers.\n\n"
    "Examples:\n\n"
    "  burnline up --demo                 a demo fleet, scraped and judged, until Ctrl-C\n\n"
    "  burnline up                        the same for your fleet, as burnline.yaml says\n\n"
    "  burnline config check              is burnline.yaml right?\n\n"
    "  burnline slo validate slos/        are these SLO files right?\n\n"
    "  burnline slo convert sloth.yaml    the same SLOs as OpenSLO\n\n"
    "  burnline slo status                budgets and burn rates now\n\n"
    "  burnline engines identify page.txt what can be measured on this metrics page?",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

parts.register(app)
app.command("backtest")(backtest.backtest)
demo.register(app)
gate.register(app)
app.add_typer(db.app, name="db")
app.add_typer(config.app, name="config")
app.add_typer(slo.app, name="slo")
app.add_typer(silences.app, name="silence")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(incidents.app, name="incident")
app.add_typer(canaries.app, name="canary")
app.add_typer(debug.engines, name="engines")
app.add_typer(debug.app, name="debug")
app.add_typer(ledger.app, name="ledger")
app.add_typer(deployments.app, name="deployment")
app.add_typer(tokens.app, name="token")
app.add_typer(shards.app, name="shard")
app.add_typer(evaluation.app, name="eval")


def run(commands: typer.Typer) -> int:
    """Run the command line; returns the exit code."""
    try:
        commands()
    except ConfigError as error:
        return _say(str(error), 2)
    except BurnlineError as error:
        return _say(str(error), 1)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def _say(text: str, code: int) -> int:
    typer.echo(text, err=True)
    return code
