"""What a metric of OpenTelemetry is called in Prometheus: as the collector's and Prometheus's own translation does it.

(https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/)
"""

from __future__ import annotations

import re
from functools import lru_cache

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_PER = {"s": "second", "min": "minute", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_NO_NAME = re.compile(r"[^a-zA-Z0-9:]+")
_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_BRACES = re.compile(r"\{[^}]*\}")


@lru_cache(1 << 14)
def metric_name(name: str, unit: str, *, counter: bool = False, gauge: bool = False) -> str:
    """Dots become underscores, the unit and `_total` stand at the end; empty where nothing of the name is left."""
    words = [word for word in _NO_NAME.sub("_", name).split("_") if word]
    for word in _unit_words(unit):
        if word not in words:
            words.append(word)
    if gauge and unit == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    if counter:
        words = [word for word in words if word != "total"] + ["total"]
    found = "_".join(words)
    return f"_{found}" if found[:1].isdigit() else found


@lru_cache(1 << 14)
def label_name(key: str) -> str:
    """An attribute's key as a label."""
    found = _NO_LABEL.sub("_", key)
    return f"key_{found}" if found[:1].isdigit() else found


def _unit_words(unit: str) -> list[str]:
    above, _, below = _BRACES.sub("", unit).partition("/")
    words = [] if above in ("", "1") else [_UNITS.get(above) or _NO_NAME.sub("", above)]
    if below:
        words += ["per", _PER.get(below) or _NO_NAME.sub("", below)]
    return [word for word in words if word]
