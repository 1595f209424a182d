"""`burnline slo rules`: SLO files as a Prometheus rule file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer

from burnline.raw_series import signals_of_engines
from core.errors import ConfigError, Place, SpecError
from slo_engine.rules import Generated, RulePolicy, generate, render_groups
from slo_engine.specs import load
from slo_engine.specs.model import Slo


class Told(NamedTuple):
    """What is said beside the rules, line by line, and whether every SLO that is in force has rules."""

    lines: tuple[str, ...]
    complete: bool


def write_rules(paths: Sequence[Path], out: str, engines: Sequence[str], policy: str) -> Told:
    """Write the rules of SLO files to `out`, or to standard output where that is `-`.

    ConfigError for an unknown engine or a file that cannot be written, SpecError for SLO files that are wrong.
    """
    signals = signals_of_engines(engines)
    slos = _slos(paths)
    wanted = [slo for slo in slos if slo.alerting.enabled]
    generated = generate(wanted, signals, RulePolicy(policy))
    _write(out, render_groups(generated.groups))
    off = tuple(_line(slo, "off by burnline/enabled: no rules") for slo in slos if not slo.alerting.enabled)
    return Told((*off, *_said(generated, wanted)), not generated.left_out)


def _slos(paths: Sequence[Path]) -> Sequence[Slo]:
    catalogue = load(list(paths))
    if catalogue.problems:
        raise SpecError("\n".join(str(problem) for problem in catalogue.problems))
    if not catalogue.slos:
        raise SpecError(f"no SLO in {', '.join(map(str, paths))}")
    return catalogue.slos


def _said(generated: Generated, slos: Sequence[Slo]) -> tuple[str, ...]:
    places = {slo.name: slo for slo in slos}
    notes = (_line(places[name], f"note: {text}") for name, text in generated.notes)
    return (*notes, *(_line(one.slo, f"no rules: {one.reason}") for one in generated.left_out))


def _line(slo: Slo, text: str) -> str:
    return f"{slo.source}: {slo.name}: {text}"


def _write(out: str, text: str) -> None:
    if out == "-":
        typer.echo(text, nl=False)
        return
    path = Path(out)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:  # whole or not at all: Prometheus may be reading it
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", Place(out, 0)) from None
