"""Raw series as a collector would have written them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.clock import Clock
from core.labels import Labels, make
from storage.series import SeriesLimits, SeriesWriter


def written(
    folder: Path, clock: Clock, metric: str, values: Mapping[Labels, Sequence[float]], start: float, step: float
) -> None:
    """Samples of one metric by label set, `step` seconds apart from `start` on (Unix seconds)."""
    writer = SeriesWriter(folder, "0", clock, SeriesLimits())
    for labels, samples in values.items():
        ref = writer.ref(make([*labels, ("__name__", metric)]))
        for index, value in enumerate(samples):
            writer.add(round((start + index * step) * 1000), [ref], [value])
    writer.flush()
    writer.close()
