"""What people change: a set that is put in force, and a budget that counts anew. Both are audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from burnline.backtesting.asked import read_slos
from burnline.settings import Settings
from burnline.slo_sets.plan import Plan
from burnline.slo_sets.views import counts
from core.errors import ConfigError
from core.measures import group_key
from slo_engine.catalogue import refuse_doubles
from slo_engine.packs import load_pack
from slo_engine.sets import describe_set, files_of, read_set
from slo_engine.specs.model import Slo
from storage import slo as store
from storage import slo_sets
from storage.database import Database
from storage.slo_sets import StoredReset


def planned(settings: Settings, paths: Sequence[Path]) -> tuple[list[Path], tuple[Slo, ...]]:
    """The files that are asked for (by default those of engine.slos) and their SLOs, which may stand beside the packs;
    SpecError with every fault."""
    wanted = list(paths) or list(settings.engine.slos)
    if not wanted:
        raise ConfigError("say which SLO files: as `burnline slo plan slos/`, or set engine.slos")
    slos = read_slos(wanted, lenient=settings.engine.lenient)
    refuse_doubles([*(slo for name in settings.engine.packs for slo in load_pack(name).slos), *slos])
    return wanted, slos


def reason_of(text: str) -> str:
    """A reason that says something; ConfigError otherwise."""
    if not text.strip():
        raise ConfigError('--reason is empty: say why, as --reason "p99 target agreed with support, SRE-412"')
    return text.strip()


def put_in_force(
    database: Database,
    settings: Settings,
    paths: Sequence[Path],
    found: Plan,
    last_applied: int | None,
    actor: str,
    reason: str,
    now: float,
    *,
    accept: bool,
) -> int:
    """Record the files as the set that is wanted; returns its number. `accept`: spent budgets may look unspent.

    ConfigError where they may not, or another set was applied meanwhile: then nothing is changed.
    """
    if found.wiped and not accept:
        names = ", ".join(sorted({one.slo for one in found.wiped}))
        raise ConfigError(
            f"{names}: a budget that is spent would look unspent, and an edit must not do that. To let it count anew, "
            "say so with `burnline slo reset NAME --reason TEXT`; to apply this nevertheless, give --accept-lost-budget"
        )
    files = files_of(paths)
    slos = describe_set(read_set(files, lenient=settings.engine.lenient))
    return slo_sets.apply(database, files, slos, actor, reason, now, counts(found), last_applied)


def reset(
    database: Database, name: str, groups: Sequence[str], actor: str, reason: str, now: float
) -> tuple[list[StoredReset], list[dict[str, Any]]]:
    """Let the budgets of an SLO's groups count anew from now on; the resets, and the status rows that they concern.

    `groups`: label=value that a group must have; none are all groups, those to come too.
    """
    rows = [row for row in store.status(database) if row["slo"] == name]
    _resettable(database, name, rows)
    if not groups:
        return [slo_sets.reset(database, name, None, now, actor, reason, now)], rows
    wanted = dict(map(_pair, groups))
    meant = [row for row in rows if wanted.items() <= row["group"].items()]
    if not meant:
        there = "; ".join(_said(row["group"]) for row in rows)
        raise ConfigError(f"no group of {name} is {_said(wanted)}; there are {there}")
    return [slo_sets.reset(database, name, group_key(row["group"]), now, actor, reason, now) for row in meant], meant


def _resettable(database: Database, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        known = ", ".join(sorted({row["slo"] for row in store.status(database)}))
        raise ConfigError(f"no SLO in force is named {name!r}; there are {known or 'none: has the engine run?'}")
    if any(row.get("sampled") for row in rows):
        raise ConfigError(f"{name} is about a sample: its budget is an estimate over its window, and cannot be reset")


def _pair(text: str) -> tuple[str, str]:
    label, equals, value = text.partition("=")
    if not (label and equals):
        raise ConfigError(f"--group {text!r}: write label=value")
    return label, value


def _said(group: Mapping[str, str]) -> str:
    return ",".join(f"{label}={value}" for label, value in group.items()) or "the whole fleet"
