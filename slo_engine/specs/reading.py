"""From a sound SLO object to the neutral model: one Slo for each objective."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from core.buckets import HOURS
from core.durations import DAY, HOUR, parse_openslo
from slo_engine.specs.budget_policy import KEY as BUDGET_POLICY
from slo_engine.specs.budget_policy import read_budget_policy
from slo_engine.specs.composing import component_of, shared_by, unsupported_composite
from slo_engine.specs.exclude import KEY as EXCLUDE
from slo_engine.specs.exclude import read_exclude
from slo_engine.specs.files import Object
from slo_engine.specs.indicators import by_of, exact, read_indicator, unsupported_sli
from slo_engine.specs.kinds import is_composite
from slo_engine.specs.model import (
    AlertCondition,
    Alerting,
    BudgetPolicy,
    Calendar,
    Composite,
    Counted,
    Exclude,
    Override,
    Slo,
    SumRatio,
)
from slo_engine.specs.node import Node, nearest
from slo_engine.specs.overrides import NAME as OVERRIDE
from slo_engine.specs.overrides import check_overrides, has_overrides, read_overrides
from slo_engine.specs.policies import dead, read_conditions
from slo_engine.specs.references import Index
from slo_engine.specs.slicing import in_slices, is_sampled, is_sliced, unsupported_slices

PREFIX = "burnline/"
ANNOTATIONS = ("enabled", "page", "ticket", "runbook", "depends-on", "exclude", "budget-policy")

SHORTEST_WINDOW = HOUR
"""Burn windows are whole minutes: under an hour most of them would be the same one."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2200

_OF_A_SAMPLE = "a sampled SLO has no budget policy: the gate judges the interval of its rate; leave it out"
_OF_A_COMPOSITE = "a composite has no budget policy: it has no events to say when a level is known; leave it out"

_NO_WORD = re.compile(r"[^a-z0-9]+")


class _Frame(NamedTuple):
    """What the objectives of one SLO share."""

    group: str
    spec: Node
    annotations: Mapping[str, str]
    alerting: Alerting
    overrides: tuple[Override, ...]
    exclude: Exclude | None
    budget_policy: BudgetPolicy | None
    conditions: tuple[AlertCondition, ...]
    notes: tuple[str, ...]


def read_slo(item: Object, known: Index) -> Iterator[Slo]:
    """Every objective of a sound SLO; faults of Burnline's own parts are reported on the way."""
    before = len(item.node.found)
    slos = list(_read_objectives(item, known))
    check_overrides(item.node, slos)
    # An override that is broken must not leave its groups under another target unseen.
    if has_overrides(item.node) and len(item.node.found) > before:
        return
    yield from slos


def _read_objectives(item: Object, known: Index) -> Iterator[Slo]:
    spec = item.node.get("spec") or item.node
    shared = _annotations(item.node), _alerting(item.node), read_overrides(item.node), read_exclude(item.node)
    budget_policy = read_budget_policy(item.node)
    notes: list[str] = []
    conditions = read_conditions(spec, known, notes)
    frame = _Frame(item.name, spec, *shared, budget_policy, conditions, tuple(notes))
    if is_composite(spec):
        yield from _read_composite(item, frame, known)
        return
    objectives = _objectives(spec)
    for name, objective in zip(_names(item.name, objectives), objectives, strict=True):
        sli = _sli(objective, known) or _sli(spec, known)
        if sli is None:
            continue
        before = len(objective.found)
        slo = _slo(frame, name, objective, sli)
        if slo.sampled:
            _refuse_page(item.node)
            _refuse_exclude(item.node)
            _refuse_budget_policy(item.node, _OF_A_SAMPLE)
            slo = replace(slo, alerting=replace(slo.alerting, page=False))
        if len(objective.found) == before:
            yield slo


