"""SLO files of tests."""

from __future__ import annotations

from pathlib import Path

_SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: chat
  indicator:
    metadata: {{name: {name}}}
    spec:
{spec}
  timeWindow: [{{duration: {window}, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{objective}]
"""


def write(folder: Path, spec: str, objective: str, window: str = "30d", name: str = "promise") -> Path:
    """One SLO with this indicator."""
    lines = "\n".join("      " + line for line in spec.strip().splitlines())
    file = folder / f"{name}.yaml"
    file.write_text(_SLO.format(name=name, spec=lines, objective=objective, window=window))
    return file


def ratio(part: str, total: str, *, good: bool = False) -> str:
    """A share of events; each side is a metricSource's `spec`."""
    side = "good" if good else "bad"
    return (
        f"ratioMetric:\n  {side}: {{metricSource: {{type: burnline, spec: {part}}}}}\n"
        f"  total: {{metricSource: {{type: burnline, spec: {total}}}}}\n"
    )


def threshold(spec: str) -> str:
    """A threshold; `spec` is the metricSource's."""
    return f"thresholdMetric:\n  metricSource: {{type: burnline, spec: {spec}}}\n"
