"""What `burnline slo validate` answers with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slo_engine.specs.model import Problem
from slo_engine.specs.openslo import load

__all__ = ["Problem", "validate"]


def validate(paths: Sequence[Path]) -> list[Problem]:
    """Every problem of the files and folders, read as one set, in the order of file and line."""
    return list(load(paths).problems)
