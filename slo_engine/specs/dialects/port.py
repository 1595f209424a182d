"""What every dialect is read into, and what is said about the reading.

A dialect's file reads one document of its tool into `Foreign` objectives. `writing.py` makes OpenSLO v1 of them, which
keeps the places of the source, so everything after it (rules, references, the engine) is the same as for OpenSLO files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from core.matchers import Selector
from slo_engine.specs.node import Node

DEFAULT_PERIOD = "30d"
"""What Sloth takes where its program is told nothing else; neither it nor slo-generator writes a period into a file."""

RemarkKind = Literal["lost", "ignored", "chosen", "lenient"]


@dataclass(frozen=True, order=True)
class Remark:
    """What became of one key. lost: Burnline has no place for it; ignored: its own tool drops it silently;
    chosen: carried over, and how, where there was a choice; lenient: read though OpenSLO's SDK refuses it. `line`
    counts from 1."""

    file: str
    line: int
    key: str
    kind: RemarkKind
    message: str

    @property
    def is_loss(self) -> bool:
        """Whether the key has no effect."""
        return self.kind in ("lost", "ignored")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {f'{self.key}: ' if self.key else ''}{self.message}"


@dataclass
class Notes:
    """Collects remarks while a document is read."""

    remarks: list[Remark] = field(default_factory=list)

    def lost(self, node: Node, why: str) -> None:
        """A key that could not be carried over."""
        self._add(node, "lost", why)

    def ignored(self, node: Node, why: str) -> None:
        """A key that the dialect's own tool drops without a word."""
        self._add(node, "ignored", why)

    def chosen(self, node: Node, what: str) -> None:
        """How a key was carried over."""
        self._add(node, "chosen", what)

    def lenient(self, node: Node, what: str) -> None:
        """What was read though OpenSLO's SDK refuses it."""
        self._add(node, "lenient", what)

    def _add(self, node: Node, kind: RemarkKind, message: str) -> None:
        place = node.document.place(node.path)
        self.remarks.append(Remark(place.file, place.line, node.name, kind, message.replace("\n", " ")))


@dataclass(frozen=True)
class Counted:
    """Events of two selectors on raw series, counted exactly."""

    part: Selector
    total: Selector
    part_is_good: bool
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fast:
    """Values of a classic histogram (named without _bucket) at or below `seconds` are good."""

    histogram: Selector
    seconds: float
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What two PromQL queries say of each minute."""

    part: str
    total: str
    part_is_good: bool
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """A source that Burnline cannot count, as its tool wrote it: one that tells a ratio of good or of bad."""

    type: str
    spec: Mapping[str, Any]
    ratio_of_good: bool


Sli = Counted | Fast | Asked | Kept


class PeerAlert(NamedTuple):
    """An alert that the dialect's own tool would make: fires above `factor` times the sustainable burn rate."""

    severity: str
    factor: Fraction
    windows: str


@dataclass(frozen=True)
class Foreign:
    """One objective of another tool. `at` is its place, `target_at` that of its target, `sli_at` that of its SLI.

    `target` stays as it was written: above 0, under 100 where it is `in_percent`, else under 1. `window` is an OpenSLO
    duration.
    """

    name: str
    service: str
    description: str
    target: float
    window: str
    sli: Sli
    at: Node
    target_at: Node
    sli_at: Node
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    alerts: tuple[PeerAlert, ...] = ()
    in_percent: bool = True


Reader = Callable[[Node, Notes, str], list[Foreign]]
"""Reads one object: files problems at its nodes, remarks in the notes; the text is the period where none is written."""
