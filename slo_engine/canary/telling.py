"""A verdict as the row that the API answers, and as the alert of a failed canary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log10
from typing import Any

from core.labels import make
from core.statistics import label_test
from core.statistics.label_test import Evidence
from slo_engine import absence
from slo_engine.absence import Sign
from slo_engine.canary.judge import Compared, Finding, combined, measured
from slo_engine.conditions import Level
from slo_engine.settings import CanarySettings
from slo_engine.status import iso
from storage.canaries import Canary

CANARY = "canary regression"
"""Stands for the SLO in the alert's identity; an SLO's own name has no space."""
_DIGITS = 6


def row(canary: Canary, finding: Finding, compared: Sequence[Compared], settings: CanarySettings) -> dict[str, Any]:
    """The verdict of `GET /api/v1/canaries/{id}/verdict`. Unknown numbers are null."""
    e_value = label_test.bounded_exp(finding.log_e)
    before = canary.verdict.get("p_value")
    leading = finding.leading
    return {
        **_identity(canary),
        "state": finding.state.value,
        "reason": finding.reason,
        "e_value": rounded(e_value),
        "p_value": rounded(min(1.0, 1 / e_value if e_value > 0 else 1.0, 1.0 if before is None else before)),
        "alpha": settings.alpha,
        "criterion": leading.slo if leading else None,
        **(_numbers(leading.whole, settings) if leading else _NO_NUMBERS),
        "criteria": [_criterion(one, settings) for one in compared],
        "suspects": _suspects(compared, leading),
        "needs": None if finding.needs is None else {"requests": finding.needs},
        "evaluated_at": iso(canary.watermark),
    }


def with_end(canary: Canary, why: str) -> Canary:
    """The canary at its end: what was said last, and that it is over."""
    last = canary.verdict
    reason = f"{last.get('reason', 'never judged')}; over: {why}"
    return replace(canary, verdict={**last, **_identity(canary), "reason": reason})


def sign(canary: Canary, severity: str) -> Sign:
    """The condition of the alert: a fail latches."""
    verdict = canary.verdict
    suspects, alpha = verdict.get("suspects", []), verdict.get("alpha", 1.0)
    where = [one["region"] for one in suspects if one["region"] and one["e_value"] >= 1 / alpha]
    why = verdict.get("reason", "")
    summary = f"{canary.model}: the canary {canary.version} is worse than {canary.baseline}. {why}."
    return Sign(
        CANARY,
        "CanaryRegression",
        make({"model": canary.model, "version": canary.version}),
        severity,
        Level.ABOVE if canary.failed_at is not None else Level.BELOW,
        0.0,
        summary + (f" Where: {', '.join(where)}." if where else ""),
        {"canary": canary.id, "verdict": verdict},
    )


def key(said: Sign) -> tuple[str, str, str]:
    """The alert's identity."""
    return absence.key(said)


def rounded(value: float | None) -> float | None:
    """To six significant digits."""
    if value is None or value == 0:
        return value
    return round(value, _DIGITS - 1 - int(log10(abs(value)) // 1))


def _identity(canary: Canary) -> dict[str, Any]:
    return {
        "id": canary.id,
        "model": canary.model,
        "version": canary.version,
        "baseline": canary.baseline,
        "region": canary.region,
        "started_at": iso(canary.started_at),
        "ended_at": None if canary.ended_at is None else iso(canary.ended_at),
        "failed_at": None if canary.failed_at is None else iso(canary.failed_at),
        "deployment": canary.deployment_id,
    }


_NO_NUMBERS: dict[str, Any] = {
    "delta": None,
    "interval": None,
    "ratio": None,
    "ratio_interval": None,
    "requests": None,
    "bad": None,
}


def _numbers(evidence: Evidence, settings: CanarySettings) -> dict[str, Any]:
    difference = label_test.delta_interval(evidence, settings.alpha)
    low, high = label_test.ratio_interval(evidence, settings.alpha)
    return {
        "delta": rounded(label_test.delta(evidence)),
        "interval": None if difference is None else [rounded(end) for end in difference],
        "ratio": rounded(label_test.ratio(evidence)),
        "ratio_interval": None if (low, high) == (0.0, None) else [rounded(low), rounded(high)],
        "requests": {"canary": int(evidence.total_canary), "baseline": int(evidence.total_baseline)},
        "bad": {"canary": int(evidence.bad_canary), "baseline": int(evidence.bad_baseline)},
    }


def _criterion(one: Compared, settings: CanarySettings) -> dict[str, Any]:
    unknown = None if measured([one]) else "not measured: neither version reports it"
    e_value = rounded(label_test.bounded_exp(label_test.log_e(one.whole)))
    numbers = _NO_NUMBERS if unknown else _numbers(one.whole, settings)
    return {"name": one.name, "slo": one.slo, "e_value": None if unknown else e_value, "reason": unknown, **numbers}


def _suspects(compared: Sequence[Compared], leading: Compared | None) -> list[dict[str, Any]]:
    """The regions, worst first, each with the e-value of all criteria there."""
    if leading is None:
        return []
    found = [
        (combined([one.regions[region] for one in compared]), region, label_test.delta(part))
        for region, part in leading.regions.items()
    ]
    return [
        {"region": region or None, "e_value": rounded(label_test.bounded_exp(log_e)), "delta": rounded(difference)}
        for log_e, region, difference in sorted(found, key=lambda one: -one[0])
    ]
