"""`burnline slo convert`: what it prints and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from core.durations import parse_openslo
from core.errors import ConfigError, ParseError, Place
from slo_engine.specs.converting import Conversion, Written, convert_files

ALL, WRONG, LOSSES = 0, 1, 4
"""Exit codes: everything was carried over; a file is wrong; something was not carried over."""


def run(paths: Sequence[Path], out: str, period: str, *, force: bool, as_json: bool) -> int:
    """Convert, write and say; returns the exit code."""
    _check_period(period)
    found = convert_files(paths, period)
    files = {} if out == "-" or found.problems else _write(found.documents, Path(out), force=force)
    if as_json:
        typer.echo(json.dumps(as_document(found, files), indent=2, allow_nan=False, ensure_ascii=False))
    elif out == "-" and not found.problems:
        typer.echo("---\n".join(document.text for document in found.documents), nl=False)
    _say(found)
    return WRONG if found.problems else LOSSES if found.losses else ALL


def as_document(found: Conversion, files: dict[str, Path]) -> dict[str, Any]:
    """The JSON of docs/schemas/slo-convert.json."""
    return {
        "documents": [
            {
                "name": document.name,
                "tool": document.tool,
                "file": document.source.file,
                "line": document.source.line,
                "written_to": str(files[document.name]) if document.name in files else None,
                "object": document.value,
            }
            for document in found.documents
        ],
        "remarks": [
            {"file": r.file, "line": r.line, "key": r.key, "kind": r.kind, "message": r.message} for r in found.remarks
        ],
        "problems": [{"file": p.file, "line": p.line, "message": p.message} for p in found.problems],
    }


def _check_period(period: str) -> None:
    try:
        seconds = parse_openslo(period)
    except (ParseError, ValueError) as error:
        raise ConfigError(str(error), Place("--period", 0)) from None
    if seconds <= 0:
        raise ConfigError(f"{period!r} is no time at all", Place("--period", 0))


def _write(documents: Sequence[Written], folder: Path, *, force: bool) -> dict[str, Path]:
    """One file an SLO, by its name; none is replaced unless that was asked for."""
    files = {document.name: folder / f"{document.name}.yaml" for document in documents}
    there = [str(path) for path in files.values() if path.exists()]
    if there and not force:
        raise ConfigError(f"exists already: --force replaces it ({len(there)} do)", Place(there[0], 0))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for document in documents:
            files[document.name].write_text(document.text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", Place(str(folder), 0)) from None
    return files


def _say(found: Conversion) -> None:
    for line in (*found.problems, *found.remarks):
        typer.echo(str(line), err=True)
    if found.problems:
        typer.echo("nothing was written: correct what is wrong first", err=True)
    elif not found.documents:
        typer.echo("nothing to convert: these files have no SLO of Sloth, Pyrra or slo-generator", err=True)
    else:
        typer.echo(f"{len(found.documents)} SLOs; {found.losses} keys are lost or ignored", err=True)
