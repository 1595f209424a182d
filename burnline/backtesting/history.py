"""Where the counts of a backtest come from: the live ledger, an OpenMetrics file, or a Prometheus-compatible server.

The live ledger is only read. The others are counted by the collector's own code into a ledger that is gone afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from burnline.backtesting.asked import Span
from burnline.backtesting.filling import STEP, temporary
from burnline.backtesting.progress import Stage
from burnline.replay import read_pages
from collector.replay import Replayer
from collector.target import Counting
from core.buckets import MINUTES, end_of_window, start_of
from core.durations import DAY
from core.errors import ConfigError
from slo_engine.backtest import first_bucket, last_bucket_end
from slo_engine.burn import Revision
from slo_engine.compile import selectors_of
from slo_engine.resets import Resets
from slo_engine.specs.model import Slo
from storage import slo as store
from storage import slo_sets
from storage.database import Database
from storage.plan import MeasurePlan
from storage.slo_sets import StoredReset

LEDGER_DAYS = 30


@dataclass(frozen=True)
class History:
    """Counts, and the span (Unix seconds, whole minutes) that is judged over them.

    `kind`: ledger, openmetrics or prometheus; `name`: which one. `as_was`: revisions that were in force then.
    """

    database: Database
    kind: str
    name: str
    start: int
    end: int
    resets: tuple[StoredReset, ...] = ()
    as_was: dict[str, tuple[Revision, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def in_effect(self) -> Resets:
        """The resets, as the engine looks for them."""
        return Resets(self.resets)


def live(database: Database, name: str, span: Span, now: float) -> History:
    """The ledger of the configuration; by default the last 30 days up to what was rolled up last."""
    oldest, newest = first_bucket(database), last_bucket_end(database)
    if oldest is None or newest is None:
        raise ConfigError(f"{name}: the ledger holds no counts yet: let the collector and the engine run first")
    told = store.status_watermark(database) or float(newest)
    end = start_of(min(span.end or now, told, newest), MINUTES.width)
    start = max(oldest, start_of(span.start if span.start is not None else end - LEDGER_DAYS * DAY, MINUTES.width))
    if start >= end:
        raise ConfigError(f"--from lies after the newest counts ({_iso(end)}): there is nothing to judge")
    return History(database, "ledger", name, start, end, tuple(slo_sets.resets(database)))


@contextmanager
def of_openmetrics(
    file: Path, slos: Sequence[Slo], span: Span, dimensions: Sequence[str], stage: Stage
) -> Iterator[History]:
    """The samples of a file, counted as if they were scraped now."""
    pages, intervals = read_pages(file)
    if not pages:
        raise ConfigError(f"{file}: holds no samples")
    begin = pages[0].time
    end = end_of_window(min(span.end or pages[-1].time, pages[-1].time), MINUTES.width)
    start = start_of(max(span.start or begin, begin), MINUTES.width)
    if start >= end:
        raise ConfigError(
            f"{file}: holds samples from {_iso(begin)} to {_iso(pages[-1].time)}: none is in --from to --to"
        )
    plan = MeasurePlan(selectors=tuple({s for slo in slos for s in selectors_of(slo)}))
    told = stage("counting")
    with temporary(slos, begin) as filling:
        replayer = Replayer(filling.database, Counting(tuple(dimensions), plan))
        due = begin + STEP
        for done, page in enumerate(pages):
            if page.time > end:
                break
            if page.time > due:
                filling.clock.set(due)
                replayer.flush(due, due)
                filling.roll_up()
                due = max(due + STEP, page.time)
            replayer.feed(page, intervals[page.url], page.time)
            told(done + 1, len(pages))
        filling.clock.set(end)
        replayer.flush(end, end)
        filling.roll_up()
        told(len(pages), len(pages))
        yield History(filling.database, "openmetrics", str(file), start, end)


def _iso(time: float) -> str:
    from slo_engine.status import iso  # noqa: PLC0415

    return str(iso(time))
