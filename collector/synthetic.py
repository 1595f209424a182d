"""The scrape's own series, as Prometheus writes them beside the page's."""

from __future__ import annotations

from typing import NamedTuple

from core.labels import Labels, make

NAMES = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


class Scrape(NamedTuple):
    """What is known of one attempt."""

    up: bool
    seconds: float
    samples: int
    kept: int
    added: int

    def values(self) -> tuple[float, ...]:
        """In the order of NAMES."""
        return float(self.up), self.seconds, float(self.samples), float(self.kept), float(self.added)


def labels_of(target: Labels) -> tuple[Labels, ...]:
    """The labels of the synthetic series of a target, in the order of NAMES."""
    return tuple(make([*target, ("__name__", name)]) for name in NAMES)
