"""Dialects of telemetry on model calls: data files that say which attribute carries what. No code asks for a name."""

from collector.otlp.dialects.load import Reading, combined, dialects, reading
from collector.otlp.dialects.model import Dialect, Documents, FieldName, Messages, Source

__all__ = ["Dialect", "Documents", "FieldName", "Messages", "Reading", "Source", "combined", "dialects", "reading"]