def _read_composite(item: Object, frame: _Frame, known: Index) -> Iterator[Slo]:
    """The components as SLOs of their own, which alert with nothing, and the composite of them."""
    objectives = _objectives(frame.spec)
    quiet = replace(frame.alerting, page=False, ticket=False)
    own = MappingProxyType({key: value for key, value in frame.annotations.items() if key != f"{PREFIX}depends-on"})
    silent = frame._replace(annotations=own, alerting=quiet, budget_policy=None, conditions=(), notes=())
    _refuse_budget_policy(item.node, _OF_A_COMPOSITE)
    before = sum(len(objective.found) for objective in objectives)
    names = [f"{item.name}-{part}" for part in _parts(objectives)]
    slis = [_sli(objective, known) for objective in objectives]
    pairs = zip(names, objectives, slis, strict=True)
    parts = [(_slo(silent, name, objective, sli), objective) for name, objective, sli in pairs if sli]
    if sum(len(objective.found) for objective in objectives) > before or _is_broken(objectives, slis):
        return
    reason = unsupported_composite(frame.spec, [slo for slo, _ in parts], len(objectives))
    whole = _composite(item, frame, parts)
    yield from (replace(slo, unsupported=reason) for slo in (whole, *(slo for slo, _ in parts)))


def _is_broken(objectives: list[Node], slis: list[Node | None]) -> bool:
    """Whether a component's indicator is one that was reported already."""
    return any(sli is None and objective.get("indicatorRef") for objective, sli in zip(objectives, slis, strict=True))


def _composite(item: Object, frame: _Frame, parts: list[tuple[Slo, Node]]) -> Slo:
    window = _window_seconds(frame.spec)
    return Slo(
        name=item.name,
        group=item.name,
        service=frame.spec.text("service"),
        description=frame.spec.text("description"),
        indicator=Composite(tuple(component_of(slo, objective) for slo, objective in parts)),
        objective=0.0,
        objective_exact=Fraction(0),
        threshold=None,
        op=None,
        window_seconds=window,
        by=shared_by([slo for slo, _ in parts]),
        alerting=frame.alerting,
        annotations=frame.annotations,
        source=item.node.document.place(item.node.path),
        notes=frame.notes,
        conditions=frame.conditions,
        calendar=_calendar(frame.spec),
        exclude=frame.exclude,
    )


def _slo(frame: _Frame, name: str, objective: Node, sli: Node) -> Slo:
    spec = frame.spec
    source_reason = unsupported_sli(sli)
    sliced, owner = is_sliced(spec), name if frame.exclude else ""
    counted = None if source_reason else read_indicator(sli, objective, sliced=sliced)
    target = _target(objective)
    window = _window_seconds(spec)
    reasons = [source_reason, *_reasons(spec, window)]
    if sliced:
        reasons.append(unsupported_slices(spec, objective, counted, window))
    conditions, notes = _conditions(frame, counted, target)
    threshold, op = objective.get("value"), objective.get("op")
    return Slo(
        name=name,
        group=frame.group,
        service=spec.text("service"),
        description=spec.text("description") or sli.text("description"),
        indicator=in_slices(counted, spec, objective, owner) if sliced and counted else counted,
        objective=float(target),
        objective_exact=target,
        threshold=float(threshold.value) if threshold else None,
        op=op.value if op else None,
        window_seconds=window,
        by=by_of(counted) if counted else (),
        alerting=frame.alerting,
        annotations=frame.annotations,
        source=objective.document.place(objective.path),
        unsupported="; ".join(reason for reason in reasons if reason) or None,
        notes=notes,
        conditions=conditions,
        calendar=_calendar(spec),
        overrides=frame.overrides,
        exclude=frame.exclude,
        budget_policy=frame.budget_policy,
    )


def _objectives(spec: Node) -> list[Node]:
    node = spec.get("objectives")
    objectives = node.items() if node else []
    sli = spec.at("indicator", "spec")
    if not objectives and sli and unsupported_sli(sli) is None:
        (node or spec).report("an SLO that is to be measured needs an objective")
    return objectives


def _names(slo: str, objectives: list[Node]) -> list[str]:
    """The SLO's own name for a single objective; else with the slug of displayName, or the index, behind it."""
    if len(objectives) == 1:
        return [slo]
    return [f"{slo}-{part}" for part in _parts(objectives)]


def _parts(objectives: list[Node]) -> list[str]:
    """What tells objectives apart: the slug of displayName where no other has it, else the index."""
    slugs = [_NO_WORD.sub("-", node.text("displayName").lower()).strip("-") for node in objectives]
    return [slug if slug and slugs.count(slug) == 1 else str(index) for index, slug in enumerate(slugs)]


