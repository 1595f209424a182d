"""`burnline slo lint`: which files are looked at, with which facts, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from burnline.settings import Settings
from core.errors import BurnlineError
from slo_engine.lint import Facts, Report, lint
from slo_engine.packs import pack_documents
from slo_engine.specs.files import read_documents
from slo_engine.specs.model import Problem, Slo
from slo_engine.specs.openslo import SpecSet, read_set


def run(paths: Sequence[Path], settings: Settings, now: float, *, strict: bool, as_json: bool) -> int:
    """Look and say; returns the exit code. `now` is Unix seconds."""
    specs = _read(paths, settings)
    report = lint(specs, facts_of(settings, specs.catalogue.slos, now))
    if as_json:
        typer.echo(json.dumps(as_document(report), indent=2, allow_nan=False, ensure_ascii=False))
    else:
        _say(report)
    return 1 if report.fails(strict=strict) else 0


def as_document(report: Report) -> dict[str, Any]:
    """The JSON of docs/schemas/slo-lint.json."""
    return {
        "findings": [
            {
                "file": f.file,
                "line": f.line,
                "rule": f.rule,
                "severity": f.severity,
                "message": f.message,
                "advice": f.advice,
            }
            for f in report.findings
        ],
        "unchecked": [{"rule": u.rule, "reason": u.reason} for u in report.unchecked],
        "problems": [{"file": p.file, "line": p.line, "message": p.message} for p in report.problems],
    }


def facts_of(settings: Settings, slos: Sequence[Slo], now: float) -> Facts:
    """What the ledger says; why it says nothing, where there is none or it cannot be read."""
    from burnline.cli.common import open_database  # noqa: PLC0415 - the database is slow to import
    from slo_engine.lint.ledger import read_facts  # noqa: PLC0415 - likewise

    cap = settings.collector.group_cap
    try:
        database = open_database(settings)
        try:
            return read_facts(database, slos, now, cap)
        finally:
            database.dispose()
    except BurnlineError as error:
        return Facts(unknown=f"the ledger was not read ({' '.join(str(error).split())})", cap=cap)


def _read(paths: Sequence[Path], settings: Settings) -> SpecSet:
    """The files that were named; else what the configuration has in force."""
    found: list[Problem] = []
    documents = [] if paths else [one for name in settings.engine.packs for one in pack_documents(name)]
    documents += read_documents(paths or settings.engine.slos, found)
    return read_set(documents, found, lenient=settings.engine.lenient)


def _say(report: Report) -> None:
    for finding in report.findings:
        typer.echo(str(finding))
    for problem in report.problems:
        typer.echo(str(problem), err=True)
    for unchecked in report.unchecked:
        typer.echo(f"not checked: [{unchecked.rule}] {unchecked.reason}", err=True)
    errors = sum(finding.severity == "error" for finding in report.findings)
    invalid = f"; {len(report.problems)} times not valid" if report.problems else ""
    typer.echo(f"{errors} errors, {len(report.findings) - errors} warnings{invalid}", err=True)
