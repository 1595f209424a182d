"""What a good page tells of its target's health; the same for a page that was scraped and one that was read."""

from __future__ import annotations

from collections.abc import Sequence

from collector.counting import Outcome
from collector.target import TargetReader
from storage.fleet import TargetHealth


def succeeded(
    health: TargetHealth, reader: TargetReader, outcome: Outcome, time: float, conditions: Sequence[str]
) -> None:
    """The target said a good page at `time` (Unix seconds); `conditions`: what is odd about it."""
    profile = reader.profile
    health.up, health.last_scrape_at, health.last_success_at = True, time, time
    if outcome.progressed or health.progress_at is None:
        health.progress_at = time
    health.error_reason, health.error = None, None
    health.engine = profile.engine if profile is not None else None
    health.layer = profile.layer if profile is not None else None
    health.conditions = list(conditions)
    health.groups = [dict(group) for group in reader.groups()]
    health.signals = reader.signals()
