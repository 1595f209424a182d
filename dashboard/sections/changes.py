"""What changed in the last day: deployments, versions that appeared, canaries, objectives. Trouble follows change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import streamlit as st

from core.durations import DAY
from dashboard import words
from dashboard.filters import Filters
from dashboard.markup import cell, row, table, tag
from dashboard.sections.canaries import title
from dashboard.sections.signs import heading, nothing
from dashboard.snapshot import Snapshot
from storage.deployments import Deployment
from storage.fleet import TargetHealth

MOST = 12


class Change(NamedTuple):
    """One change at a time (Unix seconds)."""

    at: float
    kind: str
    text: str
    by: str


def show(taken: Snapshot, filters: Filters) -> None:
    """Newest first."""
    found = sorted(changes(taken, filters), reverse=True)
    st.html(heading("What changed", "in the day before" if taken.past else "in the last day"))
    if not found:
        st.html(nothing("Nothing that was registered or seen: no deployment, no new version, no new objective."))
        return
    rows = [
        row(words.since(one.at, taken.now), tag("strong", one.kind), one.text, cell(one.by)) for one in found[:MOST]
    ]
    st.html(table(("When", "What", "", "Who told"), rows))
    if len(found) > MOST:
        st.html(nothing(f"{len(found) - MOST} earlier ones are not listed."))


def changes(taken: Snapshot, filters: Filters) -> Iterable[Change]:
    """Everything known of the day before `until` that the filters mean."""
    for one in taken.deployments:
        if filters.covers(_group(one.model, one.version, one.region)):
            yield Change(one.at, "deployment", _deployment(one), one.created_by)
    for canary in taken.canaries:
        group = _group(canary.model, canary.version, canary.region)
        if taken.until - DAY <= canary.started_at <= taken.until and filters.covers(group):
            yield Change(canary.started_at, "canary", title(canary), "seen in traffic")
    for version, since in new_versions(taken.targets, taken.until):
        if filters.covers({"version": version}):
            yield Change(since, "new version", f"first target with version {version}", "discovery")
    yield from _revisions(taken, filters)


def _revisions(taken: Snapshot, filters: Filters) -> Iterable[Change]:
    """One line for all that one reading of the files changed."""
    together: dict[float, list[str]] = {}
    for revision in taken.revisions:
        if filters.takes(revision.slo):
            together.setdefault(revision.since, []).append(revision.slo)
    for since, names in together.items():
        said = "a new revision is" if len(names) == 1 else "new revisions are"
        yield Change(since, "objective", f"{', '.join(sorted(names))}: {said} in force", "SLO file")


def new_versions(targets: Sequence[TargetHealth], until: float) -> list[tuple[str, float]]:
    """Versions whose first target came in the day before `until`, when older ones were there already."""
    first: dict[str, float] = {}
    for target in targets:
        for group in target.groups:
            if version := group.get("version"):
                first[version] = min(target.watched_since, first.get(version, target.watched_since))
    oldest = min(first.values(), default=until)
    return [(version, since) for version, since in first.items() if max(oldest + 1, until - DAY) <= since <= until]


def _deployment(one: Deployment) -> str:
    share = "" if one.share is None else f" to {words.percent(one.share, 0)} of the traffic"
    where = words.group(_group(one.model, one.version, one.region))
    return f"{where}{share}{f': {one.note}' if one.note else ''}"


def _group(model: str | None, version: str, region: str | None) -> dict[str, str]:
    given = {"model": model, "version": version, "region": region}
    return {name: value for name, value in given.items() if value is not None}
