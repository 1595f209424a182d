"""Detectors as the settings want them; one that cannot be had stands there as unavailable, with the reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from core.errors import ParseError
from safety_eval import anchors
from safety_eval.detectors.port import Detector
from safety_eval.detectors.unavailable import NO_REVISION, Unavailable
from safety_eval.settings import EvaluatorSettings

log = logging.getLogger(__name__)

MODEL_ERRORS = (RuntimeError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, MemoryError)
"""What torch, spaCy, Presidio and tiktoken raise for weights or texts that they cannot take; torch's own errors, out of
memory among them, are RuntimeErrors."""

_Make = Callable[[EvaluatorSettings, str], Detector]


def _pii(settings: EvaluatorSettings, _on: str) -> Detector:
    from safety_eval.detectors.pii import Pii  # noqa: PLC0415 - each detector pays only for its own imports

    return Pii(settings.pii)


def _secrets(_settings: EvaluatorSettings, _on: str) -> Detector:
    from safety_eval.detectors.secrets import Secrets  # noqa: PLC0415

    return Secrets()


def _injection(settings: EvaluatorSettings, on: str) -> Detector:
    from safety_eval.detectors.injection import Injection  # noqa: PLC0415

    return Injection(settings.injection, on)


def _groundedness(settings: EvaluatorSettings, on: str) -> Detector:
    from safety_eval.detectors.groundedness import Groundedness  # noqa: PLC0415

    return Groundedness(settings.groundedness, on)


DETECTORS: Mapping[str, _Make] = {
    "pii": _pii,
    "secrets": _secrets,
    "injection": _injection,
    "groundedness": _groundedness,
}
"""By name, in the order in which they are shown."""

ON_A_DEVICE = frozenset(("injection", "groundedness"))
"""Detectors that compute with torch."""


def enabled(settings: EvaluatorSettings) -> list[str]:
    """Names of the detectors that the settings switch on."""
    return [name for name in DETECTORS if getattr(settings, name).enabled]


def device_of(names: list[str], settings: EvaluatorSettings) -> str:
    """Where these detectors compute; torch is imported only when one of them needs it."""
    if not ON_A_DEVICE.intersection(names):
        return "cpu"
    from safety_eval.models import device  # noqa: PLC0415

    return device.choose(settings.device, settings.threads)


def load(name: str, settings: EvaluatorSettings, on: str) -> Detector:
    """A detector that has told its anchors apart, or an Unavailable that says why not."""
    revision = NO_REVISION
    try:
        detector = DETECTORS[name](settings, on)
        revision = detector.revision
        reason = anchors.refusal(detector)
    except ImportError as error:
        reason = f"cannot be loaded: the package {error.name or error} is not installed"
    except (OSError, ParseError, *MODEL_ERRORS) as error:
        reason = f"cannot be loaded: {type(error).__name__}: {error}"
    else:
        if reason is None:
            return detector
    log.error("%s %s: everything that it should judge is counted as failed", name, reason)
    return Unavailable(name, reason, revision)
