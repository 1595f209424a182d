"""A latency threshold that is no bucket bound: counted at the next lower one, so events between count as bad."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from core.histogram import at_or_below, cells_at_or_below
from slo_engine.lint.facts import Histogram
from slo_engine.lint.model import Hit, Rule, Subject
from slo_engine.specs.model import Latency


def check(subject: Subject) -> Iterator[Hit | str]:
    """Latencies whose histogram the ledger knows; the others are named."""
    latencies = [slo for slo in subject.specs.catalogue.slos if isinstance(slo.indicator, Latency)]
    if latencies and subject.facts.unknown:
        yield subject.facts.unknown
        return
    for slo in latencies:
        histograms = subject.facts.histograms.get(slo.name, ())
        if not histograms:
            yield f"{slo.name}: no histogram of it was counted in the last week"
        assert isinstance(slo.indicator, Latency)
        for histogram in histograms:
            if slo.indicator.threshold not in histogram.bounds:
                message, advice = _says(histogram, slo.indicator.threshold)
                yield Hit(slo.source, message, advice)


def _says(histogram: Histogram, threshold: float) -> tuple[str, str]:
    bounds, total = histogram.bounds, sum(histogram.cells)
    whole = cells_at_or_below(bounds, threshold)
    low = bounds[whole - 1] if whole else 0.0
    high = bounds[whole] if whole < len(bounds) else inf
    unknown = at_or_below(bounds, histogram.cells, threshold).unknown
    share = f"{unknown / total:.2%} of the last week's events lie there" if total else "no event lies there yet"
    between = f"between {low:g} and {high:g} s" if high < inf else f"above {low:g} s"
    message = f"{threshold:g} s is no bucket bound: what is {between} counts as bad, and {share}"
    near = " or ".join(f"{bound:g}" for bound in (low, high) if 0 < bound < inf)
    return message, f"write {near}, or give the histogram a bucket at {threshold:g}"


RULE = Rule("bucket-bound", "warning", "a latency threshold that is no bucket bound of the fleet's histogram", check)
