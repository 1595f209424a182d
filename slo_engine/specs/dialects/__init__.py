"""SLO files of other tools: a file a dialect, each read into `port.Foreign` and written as OpenSLO v1."""

from __future__ import annotations

from slo_engine.specs.dialects.convert import Converted, Dialect, convert, dialect_of
from slo_engine.specs.dialects.port import DEFAULT_PERIOD, Notes, PeerAlert, Remark
from slo_engine.specs.dialects.recognise import API_VERSION, refusal, version_of

__all__ = [
    "API_VERSION",
    "DEFAULT_PERIOD",
    "Converted",
    "Dialect",
    "Notes",
    "PeerAlert",
    "Remark",
    "convert",
    "dialect_of",
    "refusal",
    "version_of",
]
