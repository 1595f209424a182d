"""What `burnline slo validate` answers with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from slo_engine.specs.dialects import Remark
from slo_engine.specs.model import Problem
from slo_engine.specs.openslo import load_set

__all__ = ["Problem", "Validation", "examine", "validate"]


class Validation(NamedTuple):
    """What is wrong, and what was read only leniently; both in the order of file and line."""

    problems: tuple[Problem, ...]
    notes: tuple[Remark, ...]


def validate(paths: Sequence[Path]) -> list[Problem]:
    """Every problem of the files and folders, read as one set, in the order of file and line."""
    return list(examine(paths).problems)


def examine(paths: Sequence[Path], *, lenient: bool = False) -> Validation:
    """The same with what leniency let pass."""
    found = load_set(paths, lenient=lenient)
    return Validation(found.catalogue.problems, tuple(one for one in found.remarks if one.kind == "lenient"))
