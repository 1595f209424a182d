"""Which dialect reads an object, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from core.yaml import Document
from slo_engine.specs.dialects import openslo_v1alpha, pyrra, slo_generator, sloth
from slo_engine.specs.dialects.port import Notes, PeerAlert, Reader, Remark
from slo_engine.specs.dialects.recognise import version_of
from slo_engine.specs.dialects.writing import write
from slo_engine.specs.node import Node


class Dialect(NamedTuple):
    """A tool's files: its name, how they are told (an apiVersion, a version or a key), and what reads them.

    `exact`: the case of keys matters; it does not where the tool reads with Go's JSON.
    """

    tool: str
    told_by: str
    read: Reader
    exact: bool = False


class Converted(NamedTuple):
    """An SLO that became an OpenSLO document: what was said on the way, and the alerts that its tool would make."""

    tool: str
    document: Document
    remarks: tuple[Remark, ...]
    alerts: tuple[PeerAlert, ...]


DIALECTS = (
    Dialect(sloth.TOOL, "version: prometheus/v1", sloth.read_file, exact=True),
    Dialect(sloth.TOOL, "apiVersion: sloth.slok.dev/v1", sloth.read_object),
    Dialect(openslo_v1alpha.TOOL, "apiVersion: openslo/v1alpha", openslo_v1alpha.read, exact=True),
    Dialect(pyrra.TOOL, "apiVersion: pyrra.dev/v1alpha1", pyrra.read),
    Dialect(slo_generator.TOOL, "apiVersion: sre.google.com/v2", slo_generator.read, exact=True),
    Dialect(slo_generator.TOOL, "error_budget_policies", slo_generator.read_configuration, exact=True),
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
    objectives = dialect.read(replace(node, exact=dialect.exact), notes, period)
    documents = [write(slo, notes) for slo in objectives]
    said = _by_owner(notes.remarks)
    remarks += notes.remarks
    return [
        Converted(dialect.tool, document, tuple(_about(slo.at.name, said)), slo.alerts)
        for slo, document in zip(objectives, documents, strict=True)
    ]


def _by_owner(remarks: list[Remark]) -> dict[str, list[Remark]]:
    """Remarks by the list item that they stand in, such as `slos[3]`; those outside of any under the empty text."""
    found: dict[str, list[Remark]] = {}
    for remark in remarks:
        found.setdefault(remark.key[: remark.key.find("]") + 1], []).append(remark)
    return found


def _about(name: str, said: dict[str, list[Remark]]) -> Iterator[Remark]:
    """What was said of an SLO: in its own item, and outside of all; of the only one of its object everything."""
    if name:
        yield from (*said.get("", ()), *said.get(name, ()))
    else:
        yield from (remark for remarks in said.values() for remark in remarks)
