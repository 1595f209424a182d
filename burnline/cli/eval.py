"""`burnline eval`: the detectors on files, without a fleet."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, settings_of
from core.errors import ConfigError

app = typer.Typer(help="Detectors: score answers of a file.", rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def main() -> None:
    """Detectors: score answers of a file."""


@app.command()
def score(
    input: Annotated[Path, typer.Option(help="JSON Lines: id, output, and where there are: prompt, context (a list)")],  # noqa: A002 - the option's name
    output: Annotated[Path, typer.Option(help="Where the scores go; a run that was cut off goes on there")],
    detectors: Annotated[str, typer.Option(help="Names with commas between [default: those that are enabled]")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda [default: evaluator.device]")] = "",
    config: ConfigOption = None,
) -> None:
    """Score the answers of a file. Exit code 1 when a line could not be read or a detector could not judge at all.

    Example: burnline eval score --input answers.jsonl --output scores.jsonl --detectors pii,secrets
    """
    from safety_eval import files

    settings = settings_of(config).evaluator
    if device:
        settings = settings.model_copy(update={"device": _one_of(device, ("auto", "cpu", "cuda"), "device")})
    names = _names(detectors)
    job = files.plan(input, output)
    with _Progress(job.size) as progress:
        outcome = files.run(job, names, settings, progress)
    typer.echo(f"{outcome.scored} scored, {outcome.skipped} were already, {outcome.bad} bad lines", err=True)
    for name, reason in outcome.unavailable.items():
        typer.echo(f"{name} {reason}: its scores are failed", err=True)
    raise typer.Exit(1 if outcome.bad or outcome.unavailable else 0)


class _Progress:
    """A bar on stderr over the bytes of the input; bad lines are printed above it."""

    def __init__(self, size: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task("loading models", total=size)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def at(self, place: int, scored: int) -> None:
        """`place` bytes of the input are done."""
        self._bar.update(self._task, completed=place, description=f"{scored} scored")

    def say(self, text: str) -> None:
        """A line for people."""
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _names(text: str) -> list[str] | None:
    from safety_eval.loading import DETECTORS

    names = [name.strip() for name in text.split(",") if name.strip()]
    return [_one_of(name, tuple(DETECTORS), "detector") for name in dict.fromkeys(names)] or None


def _one_of(given: str, known: tuple[str, ...], what: str) -> str:
    if given in known:
        return given
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    raise ConfigError(f"unknown {what} {given!r}: {hint}")
