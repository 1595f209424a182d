"""The OpenSLO v1 reader: files in, a catalogue of SLOs and problems out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.yaml import Document
from slo_engine.specs.files import Object, read_documents, read_objects
from slo_engine.specs.model import Catalogue, Problem, Slo
from slo_engine.specs.reading import read_slo
from slo_engine.specs.references import Index, check_references, index


def load(paths: Sequence[Path]) -> Catalogue:
    """Read files and folders (recursively) as one set.

    Nothing is raised for what stands in a file: a broken object becomes a problem, the sound ones become SLOs.
    """
    found: list[Problem] = []
    return _catalogue(read_documents(paths, found), found)


def read(documents: Sequence[Document]) -> Catalogue:
    """Read documents that are loaded already, as one set."""
    return _catalogue(documents, [])


def _catalogue(documents: Sequence[Document], found: list[Problem]) -> Catalogue:
    objects = read_objects(documents, found)
    known = index(objects)
    check_references(objects, known)
    slos = _slos(objects, known)
    return Catalogue(slos, tuple(sorted(set(found))))


def _slos(objects: Sequence[Object], known: Index) -> tuple[Slo, ...]:
    taken: dict[str, Slo] = {}
    for item in objects:
        if item.kind != "SLO" or not item.sound or known.get((item.kind, item.name)) is not item:
            continue
        for slo in read_slo(item, known):
            if slo.name in taken:
                item.node.report(f"the objective's name {slo.name!r} is taken by {taken[slo.name].source}")
            else:
                taken[slo.name] = slo
    return tuple(sorted(taken.values(), key=lambda slo: (slo.source.file, slo.source.line, slo.name)))
