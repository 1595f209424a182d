"""The OpenSLO v1 reader: files in, a catalogue of SLOs and problems out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import Place
from core.yaml import Document
from slo_engine.specs.dialects import DEFAULT_PERIOD, Remark
from slo_engine.specs.files import Object, read_documents, read_objects
from slo_engine.specs.lenient import Leniency, loosen
from slo_engine.specs.model import Catalogue, Problem, Slo
from slo_engine.specs.reading import read_slo
from slo_engine.specs.references import Index, check_references, index


@dataclass(frozen=True)
class SpecSet:
    """What was read together: the catalogue, its objects, the same by kind and name, and what was said of other
    tools' files."""

    catalogue: Catalogue
    objects: tuple[Object, ...]
    known: Index
    remarks: tuple[Remark, ...]


def load(paths: Sequence[Path], *, lenient: bool = False) -> Catalogue:
    """Read files and folders (recursively) as one set.

    Nothing is raised for what stands in a file: a broken object becomes a problem, the sound ones become SLOs.
    `lenient` also takes what OpenSLO's text or schema allows where its SDK does not.
    """
    return load_set(paths, lenient=lenient).catalogue


def read(documents: Sequence[Document]) -> Catalogue:
    """Read documents that are loaded already, as one set."""
    return read_set(documents, []).catalogue


def load_set(paths: Sequence[Path], *, period: str = DEFAULT_PERIOD, lenient: bool = False) -> SpecSet:
    """Read files and folders as one set, with the objects that its SLOs were made of."""
    found: list[Problem] = []
    return read_set(read_documents(paths, found), found, period=period, lenient=lenient)


def read_set(
    documents: Sequence[Document], found: list[Problem], *, period: str = DEFAULT_PERIOD, lenient: bool = False
) -> SpecSet:
    """The same of documents that are loaded already; `found` holds what was wrong on the way here."""
    remarks: list[Remark] = []
    leniencies: list[Leniency] = []
    if lenient:
        documents, leniencies = loosen(documents)
    objects = read_objects(documents, found, remarks, period)
    known = index(objects)
    check_references(objects, known)
    slos = _slos(objects, known, _by_place(leniencies))
    catalogue = Catalogue(slos, tuple(sorted(set(found))))
    said = {*remarks, *(leniency.remark for leniency in leniencies)}
    return SpecSet(catalogue, tuple(objects), known, tuple(sorted(said)))


def _slos(objects: Sequence[Object], known: Index, leniencies: Mapping[Place, Sequence[str]]) -> tuple[Slo, ...]:
    taken: dict[str, Slo] = {}
    for item in objects:
        if item.kind != "SLO" or not item.sound or known.get((item.kind, item.name)) is not item:
            continue
        for slo in read_slo(item, known):
            if slo.name in taken:
                item.node.report(f"the objective's name {slo.name!r} is taken by {taken[slo.name].source}")
            else:
                taken[slo.name] = _with_notes(slo, item, leniencies)
    return tuple(sorted(taken.values(), key=lambda slo: (slo.source.file, slo.source.line, slo.name)))


def _by_place(leniencies: Sequence[Leniency]) -> Mapping[Place, Sequence[str]]:
    """Notes on what was read leniently, by the place of their object."""
    found: dict[Place, list[str]] = {}
    for leniency in leniencies:
        found.setdefault(leniency.of, []).append(f"{leniency.remark.key}: {leniency.remark.message}")
    return found


def _with_notes(slo: Slo, item: Object, leniencies: Mapping[Place, Sequence[str]]) -> Slo:
    """The SLO with notes on what of another tool's file has no effect, and on what was read leniently."""
    notes = list(leniencies.get(item.node.document.place(item.node.path), ()))
    if item.origin and (lost := len({remark.key for remark in item.origin.remarks if remark.is_loss})):
        notes.append(
            f"of its file for {item.origin.tool}, {lost} keys have no effect: `burnline slo convert` names them"
        )
    return replace(slo, notes=(*slo.notes, *notes)) if notes else slo
