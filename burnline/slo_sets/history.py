"""How one SLO came to be what it is: sets that changed it, revisions that the engine began, and resets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from burnline.slo_sets.plan import compare
from core.durations import render
from core.errors import ConfigError
from core.measures import group_from_key
from slo_engine.status import iso
from storage import slo as store
from storage import slo_sets
from storage.database import Database
from storage.slo import StoredRevision
from storage.slo_sets import AppliedSet, StoredReset

VERSION = 1


def history(database: Database, name: str) -> dict[str, Any]:
    """Everything that is known of an SLO, oldest first; ConfigError for a name that nothing is known of."""
    sets, resets = slo_sets.every(database), slo_sets.resets(database, name)
    revisions = [one for one in store.revisions(database) if one.slo == name]
    entries = [*_of_sets(name, sets), *map(_revision, revisions), *map(_reset, resets)]
    if not entries:
        known = sorted({one.slo for one in store.revisions(database)} | {n for one in sets for n in one.slos})
        raise ConfigError(f"nothing is known of an SLO {name!r}; there are {', '.join(known) or 'none yet'}")
    return {"version": VERSION, "slo": name, "entries": [one for _, one in sorted(entries, key=lambda pair: pair[0])]}


def _of_sets(name: str, sets: Iterable[AppliedSet]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each set in which the SLO is not what it was in the set before of the same origin, if there is one."""
    before: dict[str, dict[str, Any]] = {}
    last: dict[str, Any] = {}
    for one in sets:
        here = {name: dict(one.slos[name])} if name in one.slos else {}
        for change in compare(before.get(one.origin, last), here):
            kind = "removed" if change.what == "removed" else one.origin
            said = here.get(name, {})
            text = next((file.text for file in one.files if file.name == said.get("file")), None)
            fields = [{"field": f.field, "before": f.before, "after": f.after} for f in change.fields]
            made = _entry(kind, one.at, one.actor, one.reason or None)
            made |= {"set": one.id, "digest": one.digest, "fields": fields, "text": text}
            yield one.at, made | {"objective": said.get("objective"), "window": said.get("window")}
        before[one.origin] = last = here


def _revision(one: StoredRevision) -> tuple[float, dict[str, Any]]:
    made = _entry("revision", one.since, "engine", None)
    return one.since, made | {"objective": one.objective, "window": render(one.window_seconds), "digest": one.digest}


def _reset(one: StoredReset) -> tuple[float, dict[str, Any]]:
    group = None if one.group_key is None else dict(group_from_key(one.group_key))
    return one.at, _entry("reset", one.at, one.actor, one.reason) | {"group": group}


def _entry(kind: str, at: float, by: str, reason: str | None) -> dict[str, Any]:
    empty: dict[str, Any] = {"objective": None, "window": None, "digest": None, "set": None, "text": None}
    return {"kind": kind, "at": iso(at), "by": by, "reason": reason, "group": None, "fields": [], **empty}
