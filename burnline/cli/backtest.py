"""`burnline backtest`: which alerts would have fired."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

if TYPE_CHECKING:
    from burnline.backtesting.asked import Side, Span
    from burnline.backtesting.history import History
    from burnline.backtesting.progress import Stage
    from burnline.settings import Settings
    from collector.settings import PrometheusServer


def backtest(
    slo: Annotated[
        list[Path] | None,
        typer.Option("--slo", help="SLO file or folder; may be given again [with --ledger: in force]"),
    ] = None,
    openmetrics: Annotated[
        Path | None, typer.Option("--openmetrics", help="Judge this OpenMetrics text with timestamps")
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option("--prometheus", help="Judge raw samples of this server: a URL, or a name in collector.prometheus"),
    ] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Judge the live ledger, which is only read")] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="RFC 3339, Unix seconds, or back from now as -7d, now-30d")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The same; by default as far as there are counts")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Compare with another burn table, or with other SLO files")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write charts to this .html, .png or .svg file, a panel for each SLO")
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option("--match", help="With a URL: selector of the targets to read; may be given again"),
    ] = None,
    bearer_token_file: Annotated[
        Path | None, typer.Option("--bearer-token-file", help="With a URL: file that holds its bearer token")
    ] = None,
    lead: Annotated[
        str | None,
        typer.Option(
            "--lead", help="With --prometheus: read so much before --from [default: the longest alert window]"
        ),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell which burn-rate alerts would have fired over a history, by the decisions of the live engine.

    SLO files count as if they had been in force all the time; SLOs in force (--ledger without --slo) with the
    objectives that they had. Nothing is written to the live database. Progress is shown on stderr.

    Exit codes: 0 it was judged, whatever fired; 1 a fault of the database; 2 wrong options, files or server.

    Examples: burnline backtest --slo slos/ --ledger --from now-7d --against stricter.yaml;
    burnline backtest --slo slos/ --openmetrics day.om --plot day.html;
    burnline backtest --slo slos/ --prometheus http://prometheus:9090 --match '{job="vllm"}' --from now-2d --json
    """
    from burnline.backtesting.progress import on_stderr
    from burnline.backtesting.report import report
    from burnline.backtesting.run import run

    _one_source(openmetrics, prometheus, ledger)
    _writable(plot)
    settings = settings_of(config)
    span = _span(start, end)
    side = _side(slo, settings, ledger=ledger)
    sides = [side, *_other(against, side, settings)]
    with on_stderr() as stage:
        if openmetrics:
            opened = _file(openmetrics, sides, span, settings, stage)
        elif prometheus:
            server = _server(prometheus, match, bearer_token_file, settings)
            opened = _read(server, sides, span, lead, settings, stage)
        else:
            opened = nullcontext(_live(settings, span, as_was=not slo))
        with opened as history:
            result = run(history, sides, stage, burns=plot is not None)
            if plot is not None:
                from burnline.backtesting.plot import save

                save(result, plot)
    _say(report(result), plot, json=json)


def _say(found: dict[str, Any], plot: Path | None, *, json: bool) -> None:
    from burnline.backtesting import words

    if json:
        print_json(found)
        return
    for line in words.summary(found):
        typer.echo(line)
    if found["alerts"]:
        typer.echo("")
        table(words.alerts(found["alerts"]), words.HEADER)
    if found["against"] and found["against"]["differences"]:
        typer.echo("")
        header = ["SEVERITY", "SLO", "GROUP", "FIRING", "OTHER FIRING", "THE OTHER IS"]
        table(words.differences(found["against"]["differences"]), header)
    for note in found["notes"]:
        typer.echo(f"note: {note}")
    if plot is not None:
        typer.echo(f"charts: {plot}")


def _one_source(openmetrics: Path | None, prometheus: str | None, ledger: bool) -> None:
    from core.errors import ConfigError

    if sum((openmetrics is not None, prometheus is not None, ledger)) != 1:
        raise ConfigError("say what to judge: one of --openmetrics FILE, --prometheus URL and --ledger")


