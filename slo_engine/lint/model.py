"""Rules and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from core.errors import Place
from slo_engine.lint.facts import Facts
from slo_engine.specs.model import Problem
from slo_engine.specs.openslo import SpecSet

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """Something to change; `line` counts from 1."""

    file: str
    line: int
    rule: str
    severity: Severity
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity}: [{self.rule}] {self.message}: {self.advice}"


class Unchecked(NamedTuple):
    """What a rule could not look at, and why."""

    rule: str
    reason: str


class Hit(NamedTuple):
    """What a rule says of a place; its severity where it is not that of the rule."""

    place: Place
    message: str
    advice: str
    severity: Severity | None = None


@dataclass(frozen=True)
class Subject:
    """What rules look at: the files, and what the ledger says of their SLOs."""

    specs: SpecSet
    facts: Facts


Check = Callable[[Subject], Iterator[Hit | str]]
"""Finds; a text instead of a hit says what could not be checked."""


class Rule(NamedTuple):
    """One rule. `title` is what it finds, in a line."""

    id: str
    severity: Severity
    title: str
    check: Check


@dataclass(frozen=True)
class Report:
    """Everything that was found, could not be checked, or is no valid file to begin with."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    problems: tuple[Problem, ...]

    def fails(self, *, strict: bool) -> bool:
        """Whether anything must be changed: an error; with `strict` a warning too."""
        return bool(self.problems) or any(strict or finding.severity == "error" for finding in self.findings)
