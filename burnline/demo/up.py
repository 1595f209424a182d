"""The demo behind `burnline up --demo`: a configuration that watches the demo fleet, and thirty days of history."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from burnline.demo.history import HistoryPage, page_count, pages
from burnline.demo.settings import CANARY, DemoSettings, is_free, topology, with_free_ports
from burnline.settings import Settings
from collector.replay import Replayer, rendered
from collector.target import Counting
from core.durations import DAY
from core.labels import Labels, make
from storage.database import Database
from storage.plan import MeasurePlan

BASE_PORT = 21_000
GPU_PRICE = 2.5
DRAWN_SHARE = 0.03
"""Of the demo's 20 calls a second: more than one a second would keep a core busy with scoring."""
_MARK = "history.done"
_FLUSH_EVERY = 2_000
"""Pages in one transaction of the back-fill: about a second, so that live scrapes never wait long for the database."""


def demo_settings(directory: Path, scenario: str, seed: int, speed: float) -> DemoSettings:
    """The demo fleet of a folder; its ports are the same at every start where they are free."""
    wanted = DemoSettings(scenario=scenario, seed=seed, speed=speed, directory=directory, base_port=BASE_PORT)
    ports = range(BASE_PORT, BASE_PORT + len(topology(wanted).replicas) + 2)
    return (
        wanted if all(is_free(wanted.host, port) for port in ports) else with_free_ports(replace(wanted, base_port=0))
    )


def write_config(settings: DemoSettings, storage: Path) -> Path:
    """Write the configuration that watches this fleet, for people to read and to start their own from."""
    receiver = topology(settings).receiver
    text = f"""\
# Written by `burnline up --demo`: watches the demo fleet below {settings.directory}.
storage:
  directory: {storage}
collector:
  gpu_price_per_hour: {GPU_PRICE}
  otlp:
    strata: [{{name: default, probability: {DRAWN_SHARE}}}]
  flush_interval: 2s
  scrape:
    - name: demo
      interval: 2s
      file_sd: [{settings.directory / "targets.json"}]
engine:
  tick_interval: 5s
  packs: [llm-serving]
alerting:
  receivers:
    - name: page
      webhook: {{url: "http://{receiver}/page"}}
    - name: ticket
      webhook: {{url: "http://{receiver}/ticket"}}
"""
    settings.directory.mkdir(parents=True, exist_ok=True)
    path = settings.directory / "burnline.yaml"
    path.write_text(text)
    return path


def fill_history(settings: Settings, demo: DemoSettings, days: int = 30) -> int:
    """Send rendered pages of the past through the real parser and the counter rules; returns how many were parsed.

    Done once a folder. The canary's targets have no past: it was deployed just now.
    """
    from rich.progress import track  # noqa: PLC0415 - 60 ms to import

    mark = demo.directory / _MARK
    if mark.exists():
        return 0
    now = time.time()
    past = track(
        pages(demo, now, days), f"filling {days} days of history", total=page_count(demo, days), transient=True
    )
    parsed = replay_history(settings, past, now)
    mark.write_text(str(parsed))
    return parsed


def replay_history(settings: Settings, past: Iterable[HistoryPage], now: float) -> int:
    """Count pages of the past; replayed time never notifies, since nothing evaluates it."""
    counting = Counting(settings.collector.dimensions, MeasurePlan())
    price = settings.collector.gpu_price_per_hour * 1e6
    database = Database(settings.database_url)
    replayer = Replayer(database, counting, price)
    parsed = 0
    for page in rendered(_target_pages(past)):
        replayer.feed(page, _step(page.time, now), now)
        parsed += 1
        if parsed % _FLUSH_EVERY == 0:
            replayer.flush(page.time, now, announce=False)
    replayer.flush(now, now, announce=False)
    database.dispose()
    return parsed


def _target_pages(past: Iterable[HistoryPage]) -> Iterator[tuple[str, str, Labels, float, bytes]]:
    for page in past:
        if page.labels.get("version") != CANARY:
            address = page.target_url.split("://", 1)[1].split("/", 1)[0]
            yield page.target_url, "demo", make({"instance": address, **page.labels}), page.time, page.body


def _step(time: float, now: float) -> float:
    return 300.0 if now - time <= 7 * DAY else 3600.0
