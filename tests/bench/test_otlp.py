"""The OTLP benchmark against a real collector, for a second; nothing is printed when what was counted is wrong."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench import otlp
from bench.spans import SPANS_OF_TRACE, TRACES, Template
from collector.otlp.answer import PROTOBUF
from collector.otlp.decode import decode
from tests.collector.otlp.told import NOW, preparer

_TINY = ["--rates", "2500", "--warm", "0", "--seconds", "2", "--connections", "2"]


def test_each_batch_is_of_new_traces_that_end_when_they_should() -> None:
    template, rng = Template(1), np.random.default_rng(1)
    reader = preparer()
    first, second = (reader.prepare(decode(template.batch(rng, NOW).body, PROTOBUF), NOW, NOW - 60) for _ in range(2))
    ids = [{call.generation.trace_id for call in one.calls} for one in (first, second)]
    assert [len(one) for one in ids] == [TRACES, TRACES]
    assert not ids[0] & ids[1]
    assert first.rejected == 0
    assert len(first.spans) == TRACES * SPANS_OF_TRACE
    assert max(span.ended_at for span in first.spans) == pytest.approx(NOW)
    assert {call.goodput_reason for call in first.calls} <= {"met", "ttft", "itl", "ttft_and_itl"}
    assert sum(call.generation.output_tokens or 0 for call in first.calls) == template.tokens


def test_a_run_prints_what_was_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert otlp.main(_TINY) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 2,500 spans/s")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert float(cells[3]) > 0
    assert cells[5].endswith("/ 0 / 0")


def test_a_ledger_that_lost_a_count_is_not_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = otlp._counted
    monkeypatch.setattr(otlp, "_counted", lambda *given: real(*given) - Counter(drawn=1))
    assert otlp.main(_TINY) == 1
    assert capsys.readouterr().out == ""
