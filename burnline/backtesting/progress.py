"""How far a long command is, on stderr; silent where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[int, int], None]
Stage = Callable[[str], Told]


def silent(_label: str) -> Told:
    """Tells nobody."""
    return lambda _done, _whole: None


@contextmanager
def on_stderr() -> Iterator[Stage]:
    """A bar for each stage; the stage hears how much of how much is done (of 0: nobody knows how much there is)."""
    from rich.console import Console  # noqa: PLC0415 - 60 ms to import
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bars:

        def stage(label: str) -> Told:
            task = bars.add_task(label, total=None)
            return lambda done, whole: bars.update(task, completed=done, total=whole or None)

        yield stage
