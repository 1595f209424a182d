"""docs/slo-specs.md stays true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.signals import ALIASES, SIGNALS
from core.yaml import load_text
from slo_engine.specs.openslo import read
from slo_engine.specs.reading import ANNOTATIONS, PREFIX
from slo_engine.specs.source import KEYS

TEXT = (Path(__file__).parents[3] / "docs" / "slo-specs.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: re.findall(r"name: (.*)", text)[0])
def test_an_example_is_valid_and_measured(example: str) -> None:
    result = read(load_text(example, "docs/slo-specs.md"))
    assert result.problems == ()
    assert all(slo.indicator and not slo.unsupported for slo in result.slos)
    assert result.slos or "kind: SLI" in example or "kind: AlertPolicy" in example


def test_each_kind_of_indicator_has_an_example() -> None:
    slos = [slo for example in EXAMPLES for slo in read(load_text(example, "x")).slos]
    assert {type(slo.indicator).__name__ for slo in slos} == {
        "EventRatio",
        "QueryRatio",
        "Latency",
        "GaugeThreshold",
        "RateSlices",
        "SumRatio",
        "TimeSlices",
        "Composite",
    }


@pytest.mark.parametrize("word", [*KEYS, *SIGNALS, *ALIASES, *(PREFIX + name for name in ANNOTATIONS)])
def test_every_key_signal_and_annotation_is_documented(word: str) -> None:
    rows = [line.split(" | ")[0] for line in TEXT.splitlines() if line.startswith("| ")]
    assert any(f"`{word}`" in row for row in rows)
