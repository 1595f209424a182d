"""Durations in the two notations that SLO people write.

OpenSLO: one number and one of `m h d w M Q Y`, where M is a month of 30 days.
Prometheus: `1h30m`, `15s`, `500ms`, where m is a minute and a month does not exist.
"""

from __future__ import annotations

import re

from core.errors import ParseError

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800

_OPENSLO_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK, "M": 30 * DAY, "Q": 90 * DAY, "Y": 365 * DAY}
_OPENSLO = re.compile(r"([0-9]+)([mhdwMQY])")
_PROMETHEUS = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?",
    re.ASCII,
)
_PROMETHEUS_UNITS = (365 * DAY, WEEK, DAY, HOUR, MINUTE, 1, 0.001)


def parse_openslo(text: str) -> int:
    """Seconds of an OpenSLO duration; ParseError otherwise."""
    match = _OPENSLO.fullmatch(text)
    if match is None:
        raise ParseError(f"{text!r} is not an OpenSLO duration: write a whole number and one of m h d w M Q Y, as 30d")
    return int(match[1]) * _OPENSLO_UNITS[match[2]]


def parse_prometheus(text: str) -> float:
    """Seconds of a Prometheus duration such as `15s`, `1h30m` or `250ms`; ParseError otherwise."""
    if text == "0":
        return 0.0
    match = _PROMETHEUS.fullmatch(text)
    if match is None or not text:
        raise ParseError(f"{text!r} is not a duration: write it as 15s, 1h30m or 250ms (units y w d h m s ms)")
    return float(sum(int(n) * unit for n, unit in zip(match.groups(), _PROMETHEUS_UNITS, strict=True) if n))


def render(seconds: float) -> str:
    """Write seconds as Prometheus does, largest units first: 5400 is `1h30m`."""
    parts = []
    rest = round(seconds * 1000)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1, "s")):
        count, rest = divmod(rest, unit * 1000)
        if count:
            parts.append(f"{count}{name}")
    if rest:
        parts.append(f"{rest}ms")
    return "".join(parts) or "0s"