def _sli(holder: Node, known: Index) -> Node | None:
    """The spec of the SLI that stands inline or behind a reference."""
    if inline := holder.at("indicator", "spec"):
        return inline
    ref = holder.get("indicatorRef")
    item = known.get(("SLI", str(ref.value))) if ref else None
    return item.node.get("spec") if item and item.sound else None


def _target(objective: Node) -> Fraction:
    if target := objective.get("target"):
        return exact(target.value)
    percent = objective.get("targetPercent")
    return exact(percent.value) / 100 if percent else Fraction(0)


def _time_window(spec: Node) -> Node:
    windows = spec.get("timeWindow")
    return windows.items()[0] if windows else spec


def _window_seconds(spec: Node) -> int:
    return parse_openslo(_time_window(spec).text("duration"))


def _reasons(spec: Node, window: int) -> Iterator[str]:
    """What of an SLO this version reads and checks, but cannot serve."""
    if window < SHORTEST_WINDOW:
        yield "windows of less than 1h are not served: alert windows are whole minutes"
    if (start := _time_window(spec).at("calendar", "startTime")) and not _FIRST_YEAR <= _local(start).year < _LAST_YEAR:
        yield f"calendar windows are served with a startTime from {_FIRST_YEAR} to {_LAST_YEAR - 1}"
    if window > HOURS.retention:
        yield f"windows of more than {HOURS.retention // DAY}d are not served: counts are not kept longer"


def _calendar(spec: Node) -> Calendar | None:
    calendar = _time_window(spec).get("calendar")
    start = calendar.get("startTime") if calendar else None
    if calendar is None or start is None:
        return None
    duration = _time_window(spec).text("duration")
    return Calendar(_local(start), calendar.text("timeZone"), int(duration[:-1]), duration[-1])


def _local(start: Node) -> datetime:
    return datetime.fromisoformat(str(start.value))


def _conditions(
    frame: _Frame, counted: Counted | None, target: Fraction
) -> tuple[tuple[AlertCondition, ...], tuple[str, ...]]:
    """The alert conditions of an objective, and notes on what has no effect."""
    if counted is None:
        return (), ()
    if frame.conditions and is_sampled(counted):
        return (), (*frame.notes, "alertPolicies have no effect on a sampled SLO: its tickets follow the burn table")
    judged = [] if isinstance(counted, SumRatio) else [one for one in frame.conditions if one.breaching]
    never = [note for one in judged if (note := dead(one, 1 - target))]
    return frame.conditions, (*frame.notes, *never)


def _annotations(slo: Node) -> Mapping[str, str]:
    node = slo.at("metadata", "annotations")
    return MappingProxyType({key: str(value.value or "") for key, value in node.entries()} if node else {})


def _alerting(slo: Node) -> Alerting:
    """The burnline/ annotations of an SLO; one that is unknown or no boolean is reported."""
    node = slo.at("metadata", "annotations")
    if node is None:
        return Alerting()
    for key, value in node.entries():
        short = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and short not in ANNOTATIONS and not OVERRIDE.fullmatch(key):
            known = [*(PREFIX + name for name in ANNOTATIONS), f"{PREFIX}override-1"]
            value.report(f"Burnline has no annotation {key!r}{nearest(key, known)}")
    return Alerting(
        enabled=_flag(node, "enabled"),
        page=_flag(node, "page"),
        ticket=_flag(node, "ticket"),
        runbook=node.text(f"{PREFIX}runbook") or None,
    )


def _refuse_page(slo: Node) -> None:
    page = slo.at("metadata", "annotations", f"{PREFIX}page")
    if page and page.value == "true":
        page.report("a sampled SLO never pages: its rate is what a detector flags, uncorrected; leave page out")


def _refuse_exclude(slo: Node) -> None:
    exclude = slo.at("metadata", "annotations", EXCLUDE)
    if exclude:
        exclude.report("a sampled SLO excludes nothing: its verdicts are weighed by what was drawn")


def _refuse_budget_policy(slo: Node, why: str) -> None:
    policy = slo.at("metadata", "annotations", BUDGET_POLICY)
    if policy:
        policy.report(why)


def _flag(annotations: Node, name: str) -> bool:
    value = annotations.get(f"{PREFIX}{name}")
    if value and value.value not in ("true", "false"):
        value.report(f'must be "true" or "false", not {value.value!r}')
    return value is None or value.value == "true"
