"""The protobuf page: delimited MetricFamily messages, read into the series that the target's text page has."""

from __future__ import annotations

from collector.exposition.protobuf.reader import ProtobufReader

__all__ = ["ProtobufReader"]
