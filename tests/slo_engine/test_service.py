"""The engine as a service: who leads, and which SLOs are in force."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from core.errors import SpecError, StorageBusy
from core.measures import Measure
from slo_engine.metrics import EngineMetrics
from slo_engine.service import EngineService
from slo_engine.settings import EngineSettings
from slo_engine.tick import LEASE
from storage import leases
from storage import slo as store
from tests.slo_engine.world import START, World, spec

BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M = (("model", "m"),)


class Member:
    """One engine process, a round at a time."""

    def __init__(self, world: World, folder: Path) -> None:
        self.metrics = EngineMetrics()
        self.settings = EngineSettings(packs=(), slos=(folder,), lease_ttl=10.0)
        self.service = EngineService(world.db, self.settings, "", world.clock, self.metrics)

    def round(self) -> bool:
        """What `run` does once; returns whether this one leads."""
        leads = self.service._hold()
        if leads:
            self.service._round()
        return leads

    def value(self, name: str, **labels: str) -> float | None:
        registry: CollectorRegistry = self.metrics.registry
        return registry.get_sample_value(name, labels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "slos"
    made.mkdir()
    (made / "success.yaml").write_text(spec(target=99))
    return made


def in_force(world: World) -> set[str]:
    return {row["slo"] for row in store.status(world.db)}


def committed(world: World, minute: int) -> None:
    """Counts up to a minute are in the ledger."""
    from storage import fleet

    world.clock.set(float(minute))
    with world.db.write() as connection:
        fleet.put_shard(connection, "test", minute, START, minute, {})


def test_a_leader_that_dies_is_replaced_when_its_lease_ends_and_no_alert_is_told_twice(
    world: World, folder: Path
) -> None:
    world.count(range(START, START + 7200, 60), {(BAD, M): 1000})
    first, second = Member(world, folder), Member(world, folder)
    committed(world, START + 600)
    assert first.round() and not second.round()
    told = world.told("success")
    assert len(told) == 2
    world.clock.advance(9.9)
    assert not second.round()
    world.clock.advance(0.2)
    assert second.round()
    assert second.value("burnline_engine_leader") == 1
    committed(world, START + 660)
    assert second.round() and not first.round()
    assert first.value("burnline_engine_leader") == 0
    assert world.told("success") == told


def test_a_leader_that_slept_through_its_lease_writes_nothing_and_goes_on_as_a_follower(
    world: World, folder: Path
) -> None:
    world.count(range(START, START + 7200, 60), {(BAD, M): 1000})
    first, second = Member(world, folder), Member(world, folder)
    committed(world, START + 600)
    assert first.round()
    world.clock.advance(60)
    assert second.round()
    committed(world, START + 665)
    first.service._round()
    assert first.value("burnline_engine_tick_failures_total", reason="LeaseLost") == 1
    assert not first.round()
    assert len(world.told("success")) == 2


def test_a_lease_that_is_given_back_is_taken_at_once(world: World, folder: Path) -> None:
    first, second = Member(world, folder), Member(world, folder)
    committed(world, START + 60)
    assert first.round()
    first.service._release()
    assert second.round()


def test_an_slo_file_that_is_added_is_in_force_at_the_next_round(world: World, folder: Path) -> None:
    member = Member(world, folder)
    committed(world, START + 60)
    member.round()
    (folder / "more.yaml").write_text(spec(name="more"))
    committed(world, START + 120)
    member.round()
    assert in_force(world) == {"success", "more"}
    (folder / "success.yaml").unlink()
    committed(world, START + 180)
    member.round()
    assert in_force(world) == {"more"}


@pytest.mark.parametrize(
    "broken", ["kind: SLO\n", "{{{", spec(name="success").replace("\n  name: success", "\n  name: Not A Name"), ""]
)
def test_a_broken_file_keeps_the_slos_before_it_and_says_so(
    broken: str, world: World, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    member = Member(world, folder)
    committed(world, START + 60)
    member.round()
    (folder / "more.yaml").write_text(broken)
    committed(world, START + 120)
    with caplog.at_level(logging.ERROR):
        member.round()
    assert in_force(world) == {"success"}
    assert member.value("burnline_engine_last_reload_successful") == 0
    assert member.value("burnline_engine_reload_failures_total") == 1
    assert "more.yaml" in caplog.text
    (folder / "more.yaml").write_text(spec(name="more"))
    committed(world, START + 180)
    member.round()
    assert in_force(world) == {"success", "more"}
    assert member.value("burnline_engine_last_reload_successful") == 1


def test_a_file_that_cannot_be_read_is_a_broken_file(world: World, folder: Path) -> None:
    member = Member(world, folder)
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    committed(world, START + 60)
    member.round()
    assert in_force(world) == {"success"}
    assert member.value("burnline_engine_last_reload_successful") == 0


def test_two_files_with_one_name_are_refused(world: World, folder: Path) -> None:
    (folder / "twice.yaml").write_text(spec(target=98))
    with pytest.raises(SpecError, match="success"):
        Member(world, folder)


def test_a_follower_takes_over_with_the_files_as_they_are_by_then(world: World, folder: Path) -> None:
    first, second = Member(world, folder), Member(world, folder)
    committed(world, START + 60)
    assert first.round() and not second.round()
    (folder / "success.yaml").write_text(spec(target=99.9))
    os.utime(folder / "success.yaml", (1, 1))
    assert first.round()
    world.clock.advance(60)
    assert second.round()
    assert [one.objective for one in store.revisions(world.db)] == ["99/100", "999/1000"]


def test_a_round_that_fails_is_done_again(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.count(range(START, START + 7200, 60), {(BAD, M): 1000})
    member = Member(world, folder)
    committed(world, START + 600)
    put = store.put_status

    def busy(*_args: Any) -> None:
        raise StorageBusy("database is locked")

    monkeypatch.setattr(store, "put_status", busy)
    member.round()
    assert member.value("burnline_engine_tick_failures_total", reason="StorageBusy") == 1
    assert world.told("success") == []
    monkeypatch.setattr(store, "put_status", put)
    member.round()
    assert len(world.told("success")) == 2


def test_a_service_that_is_stopped_gives_its_lease_back(world: World, folder: Path) -> None:
    member = Member(world, folder)
    committed(world, START + 60)
    run_until(member, lambda: member.service._leading is not None)
    assert leases.acquire(world.db, LEASE, "another", world.clock.now(), 10.0) == 2


def test_a_round_that_outlasts_the_lease_keeps_it(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member(world, folder)
    member.service._settings = EngineSettings(packs=(), slos=(folder,), lease_ttl=0.03)
    committed(world, START + 60)
    renewed: list[float] = []
    acquire, tick = leases.acquire, member.service._engine.tick

    def count(*args: Any) -> int | None:
        renewed.append(world.clock.now())
        return acquire(*args)

    def slow() -> None:
        seen = len(renewed)
        while len(renewed) < seen + 2:  # the round goes on until the lease was renewed twice meanwhile
            time.sleep(0.002)
        tick()

    monkeypatch.setattr(leases, "acquire", count)
    monkeypatch.setattr(member.service._engine, "tick", slow)
    run_until(member, lambda: bool(store.evaluations(world.db)))
    assert member.value("burnline_engine_tick_failures_total", reason="LeaseLost") is None


def run_until(member: Member, reached: Callable[[], bool]) -> None:
    """Run the service as it runs in its process, and stop it once something is so."""

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(member.service.run(stop))
        while not reached() and not running.done():  # noqa: ASYNC110 - what is waited for is in another thread
            await asyncio.sleep(0.005)
        stop.set()
        await running

    asyncio.run(run())
