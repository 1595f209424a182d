"""Metrics pages: Prometheus text, OpenMetrics and protobuf, read as Prometheus's own server reads them."""

from __future__ import annotations

from collector.exposition.page import PageReader, Reading
from collector.exposition.series import Series

__all__ = ["PageReader", "Reading", "Series"]
