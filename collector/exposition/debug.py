"""What the parser understood of a page, for people and scripts."""

from __future__ import annotations

import math
from typing import Any

from collector.exposition.page import PageReader
from core.errors import PageRejected


def describe(body: bytes, content_type: str | None) -> dict[str, Any]:
    """The samples of a page in page order, or the error for which it is refused as a whole.

    Gives `series` with name, labels, value (a number, or "NaN", "+Inf", "-Inf") and timestamp (ms or null), and
    `errors` with line and message. Repeated samples are left out and are no error.
    """
    try:
        reading = PageReader().read(body, content_type)
    except PageRejected as error:
        return {"series": [], "errors": [{"line": error.line, "message": error.message}]}
    stamps = reading.timestamps or [None] * len(reading.series)
    samples = [
        {"name": series.name, "labels": dict(series.labels), "value": _json_value(value), "timestamp": stamp}
        for series, value, stamp in zip(reading.series, reading.values, stamps, strict=True)
    ]
    return {"series": samples, "errors": []}


def _json_value(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return value
