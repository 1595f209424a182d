"""Recent series: raw samples as files beside the database; docs/recent-series.md tells how they are kept.

scrapes -> writer -> buffer -> block -> segment_write -> (file) -> segment -> source -> reader
segments -> compaction -> codec -> chunk_write -> (file) -> chunk -> source -> reader
"""

from __future__ import annotations

from storage.series.compaction import CompactionResult, compact
from storage.series.reader import SeriesData, SeriesReader
from storage.series.retention import retain
from storage.series.stale import STALE, is_stale
from storage.series.writer import SeriesLimits, SeriesWriter, WriterStats

__all__ = [
    "STALE",
    "CompactionResult",
    "SeriesData",
    "SeriesLimits",
    "SeriesReader",
    "SeriesWriter",
    "WriterStats",
    "compact",
    "is_stale",
    "retain",
]
