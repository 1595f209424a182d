"""Which generations are drawn: strata in order, and a keyed hash of the trace id against their probability.

The key makes the choice independent of samplers that look at the id's own bits, and nobody outside can foresee it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from collector.settings import Stratum
from core.matchers import Matcher, matches_all, parse_matchers

_SCALE = 2**64


class Draw(NamedTuple):
    """What became of a generation: its stratum, with which probability it is drawn there, and whether it was."""

    stratum: str
    probability: float
    drawn: bool


class Sampler:
    """Draws by trace: what is drawn with a small probability is also drawn with every larger one."""

    def __init__(self, strata: Sequence[Stratum], key: bytes) -> None:
        self._strata: list[tuple[Stratum, tuple[Matcher, ...]]] = [(one, _matchers(one.match)) for one in strata]
        self._key = key
        self._widest = max(one.probability for one in strata)

    def draw(self, trace_id: str, labels: Mapping[str, str]) -> Draw:
        """The first stratum that fits decides."""
        stratum = next(one for one, matchers in self._strata if matches_all(matchers, labels))
        return Draw(stratum.name, stratum.probability, self._below(trace_id, stratum.probability))

    def keeps(self, trace_id: str) -> bool:
        """Whether the spans of a trace are kept: some generation in it could be drawn."""
        return self._below(trace_id, self._widest)

    def _below(self, trace_id: str, probability: float) -> bool:
        digest = blake2b(bytes.fromhex(trace_id), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big") < int(probability * _SCALE)


def _matchers(text: str) -> tuple[Matcher, ...]:
    return parse_matchers(text) if text else ()