def _writable(plot: Path | None) -> None:
    from core.errors import ConfigError

    if plot is not None and plot.suffix not in (".html", ".png", ".svg"):
        raise ConfigError(f"--plot {plot}: the name must end in .html, .png or .svg")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise ConfigError(f"--plot {plot}: the folder {plot.parent} does not exist")


def _span(start: str | None, end: str | None) -> Span:
    from burnline.backtesting.asked import Span
    from burnline.times import parse_moment

    now = time.time()
    first, last = (None if text is None else parse_moment(text, now) for text in (start, end))
    return Span(first, last)


def _side(paths: list[Path] | None, settings: Settings, *, ledger: bool) -> Side:
    from burnline.backtesting.asked import Side, read_slos
    from core.errors import ConfigError

    if paths:
        return Side(", ".join(map(str, paths)), read_slos(paths, lenient=settings.engine.lenient))
    if not ledger:
        raise ConfigError("--slo is needed: which SLOs should be judged? Only with --ledger are there some in force")
    from burnline.slo_sets.in_force import slos_in_force

    return Side("SLOs in force", slos_in_force(settings, open_database(settings)))


def _other(against: Path | None, side: Side, settings: Settings) -> list[Side]:
    from burnline.backtesting.asked import read_against

    return [] if against is None else [read_against(against, side, lenient=settings.engine.lenient)]


def _live(settings: Settings, span: Span, *, as_was: bool) -> History:
    from dataclasses import replace

    from burnline.backtesting.history import live
    from slo_engine.tick import stored_revisions

    database = open_database(settings)
    history = live(database, settings.database_url, span, time.time())
    return replace(history, as_was=stored_revisions(database)) if as_was else history


def _file(
    file: Path, sides: list[Side], span: Span, settings: Settings, stage: Stage
) -> AbstractContextManager[History]:
    from burnline.backtesting.history import of_openmetrics

    return of_openmetrics(file, _every(sides), span, settings.collector.dimensions, stage)


def _read(
    server: PrometheusServer, sides: list[Side], span: Span, lead: str | None, settings: Settings, stage: Stage
) -> AbstractContextManager[History]:
    from burnline.backtesting.run import longest_alert_window
    from burnline.backtesting.server import of_server
    from core.durations import parse_prometheus
    from core.errors import ConfigError

    if span.start is None:
        raise ConfigError("--prometheus needs --from: raw samples are read from then on, as --from now-7d")
    before = parse_prometheus(lead) if lead else longest_alert_window(sides)
    end = time.time() - server.delay if span.end is None else min(span.end, time.time() - server.delay)
    return of_server(server, _every(sides), span.start, end, before, settings.collector.dimensions, stage)


def _server(address: str, match: list[str] | None, token: Path | None, settings: Settings) -> PrometheusServer:
    from pydantic import ValidationError

    from collector.settings import PrometheusServer
    from core.errors import ConfigError

    known = {server.name: server for server in settings.collector.prometheus}
    if address in known:
        return known[address]
    if not address.startswith(("http://", "https://")):
        names = f"; there are {', '.join(sorted(known))}" if known else ""
        raise ConfigError(f"--prometheus {address!r} is no URL, and no server of collector.prometheus{names}")
    try:
        given = tuple(match or ('{job=~".+"}',))
        return PrometheusServer(name="backtest", url=address, match=given, bearer_token_file=token)
    except ValidationError as error:
        reasons = "; ".join(str(one["msg"]).removeprefix("Value error, ") for one in error.errors())
        raise ConfigError(f"--match: {reasons}") from None


def _every(sides: list[Side]) -> list[Any]:
    """The SLOs of all sides, for what they need counted: the same name may stand on both."""
    from dataclasses import replace

    first = list(sides[0].slos)
    return [*first, *(replace(slo, name=f"{slo.name} (against)") for side in sides[1:] for slo in side.slos)]
