"""One text of another tool, read and converted."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.yaml import load_text
from slo_engine.specs.model import Problem, Slo
from slo_engine.specs.openslo import read_set


class Read(NamedTuple):
    """What became of a text: the objects as OpenSLO, the SLOs, and what was said (kind, line, key) or is wrong."""

    objects: list[Any]
    slos: list[Slo]
    problems: list[Problem]
    said: list[tuple[str, int, str]]

    @property
    def slo(self) -> Slo:
        """The only one."""
        (one,) = self.slos
        return one

    @property
    def sli(self) -> Any:
        """The SLI of the only object, as it was written."""
        (one,) = self.objects
        return one["spec"]["indicator"]["spec"]

    def of(self, kind: str) -> list[str]:
        """The keys that something of a kind was said about."""
        return [key for found, _, key in self.said if found == kind]


def read(text: str) -> Read:
    """Read a text as a file that is called `a.yaml`."""
    found = read_set(load_text(text, "a.yaml"), [])
    objects = [item.node.value for item in found.objects if item.origin]
    said = [(remark.kind, remark.line, remark.key) for remark in found.remarks]
    return Read(objects, list(found.catalogue.slos), list(found.catalogue.problems), said)
