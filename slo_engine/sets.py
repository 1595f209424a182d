"""Sets of SLO files as text: how they are read from folders, read back, and what each of their SLOs says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.durations import render
from core.errors import ConfigError, Place, SpecError
from core.yaml import load_text
from slo_engine.describe import describe, policy
from slo_engine.specs import openslo
from slo_engine.specs.files import spec_files
from slo_engine.specs.model import Problem, Slo
from storage.slo_sets import SpecFile


def files_of(paths: Sequence[Path]) -> tuple[SpecFile, ...]:
    """The texts of files and folders, named from their folder on, so that a set is the same wherever it lies."""
    found: list[SpecFile] = []
    problems: list[Problem] = []
    for path in paths:
        for file in spec_files([path], problems):
            name = str(file.relative_to(path)) if path.is_dir() else file.name
            taken = any(one.name == name for one in found)
            found.append(SpecFile(str(file) if taken else name, _text(file)))
    return tuple(found)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", Place(str(file), 0)) from None


def read_set(files: Iterable[SpecFile], *, lenient: bool = False) -> tuple[Slo, ...]:
    """The SLOs of a stored set; SpecError with every fault, as a later version may read more strictly."""
    documents = [document for one in files for document in load_text(one.text, one.name) if document.value is not None]
    catalogue = openslo.read_set(documents, [], lenient=lenient).catalogue
    if catalogue.problems:
        raise SpecError("\n".join(str(problem) for problem in catalogue.problems))
    return catalogue.slos


def describe_set(slos: Iterable[Slo]) -> dict[str, dict[str, Any]]:
    """What each SLO says of itself, by name, in plain data: what is compared when a set changes."""
    return {slo.name: _described(slo) for slo in slos}


def _described(slo: Slo) -> dict[str, Any]:
    alerting = slo.alerting
    return {
        "objective": str(slo.objective_exact),
        "window": render(slo.window_seconds),
        "indicator": None if slo.unsupported else describe(slo),
        "alerting": {
            "enabled": alerting.enabled,
            "page": alerting.page,
            "ticket": alerting.ticket,
            "runbook": alerting.runbook,
            "rows": [] if slo.unsupported else policy(slo),
        },
        **({"budget_policy": dict(slo.budget_policy.levels)} if slo.budget_policy else {}),
        "threshold": slo.threshold,
        "service": slo.service,
        "description": slo.description,
        "unsupported": slo.unsupported,
        "file": slo.source.file,
        "line": slo.source.line,
    }
