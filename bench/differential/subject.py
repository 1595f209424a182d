"""What both judge: a fleet in trouble, and one promise."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.fleets import Fleet, Trouble, random_fleet
from slo_engine.specs import load
from slo_engine.specs.model import Slo

_SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: success}
spec:
  service: chat
  indicator:
    metadata: {name: success}
    spec:
      ratioMetric:
        bad: {metricSource: {type: burnline, spec: {selector: 'app_requests_total{code="500"}', by: [region]}}}
        total: {metricSource: {type: burnline, spec: {selector: app_requests_total, by: [region]}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{targetPercent: 99}]
"""
TROUBLES = (
    Trouble("eu", 9500, 11_900, 0.6),
    Trouble("eu", 20_000, 20_240, 0.9),
    Trouble("us", 12_600, 28_800, 0.08),
)
"""An outage of 40 minutes, one of 4, and hours in which 8 % fails."""
SEVERITIES = ("page", "ticket")


def fleet_in_trouble(seed: int, hours: int, targets: int) -> Fleet:
    """A random fleet of two regions, with outages."""
    return random_fleet(seed, hours, targets, TROUBLES)


def promise() -> Slo:
    """99 % of each region's requests end well."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slo.yaml"
        file.write_text(_SLO)
        return load([file]).slos[0]
