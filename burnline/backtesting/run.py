"""A backtest as a whole: one side's SLOs over a history, beside another's where one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from burnline.backtesting.asked import Side
from burnline.backtesting.history import History
from burnline.backtesting.progress import Stage, silent
from core.durations import HOUR
from slo_engine.backtest import (
    Course,
    Difference,
    Incident,
    Replay,
    Zone,
    differences,
    incidents,
    load_books,
    measurable,
    zones,
)
from slo_engine.compile import compile_slo
from storage.slo_sets import StoredReset

POINTS = 360
"""Points of a course of the budget: enough for a chart, and quick to judge."""


@dataclass(frozen=True)
class Outcome:
    """What one side would have told. `only_pending`: alerts that never fired, by severity."""

    side: Side
    incidents: tuple[Incident, ...]
    lanes: tuple[Course, ...]
    only_pending: int

    def count(self, severity: str) -> int:
        """Alerts of a severity that fired."""
        return sum(1 for one in self.incidents if one.severity == severity)


@dataclass(frozen=True)
class Result:
    """Everything that is told of a backtest."""

    history: History
    zones: tuple[Zone, ...]
    here: Outcome
    there: Outcome | None
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def resets(self) -> list[StoredReset]:
        """Those of the SLOs that were judged, within the span."""
        names = {slo.name for slo in self.here.side.slos}
        inside = (self.history.start, self.history.end)
        return [one for one in self.history.resets if one.slo in names and inside[0] <= one.at <= inside[1]]


def run(history: History, sides: Sequence[Side], stage: Stage = silent, *, burns: bool = False) -> Result:
    """Judge the first side, and compare it with the second if there is one. `burns`: with burn rates by time."""
    asked = zones(history.database, history.start, history.end)
    reach = max(_reach(side) for side in sides)
    books = load_books(
        history.database,
        [measurable(side.slos) for side in sides],
        history.start - reach - HOUR,
        history.end,
        stage("reading the ledger"),
    )
    moments = sum(len(zone.ends) for zone in asked)
    every = ceil(moments / POINTS) if moments else 0
    outcomes = []
    for side, book in zip(sides, books, strict=True):
        replay = Replay(book, history.as_was, side.policy, history.in_effect, every, burns=burns)
        replay.run(asked, stage(f"judging {side.name}"))
        outcomes.append(_outcome(side, replay))
    here, there = outcomes[0], outcomes[1] if len(outcomes) > 1 else None
    apart = differences(here.incidents, there.incidents) if there else []
    return Result(history, tuple(asked), here, there, tuple(apart), tuple(_notes(history, asked, outcomes)))


def _outcome(side: Side, replay: Replay) -> Outcome:
    found = incidents(replay.moves)
    cleared = sum(1 for move in replay.moves if move.change.transition == "cleared")
    return Outcome(side, tuple(found), (*replay.lanes, *replay.composites), cleared)


def _reach(side: Side) -> int:
    """The longest window (seconds) that is read before the first moment."""
    rows = [row.long for slo in measurable(side.slos) for row in side.policy(compile_slo(slo, {})).rows]
    return max([*rows, *(slo.window_seconds for slo in side.slos)], default=0)


def longest_alert_window(sides: Sequence[Side]) -> int:
    """The longest window (seconds) of any burn table in use."""
    rows = (row for side in sides for slo in measurable(side.slos) for row in side.policy(compile_slo(slo, {})).rows)
    return max((row.long for row in rows), default=0)


def _notes(history: History, asked: Sequence[Zone], outcomes: Sequence[Outcome]) -> list[str]:
    notes = list(history.notes)
    coarse = [zone for zone in asked if zone.width > 60]
    if coarse:
        notes.append(
            "roll-ups keep single minutes for 48 hours and five minutes for 7 days: before that, alerts are judged "
            "every five minutes or every hour, and windows shorter than these are read over one of them"
        )
    if not asked:
        notes.append("nothing was counted in this time: there is nothing to judge")
    for outcome in outcomes:
        notes += _left_out(outcome)
    notes.append("targets that left the fleet are not known afterwards: an alert that ended for that goes on here")
    return list(dict.fromkeys(notes))


def _left_out(outcome: Outcome) -> list[str]:
    slos = outcome.side.slos
    notes = [f"{slo.name} is not judged: {slo.unsupported}" for slo in slos if slo.unsupported]
    notes += [
        f"{slo.name} is not judged: it is about a sample, and what detectors said late would count as if it was known"
        for slo in slos
        if slo.sampled and not slo.unsupported
    ]
    judged = {lane.formula.slo.name for lane in outcome.lanes}
    notes += [f"{slo.name}: nothing was counted for it" for slo in measurable(slos) if slo.name not in judged]
    return notes
