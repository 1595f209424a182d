"""How long the command line takes to answer, against an interpreter that does nothing."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench.harness import Table, Unequal, figure, guarded, python, take_turns, wall

_CONTENDERS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import typer'": ["-c", "import typer"],
    "burnline --help": ["-m", "burnline", "--help"],
}
_EMPTY = "python -c pass"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a command does not answer as it should."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.startup",
        description="Measures the wall time of `burnline --help`, each time in a new process, against `python -c pass` "
        "and the import of its parser, with the same interpreter; the commands take turns, and medians are printed.",
    )
    parser.add_argument("--size", type=int, default=10, help="runs of each command (default: %(default)s)")
    runs = parser.parse_args(argv).size
    return guarded(lambda: _measure(runs))


def _measure(runs: int) -> str:
    for name, arguments in _CONTENDERS.items():
        _verify(name, _answer(arguments))
    seconds = take_turns({name: _timed(arguments) for name, arguments in _CONTENDERS.items()}, runs)
    empty = seconds[_EMPTY]
    rows = [(name, figure(took * 1000), f"{figure(took / empty)}x") for name, took in seconds.items()]
    title = f"Start of the command line: {python()}, median of {runs}"
    return f"{title}\n\n{Table(('command', 'ms', 'of an empty process'), rows)}"


def _timed(arguments: Sequence[str]) -> Callable[[], float]:
    return lambda: wall(lambda: _answer(arguments))


def _answer(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def _verify(name: str, answer: subprocess.CompletedProcess[str]) -> None:
    if answer.returncode or ("--help" in name and "Usage: " not in answer.stdout):
        raise Unequal(f"`{name}` does not answer: status {answer.returncode}, {answer.stderr.strip()[-200:]}")


if __name__ == "__main__":
    sys.exit(main())
