"""SLO files: read strictly, checked as a set, and turned into one neutral model."""

from __future__ import annotations

from slo_engine.specs.openslo import load
from slo_engine.specs.validate import validate

__all__ = ["load", "validate"]
