"""Queries that are handed on are PromQL as Prometheus reads it, and Sloth's factors are those of its own output."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.yaml import dump_text, load_file
from slo_engine.specs.dialects.convert import convert, dialect_of
from slo_engine.specs.node import Node
from tests.slo_engine.specs.dialects import test_pyrra, test_slo_generator, test_sloth
from tests.slo_engine.specs.dialects.reading import read

GOLDEN = Path(__file__).parents[5] / "shared" / "data" / "slo-specs"

ASKED = {
    "sloth, no plain sums": test_sloth._file(
        'sum by (m) (rate(a{x="}"}[{{.window}}]) > 0) * 2',
        "sum by (m) (rate(b[{{ .window }}]) or vector(0))",
    ),
    "sloth, over several lines": test_sloth._file(
        "sum(rate(a[{{.window}}]))\n        /\n        2", "sum(rate(b[{{.window}}])) + 1"
    ),
    "pyrra, native": test_pyrra.HEAD + "    latencyNative: {latency: 200ms, total: {metric: d}, grouping: [m]}\n",
    "pyrra, gauge": test_pyrra.HEAD + "    bool_gauge: {metric: 'up{job=\"a\"}', grouping: [m, n]}\n",
    "slo-generator, good and bad": test_slo_generator.TEXT.replace("filter_valid: r", "filter_bad: b[window]"),
    "slo-generator, operators": test_slo_generator.TEXT.replace("  goal", "    operators: [rate, max]\n  goal"),
}


def _queries(sli: dict[str, Any]) -> list[str]:
    sources = [part["metricSource"] for part in sli["ratioMetric"].values() if isinstance(part, dict)]
    return [source["spec"]["query"] for source in sources if source["type"] == "prometheus"]


@pytest.mark.server("promtool")
@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED)
def test_what_is_asked_is_promql(text: str, tmp_path: Path) -> None:
    queries = _queries(read(text).sli)
    assert len(queries) == 2
    rules = [{"record": f"a:{index}", "expr": query} for index, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(dump_text({"groups": [{"name": "g", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yaml")], capture_output=True, text=True, check=False
    )
    if "histogram_" in queries[0]:  # younger than this promtool
        assert "unknown function" in done.stderr or done.returncode == 0
    else:
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not GOLDEN.exists(), reason="needs the real spec files beside the checkout")
def test_sloths_factors_are_those_that_it_writes_itself() -> None:
    document = load_file(GOLDEN / "sloth" / "example-getting-started.yaml")[0]
    dialect = dialect_of(document.value)
    assert dialect
    (converted,) = convert(dialect, Node(document, (), document.value, []), "30d", [])
    rules = (GOLDEN / "golden" / "sloth-getting-started-rules.yaml").read_text()
    written = {float(factor) for factor in re.findall(r"> \(([0-9.]+) \* 0\.0009", rules)}
    assert {float(alert.factor) for alert in converted.alerts} == written
