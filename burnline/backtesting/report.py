"""A backtest as JSON: docs/schemas/backtest.schema.json says what each field is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from burnline.backtesting.run import Outcome, Result
from core.durations import render
from core.measures import group_from_key
from slo_engine.backtest import Course, Difference, Incident, Zone
from slo_engine.specs.model import Slo
from slo_engine.status import iso
from slo_engine.windows import BurnRow
from storage.slo_sets import StoredReset

VERSION = 1


def report(result: Result) -> dict[str, Any]:
    """The whole of it; times in RFC 3339, budgets and rates null where nothing was counted."""
    history = result.history
    return {
        "version": VERSION,
        "source": {"kind": history.kind, "name": history.name},
        "from": iso(history.start),
        "to": iso(history.end),
        "resolution": [_zone(zone) for zone in result.zones],
        **_outcome(result.here),
        "resets": [reset_view(one) for one in result.resets],
        "against": None if result.there is None else _against(result.there, result.differences),
        "notes": list(result.notes),
    }


def _zone(zone: Zone) -> dict[str, Any]:
    return {"from": iso(zone.ends[0]), "to": iso(zone.ends[-1]), "step": render(zone.width)}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    counts = {"pages": outcome.count("page"), "tickets": outcome.count("ticket"), "only_pending": outcome.only_pending}
    return {
        "counts": counts,
        "alerts": [incident_view(one) for one in outcome.incidents],
        "slos": [_slo(slo, outcome) for slo in outcome.side.slos],
    }


def incident_view(one: Incident) -> dict[str, Any]:
    """One alert that would have fired."""
    return {
        "slo": one.slo,
        "group": dict(one.group),
        "severity": one.severity,
        "starts_at": iso(one.starts_at),
        "firing_at": iso(one.firing_at),
        "resolved_at": iso(one.resolved_at),
        "row": None if one.row is None else row_view(one.row),
        "budget_remaining": {
            "start": one.budget_at_start,
            "firing": one.budget_at_firing,
            "resolved": one.budget_at_resolved,
        },
    }


def row_view(row: BurnRow) -> dict[str, Any]:
    """A row of a burn table."""
    return {"severity": row.severity, "long": render(row.long), "short": render(row.short), "factor": float(row.factor)}


def _slo(slo: Slo, outcome: Outcome) -> dict[str, Any]:
    lanes = [lane for lane in outcome.lanes if lane.formula.slo is slo]
    own = [one for one in outcome.incidents if one.slo == slo.name]
    return {
        "slo": slo.name,
        "objective": slo.objective or None,
        "window": render(slo.window_seconds),
        "policy": [row_view(row) for row in lanes[0].policy.rows] if lanes else [],
        "groups": [_lane(lane, [one for one in own if one.group == lane.group]) for lane in lanes],
    }


def _lane(lane: Course, own: Iterable[Incident]) -> dict[str, Any]:
    severities = [one.severity for one in own]
    return {
        "group": dict(lane.group),
        "pages": severities.count("page"),
        "tickets": severities.count("ticket"),
        "budget": [{"at": iso(point.at), "remaining": point.budget} for point in lane.course],
    }


def reset_view(one: StoredReset) -> dict[str, Any]:
    """A budget that counts anew."""
    return {
        "slo": one.slo,
        "group": None if one.group_key is None else dict(group_from_key(one.group_key)),
        "at": iso(one.at),
        "by": one.actor,
        "reason": one.reason,
    }


def _against(there: Outcome, apart: Iterable[Difference]) -> dict[str, Any]:
    return {"name": there.side.name, **_outcome(there), "differences": [_difference(one) for one in apart]}


def _difference(one: Difference) -> dict[str, Any]:
    shown = one.here or one.there
    assert shown is not None
    return {
        "slo": shown.slo,
        "group": dict(shown.group),
        "severity": shown.severity,
        "change": one.change,
        "seconds": one.seconds,
        "firing_at": None if one.here is None else iso(one.here.firing_at),
        "other_firing_at": None if one.there is None else iso(one.there.firing_at),
    }
