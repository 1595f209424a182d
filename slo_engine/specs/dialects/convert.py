"""Which dialect reads an object, and what it becomes."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.yaml import Document
from slo_engine.specs.dialects import openslo_v1alpha, pyrra, slo_generator, sloth
from slo_engine.specs.dialects.port import Notes, PeerAlert, Reader, Remark
from slo_engine.specs.dialects.recognise import version_of
from slo_engine.specs.dialects.writing import write
from slo_engine.specs.node import Node


class Dialect(NamedTuple):
    """A tool's files: its name, how they are told (an apiVersion, a version or a key), and what reads them."""

    tool: str
    told_by: str
    read: Reader


class Converted(NamedTuple):
    """An SLO that became an OpenSLO document: what was said on the way, and the alerts that its tool would make."""

    tool: str
    document: Document
    remarks: tuple[Remark, ...]
    alerts: tuple[PeerAlert, ...]


DIALECTS = (
    Dialect(sloth.TOOL, "version: prometheus/v1", sloth.read_file),
    Dialect(sloth.TOOL, "apiVersion: sloth.slok.dev/v1", sloth.read_object),
    Dialect(openslo_v1alpha.TOOL, "apiVersion: openslo/v1alpha", openslo_v1alpha.read),
    Dialect(pyrra.TOOL, "apiVersion: pyrra.dev/v1alpha1", pyrra.read),
    Dialect(slo_generator.TOOL, "apiVersion: sre.google.com/v2", slo_generator.read),
    Dialect(slo_generator.TOOL, "error_budget_policies", slo_generator.read_configuration),
)


def dialect_of(value: Any) -> Dialect | None:
    """The dialect that reads an object; None where none does."""
    if not isinstance(value, dict):
        return None
    tellings = {f"apiVersion: {version_of(value)}"}
    if version_of(value) is None:
        tellings = {f"version: {value.get('version')}", *(str(key) for key in value)}
    return next((dialect for dialect in DIALECTS if dialect.told_by in tellings), None)


def convert(dialect: Dialect, node: Node, period: str, remarks: list[Remark]) -> list[Converted]:
    """The SLOs of an object as OpenSLO documents; problems are filed at its nodes, everything else in `remarks`."""
    notes = Notes()
    objectives = dialect.read(node, notes, period)
    found = []
    for slo in objectives:
        document = write(slo, notes)
        inside = _inside(notes.remarks, slo.at)
        found.append(Converted(dialect.tool, document, inside, slo.alerts))
    remarks += notes.remarks
    return found


def _inside(remarks: list[Remark], at: Node) -> tuple[Remark, ...]:
    """The remarks on an SLO and what stands in it, and on what all SLOs of its object share."""
    siblings = at.name[: at.name.rfind("[") + 1] or "\0"
    return tuple(remark for remark in remarks if remark.key.startswith(at.name) or not remark.key.startswith(siblings))
