"""Prometheus recording and alerting rules that say what the engine says of the same SLOs.

The way of the data: `sides.py` (what an SLI counts, as PromQL) → `recording.py` (its windows) → `alerting.py` (the
burn-rate conditions) → `generate.py` (every SLO, and what PromQL cannot say) → `render.py` (the file).
"""

from __future__ import annotations

from slo_engine.rules.generate import Generated, generate
from slo_engine.rules.policy import RulePolicy
from slo_engine.rules.raw import Inexpressible, RawSeries, RawSignals
from slo_engine.rules.render import render_groups

__all__ = ["Generated", "Inexpressible", "RawSeries", "RawSignals", "RulePolicy", "generate", "render_groups"]
