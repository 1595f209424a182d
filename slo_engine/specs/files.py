"""Files, documents and objects: everything that can be wrong before a kind's own rules are asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import ConfigError
from core.yaml import Document, Path_, load_file
from slo_engine.specs.dialects import (
    API_VERSION,
    DEFAULT_PERIOD,
    Converted,
    Remark,
    convert,
    dialect_of,
    refusal,
    version_of,
)
from slo_engine.specs.kinds import KINDS
from slo_engine.specs.model import Problem
from slo_engine.specs.node import Node, nearest, problem_at

ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Object:
    """One OpenSLO v1 object of a known kind; `sound` when its own rules found nothing.

    `origin` is there where it was written for another tool and converted.
    """

    kind: str
    name: str
    node: Node
    sound: bool
    origin: Converted | None = None


def read_documents(paths: Sequence[Path], found: list[Problem]) -> list[Document]:
    """Every document of the files and folders; what cannot be read is reported, a file named twice is read once."""
    documents: list[Document] = []
    seen: set[str] = set()
    for path in spec_files(paths, found):
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        try:
            loaded = [document for document in load_file(path) if document.value is not None]
        except ConfigError as error:
            place = error.place
            found.append(Problem(place.file if place else str(path), place.line if place else 0, error.message))
            continue
        if not loaded:
            found.append(Problem(str(path), 0, "is empty"))
        documents += loaded
    return documents


def spec_files(paths: Sequence[Path], found: list[Problem]) -> Iterator[Path]:
    """The files themselves, and those in folders (recursively); a folder without any is reported."""
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if _is_spec(file, path))
            if not inside:
                found.append(Problem(str(path), 0, f"holds no file that ends in {', '.join(ENDINGS)}"))
            yield from inside
        else:
            yield path


def _is_spec(file: Path, folder: Path) -> bool:
    """Hidden files and folders are left out: a mounted ConfigMap keeps a second copy of its files in one."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix in ENDINGS and not hidden and file.is_file()


def read_objects(
    documents: Sequence[Document], found: list[Problem], remarks: list[Remark], period: str = DEFAULT_PERIOD
) -> list[Object]:
    """Every object of a known kind, checked by itself; those of other tools as the OpenSLO objects they become.

    `remarks` takes what is to be said about these. `period` is the window where their files have none.
    """
    refused: set[tuple[str, str]] = set()
    objects = []
    for document in documents:
        for node in _roots(document, found):
            if version_of(node.value) == API_VERSION:
                objects += _checked(node)
            elif dialect := dialect_of(node.value):
                converted = convert(dialect, node, period, remarks)
                objects += [replace(item, origin=one) for one in converted for item in _written(one, found)]
            elif isinstance(node.value, dict):
                # One error for a file of another dialect, not one for each of its objects.
                message = refusal(node.value)
                if (document.file, message) not in refused:
                    found.append(problem_at(document, node.path, message))
                refused.add((document.file, message))
            else:
                node.report(f"must be a mapping, not {node.type}")
    return objects


def _written(converted: Converted, found: list[Problem]) -> list[Object]:
    """The object of a converted document, checked as if it had been written as OpenSLO."""
    return _checked(Node(converted.document, (), converted.document.value, found))


def _roots(document: Document, found: list[Problem]) -> list[Node]:
    """A document is one object, a list of objects, or Kubernetes's List of them."""
    paths: list[Path_] = [(i,) for i in range(len(document.value))] if isinstance(document.value, list) else [()]
    if not paths:
        found.append(problem_at(document, (), "is an empty list"))
    nodes = [Node(document, p, document.value[p[0]] if p else document.value, found, len(p)) for p in paths]
    return [root for node in nodes for root in _unpacked(node)]


def _unpacked(node: Node) -> list[Node]:
    """The items of a Kubernetes List, which `kubectl get -o yaml` prints; else the object itself."""
    items = node.get("items")
    if version_of(node.value) != "v1" or node.text("kind") != "List" or not (items and items.items()):
        return [node]
    return [replace(item, base=len(item.path)) for item in items.items()]


def _checked(node: Node) -> list[Object]:
    kind = node.text("kind")
    if kind not in KINDS:
        there = node.get("kind")
        (there or node).report(f"{kind!r} is not a kind{nearest(kind, KINDS)}" if there else "kind is required")
        return []
    before = len(node.found)
    KINDS[kind](node)
    name = node.at("metadata", "name")
    return [Object(kind, str(name.value) if name else "", node, len(node.found) == before)]
