from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from core.clock import SystemClock
from core.errors import StorageBusy
from safety_eval import loading
from safety_eval.detectors.port import Detector, Item, Verdict
from safety_eval.detectors.unavailable import Unavailable
from safety_eval.metrics import EvaluatorMetrics
from safety_eval.service import EvaluatorService
from safety_eval.settings import EvaluatorSettings
from safety_eval.worker import Tools, Worker
from storage import samples, scores
from storage.database import Database
from storage.scores import CLEAR, FAILED
from tests.safety_eval.world import CIPHER, Words, counted, put, scored, sealed

FAST = EvaluatorSettings(poll_interval=0.02, lease_ttl=3, batch=4)


class Slow(Words):
    """Takes longer than a lease, as a model does that was swapped out."""

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        time.sleep(4)
        return super().score(items)


def service(db: Database, metrics: EvaluatorMetrics, settings: EvaluatorSettings = FAST) -> EvaluatorService:
    return EvaluatorService(Tools(db, CIPHER, SystemClock(), metrics), settings, 2000)


def fresh(n: int, output: str, ttl: float = 600.0):
    return sealed(n, output, at=time.time(), ttl=time.time() + ttl - 1_750_000_000.0)


def only(monkeypatch: pytest.MonkeyPatch, *detectors: Detector) -> None:
    known = {one.name: one for one in detectors}
    monkeypatch.setattr(loading, "enabled", lambda _settings: list(known))
    monkeypatch.setattr(loading, "device_of", lambda *_: "cpu")
    monkeypatch.setattr(loading, "load", lambda name, *_: known[name])


def until(what: Callable[[], bool], *services: EvaluatorService) -> None:
    """Run services until something holds (or 30 s are over), then stop them in order."""

    async def watch(stop: asyncio.Event) -> None:
        for _ in range(1500):
            if await asyncio.to_thread(what):
                break
            await asyncio.sleep(0.02)
        stop.set()

    async def main() -> None:
        stop = asyncio.Event()
        jobs: list[Awaitable[None]] = [one.run(stop) for one in services]
        await asyncio.gather(watch(stop), *jobs)

    asyncio.run(main())


def test_what_waits_is_scored_and_what_expired_is_written_off(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = EvaluatorMetrics()
    only(monkeypatch, Words(), Unavailable("injection", "not installed"))
    put(database, *(fresh(n, "good") for n in range(9)), fresh(9, "good", ttl=-1))
    until(lambda: samples.waiting(database) == 0, service(database, metrics))
    assert counted(database) == scored(database)
    assert scored(database) == {
        ("pii", "r1", "all", CLEAR): 9,
        ("pii", "r1", "all", FAILED): 1,
        ("injection", "none", "all", FAILED): 10,
    }
    value = metrics.registry.get_sample_value
    assert value("burnline_evaluator_ready") == 1
    assert value("burnline_evaluator_detector_up", {"detector": "injection", "revision": "none"}) == 0
    assert value("burnline_evaluator_verdicts_total", {"detector": "pii", "verdict": CLEAR}) == 9
    assert value("burnline_evaluator_last_round_timestamp_seconds") == pytest.approx(time.time(), abs=60)


def test_a_batch_that_outlives_its_lease_is_still_scored_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = EvaluatorMetrics()
    only(monkeypatch, Slow())
    put(database, fresh(1, "good"))
    until(lambda: samples.waiting(database) == 0, service(database, metrics), service(database, metrics))
    assert counted(database) == scored(database) == {("pii", "r1", "all", CLEAR): 1}
    assert metrics.registry.get_sample_value("burnline_evaluator_lost_samples_total") == 0
    assert metrics.registry.get_sample_value("burnline_evaluator_batch_seconds_count", {"detector": "pii"}) == 1


def test_a_database_that_fails_ends_a_round_and_not_the_evaluator(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = EvaluatorMetrics()
    only(monkeypatch, Words())
    put(database, fresh(1, "good"))
    lease, calls = Worker.lease, iter(range(100))

    def flaky(worker: Worker):
        if next(calls) < 2:
            raise StorageBusy("locked")
        return lease(worker)

    monkeypatch.setattr(Worker, "lease", flaky)
    until(lambda: bool(scores.recent(database, 0)), service(database, metrics))
    assert counted(database) == {("pii", "r1", "all", CLEAR): 1}
    assert metrics.registry.get_sample_value("burnline_evaluator_failures_total", {"reason": "StorageBusy"}) == 2


def test_a_stop_while_models_load_scores_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, Words())
    put(database, fresh(1, "good"))
    until(lambda: True, service(database, EvaluatorMetrics()))
    assert sum(counted(database).values()) + samples.waiting(database) == 1
