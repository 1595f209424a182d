"""What a backtest is asked: SLOs, a span of time, and what else to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core.errors import ConfigError, SpecError
from core.yaml import load_file
from slo_engine.burn import budget_of
from slo_engine.compile import Formula
from slo_engine.evaluate import policy_of
from slo_engine.specs import load
from slo_engine.specs.model import Slo
from slo_engine.windows import BurnPolicy
from slo_engine.windows.own import is_table, policy_by, read_table

PolicyOf = Callable[[Formula], BurnPolicy]


@dataclass(frozen=True)
class Span:
    """From when to when (Unix seconds) alerts are asked for; None is as far as there is anything."""

    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ConfigError("--to must be after --from")


class Side(NamedTuple):
    """SLOs and the burn table that they are watched with."""

    name: str
    slos: tuple[Slo, ...]
    policy: PolicyOf = policy_of


def read_slos(paths: Sequence[Path], *, lenient: bool = False) -> tuple[Slo, ...]:
    """The SLOs of files and folders; SpecError with every fault."""
    catalogue = load(list(paths), lenient=lenient)
    if catalogue.problems:
        raise SpecError("\n".join(str(problem) for problem in catalogue.problems))
    if not catalogue.slos:
        raise SpecError(f"{', '.join(map(str, paths))}: holds no SLO")
    return tuple(catalogue.slos)


def read_against(path: Path, side: Side, *, lenient: bool = False) -> Side:
    """The other side of a comparison: a burn table for the same SLOs, or other SLOs with Burnline's own tables."""
    if path.is_dir():
        return Side(str(path), _named_alike(read_slos([path], lenient=lenient), side.slos))
    documents = load_file(path)
    if len(documents) == 1 and is_table(documents[0]):
        table = read_table(path)

        def policy(formula: Formula) -> BurnPolicy:
            return policy_by(table, budget_of(formula), formula.slo.window_seconds)

        return Side(str(path), side.slos, policy)
    return Side(str(path), _named_alike(read_slos([path], lenient=lenient), side.slos))


def _named_alike(others: tuple[Slo, ...], slos: Sequence[Slo]) -> tuple[Slo, ...]:
    """SLOs are compared by name; ConfigError where no name is on both sides, as nothing could be compared."""
    names = {slo.name for slo in slos}
    if not names & {slo.name for slo in others}:
        raise ConfigError(
            f"--against has {', '.join(sorted(slo.name for slo in others))}, and none of these is compared: SLOs are "
            f"compared by name, and here there are {', '.join(sorted(names))}"
        )
    return others
