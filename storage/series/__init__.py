"""Recent series: raw samples as files beside the database; docs/recent-series.md tells how they are kept.

scrapes -> writer -> buffer -> block -> segment_write -> (file) -> segment -> source -> reader
segments -> compaction -> codec -> chunk_write -> (file) -> chunk -> source -> reader
segments -> tail (with a cursor each) -> the collector's remote write
"""

from __future__ import annotations

from storage.series.compaction import CompactionResult, compact
from storage.series.cursor import Cursor, forget_cursors, open_cursor
from storage.series.reader import SeriesData, SeriesReader
from storage.series.retention import retain
from storage.series.stale import STALE, is_stale
from storage.series.tail import Tail, TailBlock
from storage.series.writer import SeriesLimits, SeriesWriter, WriterStats

__all__ = [
    "STALE",
    "CompactionResult",
    "Cursor",
    "SeriesData",
    "SeriesLimits",
    "SeriesReader",
    "SeriesWriter",
    "Tail",
    "TailBlock",
    "WriterStats",
    "compact",
    "forget_cursors",
    "is_stale",
    "open_cursor",
    "retain",
]
