"""Does the prompt try to override its instructions?"""

from __future__ import annotations

from collections.abc import Sequence

from safety_eval import revision
from safety_eval.detectors.port import Item, Verdict, absence, by_threshold, not_applicable
from safety_eval.models import device
from safety_eval.models.injection import PACKAGES, InjectionModel
from safety_eval.settings import InjectionSettings

_PREPARATION = 1
"""Raise it when windows are cut in another way: scores of before are another series."""


class Injection:
    """Judges prompts by windows; the largest probability is the prompt's, so that an attack is not diluted."""

    name = "injection"

    def __init__(self, settings: InjectionSettings, on: str) -> None:
        """Load the model; raises what it raises."""
        self._threshold = settings.threshold
        self._model = InjectionModel(on)
        parts = {
            "threshold": settings.threshold,
            "files": [revision.of_file(file) for file in self._model.files],
            "preparation": _PREPARATION,
            "arithmetic": device.ARITHMETIC[on],
        }
        self.revision = revision.digest(PACKAGES, parts)

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        """One verdict a prompt; items without one are not applicable."""
        reasons = [absence(item.prompt, "prompt") for item in items]
        texts = [item.prompt or "" for item, reason in zip(items, reasons, strict=True) if not reason]
        found = iter(self._model.probabilities(texts))
        return [not_applicable(reason) if reason else by_threshold(next(found), self._threshold) for reason in reasons]
