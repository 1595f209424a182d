"""Which version is a canary, beside which baseline, and when that is over: pure functions of what has been seen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.buckets import HOURS, MINUTES
from storage.canaries import Canary
from storage.deployments import Deployment
from storage.ledger.rows import RowKey

GONE_AFTER = 900.0
"""A version without targets and requests for this long (seconds) has left."""
_TOGETHER = 600.0
"""Versions first seen within this time of each other came together: who came last says nothing then."""
_ENOUGH_TO_TELL = 20
"""Requests before the smaller of two such versions is called the canary."""
_SAME_ARRIVAL = 86_400.0
"""A canary that began up to this long after (or before) its version was first seen is the one of that arrival: late
counts move the first sight."""


class Serving(NamedTuple):
    """A version of a model that serves now; `requests` of the last hour."""

    version: str
    first_seen: float
    regions: frozenset[str]
    requests: int


class Start(NamedTuple):
    """A canary that is to begin at `at`."""

    version: str
    baseline: str
    region: str | None
    at: float
    deployment_id: int | None


class Sightings:
    """When each version of a model was first seen: to the minute where the ledger still has minutes."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], dict[int, int]] = {}

    def note(self, model: str, version: str, key: RowKey) -> None:
        """A bucket that holds anything of a version."""
        widths = self._first.setdefault((model, version), {})
        widths[key.width] = min(key.bucket, widths.get(key.width, key.bucket))

    def first(self, model: str, version: str) -> float | None:
        """Start of the first bucket, by the narrowest width that reaches back as far; None if never seen."""
        widths = self._first.get((model, version))
        if not widths:
            return None
        minute, oldest = widths.get(MINUTES.width), min(widths.values())
        return float(oldest if minute is None or minute >= oldest + HOURS.width else minute)


def start_of_canary(
    model: str,
    serving: Sequence[Serving],
    known: Iterable[Canary],
    deployments: Iterable[Deployment],
    end: float,
    max_duration: float,
) -> Start | None:
    """The canary that begins for a model, if one does. `known`: this model's canaries so far, ended or not."""
    known = list(known)
    registered = _registered(model, serving, known, deployments, end, max_duration)
    return registered or _newest(serving, known, end, max_duration)


def deployment_of(canary: Canary, deployments: Iterable[Deployment]) -> int | None:
    """The first registered step of a running canary."""
    steps = [one for one in deployments if one.version == canary.version and _covers(canary, one)]
    return min(steps, key=lambda one: (one.at, one.id)).id if steps else None


def over(canary: Canary, present: Mapping[str, bool], end: float, max_duration: float) -> str | None:
    """Why a canary is over at `end`, if it is. `present`: by version, targets or requests in the last GONE_AFTER."""
    if end - canary.started_at >= max_duration:
        return "it ran for the longest time that is set"
    if end - canary.started_at < GONE_AFTER:
        return None
    gone = [version for version in (canary.version, canary.baseline) if not present.get(version)]
    return f"{' and '.join(gone)} left" if gone else None


def canary_id(model: str, version: str, at: float) -> str:
    """`<model>:<version>:<start>`, safe in a URL; what is not safe becomes `-`, and a digest keeps names apart."""
    plain = f"{model}:{version}"
    safe = re.sub(r"[^A-Za-z0-9._~:-]+", "-", plain)
    digest = "" if safe == plain else f":{hashlib.sha256(plain.encode()).hexdigest()[:6]}"
    return f"{safe}{digest}:{int(at)}"


def _registered(
    model: str,
    serving: Sequence[Serving],
    known: Sequence[Canary],
    deployments: Iterable[Deployment],
    end: float,
    max_duration: float,
) -> Start | None:
    """The newest deployment of the model whose version has no canary of its time."""
    for one in sorted(deployments, key=lambda d: (d.at, d.id), reverse=True):
        if one.model not in (None, model) or not end - max_duration < one.at <= end:
            continue
        if one.model is None and all(v.version != one.version for v in serving):
            continue
        if any(c.deployment_id == one.id or _covers(c, one) for c in known):
            return None
        baseline = _baseline(one.version, serving, one.region)
        return Start(one.version, baseline, one.region, one.at, one.id) if baseline else None
    return None


def _covers(canary: Canary, step: Deployment) -> bool:
    """A ramp registers each of its steps, and its way back: they belong to the canary that runs."""
    near = canary.ended_at is None and step.at >= canary.started_at - _TOGETHER
    return near and step.model in (None, canary.model) and step.version in (canary.version, canary.baseline)


def _newest(serving: Sequence[Serving], known: Sequence[Canary], end: float, max_duration: float) -> Start | None:
    if len(serving) < 2:
        return None
    last = max(one.first_seen for one in serving)
    together = [one for one in serving if last - one.first_seen < _TOGETHER]
    fresh = [one for one in together if not any(_is_of(c, one) for c in known)]
    if end - last >= max_duration or not fresh:
        return None
    if len(together) == len(serving) and not _can_tell(fresh, together):
        return None
    new = min(fresh, key=lambda one: (one.requests, -one.first_seen, one.version))
    baseline = _baseline(new.version, serving, None)
    return Start(new.version, baseline, None, new.first_seen, None) if baseline else None


def _can_tell(fresh: Sequence[Serving], together: Sequence[Serving]) -> bool:
    """Where nobody is older, the smaller one is the canary: that is decided once, and on some traffic."""
    return len(fresh) == len(together) and sum(one.requests for one in together) >= _ENOUGH_TO_TELL


def _is_of(canary: Canary, version: Serving) -> bool:
    """Whether a canary is of this arrival of a version, as the canary or as the one it came together with."""
    near = abs(canary.started_at - version.first_seen) < _SAME_ARRIVAL
    return near and version.version in (canary.version, canary.baseline)


def _baseline(version: str, serving: Sequence[Serving], region: str | None) -> str | None:
    """The other version with the most requests where both serve; where the canary serves not yet, anywhere."""
    own = next((one.regions for one in serving if one.version == version), None)
    wanted = frozenset((region,)) if region is not None else own
    others = [one for one in serving if one.version != version and (wanted is None or wanted & one.regions)]
    return max(others, key=lambda one: (one.requests, one.version)).version if others else None
