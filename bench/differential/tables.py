"""A comparison as tables."""

from __future__ import annotations

from collections.abc import Iterable

from bench.differential.compare import Comparison, Timeline
from bench.fleets import REGIONS
from bench.harness import Table
from core.durations import render


def report(found: Comparison) -> str:
    """All of it, as text."""
    return "\n\n".join(
        [
            title(found),
            "Requests of windows. Both ends in a pause of traffic that is scraped on both sides, or anywhere:",
            str(windows(found)),
            "Alerts: minutes in which they fire, and minutes in which a judge and the truth differ:",
            str(alerts(found)),
        ]
    )


def title(found: Comparison) -> str:
    """What was compared."""
    fleet = found.fleet
    processes, pages = (sum(len(getattr(t, what)) for t in fleet.targets) for what in ("processes", "pages"))
    unseen, everything = (
        sum(fleet.truth(region, 0, fleet.seconds, seen=seen)[1] for region in REGIONS) for seen in (True, False)
    )
    return (
        f"Seed {found.seed}: {len(fleet.targets)} targets, {processes} processes, {pages} scrapes in "
        f"{render(fleet.seconds)}; {everything:,} requests, of which {everything - unseen:,} are in no scrape."
    )


def windows(found: Comparison) -> Table:
    """Counts of windows."""
    head = ("window", "ends", "number", "Burnline exact", "worst", "beyond its bound", "Prometheus usual", "worst")
    rows = [
        (
            render(one.length),
            "in pauses" if one.quiet else "anywhere",
            str(len(one.counts)),
            str(one.exact),
            _percent(one.worst("burnline")),
            str(one.beyond),
            _percent(one.usual("prometheus")),
            _percent(one.worst("prometheus")),
        )
        for one in found.windows
    ]
    return Table(head, rows)


def alerts(found: Comparison) -> Table:
    """Minutes of alerts."""
    head = (
        "alert",
        "truth fires",
        "Burnline",
        "differs",
        "backtest",
        "differs",
        "Prometheus",
        "differs",
        "begins: T, B, P",
    )
    return Table(head, [_row(one) for one in found.timelines])


def _row(one: Timeline) -> tuple[str, ...]:
    begins = ", ".join(_clock(first(minutes)) for minutes in (one.truth, one.burnline, one.prometheus))
    return (
        f"{one.region} {one.severity}",
        str(len(one.truth)),
        str(len(one.burnline)),
        str(len(one.burnline ^ one.truth)),
        str(len(one.backtest)),
        str(len(one.backtest ^ one.truth)),
        str(len(one.prometheus)),
        str(len(one.prometheus ^ one.truth)),
        begins,
    )


def first(minutes: Iterable[int]) -> int | None:
    """When it begins."""
    return min(minutes, default=None)


def _clock(second: int | None) -> str:
    return "-" if second is None else f"{second // 3600}:{second % 3600 // 60:02d}"


def _percent(share: float) -> str:
    return f"{share:.2%}" if share else "0"
