"""Scores items with every detector; an error of a model on one text is that text's, not the batch's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from safety_eval.detectors.port import Detector, Item, Verdict, failed
from safety_eval.loading import MODEL_ERRORS

log = logging.getLogger(__name__)

Observe = Callable[[str, float], None]
"""(detector, seconds) of one batch."""


def score(detectors: Sequence[Detector], items: Sequence[Item], observe: Observe) -> dict[str, list[Verdict]]:
    """Every detector's verdicts, in the order of the items."""
    result = {}
    for detector in detectors:
        began = time.perf_counter()
        result[detector.name] = of_one(detector, items)
        observe(detector.name, time.perf_counter() - began)
    return result


def of_one(detector: Detector, items: Sequence[Item]) -> list[Verdict]:
    """One detector's verdicts; a batch that fails is scored again item by item, to find the item that it fails for."""
    try:
        return _checked(detector, items)
    except MODEL_ERRORS as error:
        if len(items) == 1:
            log.warning(
                "%s failed on a text: %s", detector.name, type(error).__name__
            )  # its message may quote the text
            return [failed(f"the model failed: {type(error).__name__}")]
    return [verdict for item in items for verdict in of_one(detector, [item])]


def _checked(detector: Detector, items: Sequence[Item]) -> list[Verdict]:
    found = detector.score(items) if items else []
    if len(found) != len(items):
        raise ValueError(f"{len(found)} verdicts for {len(items)} items")
    return found
