"""What `burnline slo convert` answers with: files of other tools as OpenSLO v1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import Place
from core.yaml import dump_text
from slo_engine.specs.dialects import Remark
from slo_engine.specs.files import Object
from slo_engine.specs.model import Problem
from slo_engine.specs.openslo import load_set


class Written(NamedTuple):
    """One SLO as OpenSLO v1: the tool and place that it comes from, and the object."""

    name: str
    tool: str
    source: Place
    value: Any

    @property
    def text(self) -> str:
        """The object as YAML, led by where it comes from."""
        return f"# From {self.source}, a file of {self.tool}.\n{dump_text(self.value)}"


class Conversion(NamedTuple):
    """Everything that was converted, said and wrong."""

    documents: tuple[Written, ...]
    remarks: tuple[Remark, ...]
    problems: tuple[Problem, ...]

    @property
    def losses(self) -> int:
        """How many keys have no effect in what was written."""
        return sum(remark.is_loss for remark in self.remarks)


def convert_files(paths: Sequence[Path], period: str) -> Conversion:
    """Convert files and folders, read as one set; OpenSLO v1 among them is left as it is.

    `period` is the window (an OpenSLO duration) of those whose tool writes none.
    """
    found = load_set(paths, period=period)
    written = tuple(_written(item) for item in found.objects if item.origin and item.sound)
    return Conversion(written, found.remarks, found.catalogue.problems)


def _written(item: Object) -> Written:
    assert item.origin is not None
    document = item.origin.document
    return Written(item.name, item.origin.tool, document.place(()), document.value)
