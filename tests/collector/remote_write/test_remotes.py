"""Outages, crashes, bounds and housekeeping: what arrives, and what is counted where it does not."""

from __future__ import annotations

import asyncio
import errno
import os
import time

import pytest

from collector.remote_write import remote as remote_module
from collector.settings import CollectorSettings
from core.labels import make
from storage.series import compact, retain, segment
from storage.series.disk import SystemDisk
from storage.series.stale import STALE_BITS
from tests.collector.remote_write.wire import bits_of, decode
from tests.collector.remote_write.world import WINDOW, crash, receiver, running, until


def values(stub):
    """The values that were taken, in order; stale markers as None."""
    return [None if one.bits == STALE_BITS else one.bits for one in stub.taken]


def whole(*numbers):
    return [bits_of(float(number)) for number in numbers]


def test_nothing_is_lost_in_an_outage_and_the_order_is_kept(world):
    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            async with running(writers):
                world.block()
                writers.wake()
                await until(lambda: len(stub.taken) == 1)
                stub.always = 503
                for _ in range(20):
                    world.block(2)
                writers.wake()
                await until(lambda: world.total("samples_pending") == 40)
                assert world.total("lag_seconds") == 40
                stub.always = 204
                await until(lambda: len(stub.taken) == 41)
            assert values(stub) == whole(*range(41))

    asyncio.run(scenario())
    assert world.total("samples_sent_total") == 41
    assert [world.total(name) for name in ("samples_pending", "bytes_pending", "lag_seconds")] == [0, 0, 0]


def test_after_a_crash_the_same_requests_are_sent_again_byte_for_byte(world):
    world.series += [make({"__name__": "m", "n": str(n)}) for n in range(1, 50)]

    async def scenario():
        async with receiver() as stub:
            settings = {"url": stub.url, "max_samples_per_send": 20, "concurrency": 1}
            first = world.writers(settings)
            for _ in range(2):
                world.block(2)
            stub.will_answer(204, 204, 204, 503, 503)  # three of the first block's five requests are taken
            await crash(first, lambda: len(stub.requests) >= 4)
            sent = [one.body for one in stub.requests]
            stub.answers.clear()
            stub.requests.clear()
            world.block()  # more has come meanwhile, and is not mixed in
            writers = world.writers(settings)
            async with running(writers):
                await until(lambda: len(stub.taken) == 250)
            assert [one.body for one in stub.requests][:4] == sent[:4]

    asyncio.run(scenario())


def test_a_crash_between_the_answer_and_the_cursor_sends_that_block_twice_and_no_other(world, monkeypatch):
    async def scenario():
        async with receiver() as stub:
            first = world.writers({"url": stub.url})
            world.block()
            await crash(first, lambda: len(stub.taken) == 1 and world.total("samples_pending") == 0)
            monkeypatch.setattr(remote_module, "save", lambda cursor, saved=True: True)
            world.block()
            await crash(world.writers({"url": stub.url}), lambda: len(stub.taken) == 2)
            monkeypatch.undo()
            world.block()
            async with running(world.writers({"url": stub.url})):
                await until(lambda: len(stub.taken) == 4)
            assert values(stub) == whole(0, 1, 1, 2)

    asyncio.run(scenario())


def test_a_refusal_after_a_crash_is_told_apart_for_the_block_that_may_have_been_taken(world):
    async def scenario():
        async with receiver() as stub:
            first = world.writers({"url": stub.url})
            stub.always = 503
            world.block()
            world.block()
            await crash(first, lambda: len(stub.requests) > 0)
            stub.always = 400
            async with running(world.writers({"url": stub.url})):
                await until(lambda: world.total("samples_pending") == 0 and len(stub.requests) > 2)

    asyncio.run(scenario())
    assert world.total("samples_dropped_total", reason="refused_again") == 1
    assert world.total("samples_dropped_total", reason="refused") == 1


def test_a_new_remote_gets_what_comes_and_one_that_was_there_goes_on(world):
    async def scenario():
        async with receiver() as stub, receiver() as other:
            world.block()
            async with running(world.writers({"url": stub.url})):
                world.block()
            both = [{"url": stub.url}, {"name": "new", "url": other.url}]
            world.block()
            writers = world.writers(*both)
            world.block()
            async with running(writers):
                await until(lambda: (len(stub.taken), len(other.taken)) == (3, 1))
            assert values(stub) == whole(1, 2, 3)
            assert values(other) == whole(3)

    asyncio.run(scenario())


def test_one_remote_that_is_away_holds_up_no_other(world):
    async def scenario():
        async with receiver() as stub:
            away = {"name": "away", "url": "http://127.0.0.1:1/"}
            writers = world.writers(away, {"url": stub.url})
            async with running(writers):
                world.block(3)
                writers.wake()
                await until(lambda: len(stub.taken) == 3)
            assert writers.detail()["away"]["pending_samples"] == 3
            assert "no connection" in writers.detail()["away"]["last_error"]

    asyncio.run(scenario())


def test_stale_markers_and_a_series_that_comes_back_keep_their_order(world):
    """Forgotten and defined again, a series has another reference; its samples still follow each other."""

    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url, "max_samples_per_send": 1, "concurrency": 8})
            async with running(writers):
                for step in range(12):
                    refs = [world.writer.ref(one) for one in world.series]
                    world.writer.add(WINDOW * 1000 + 10 * step, refs, [float(step)])
                    world.writer.add_stale(WINDOW * 1000 + 10 * step + 1, refs)
                    world.writer.forget(refs)
                world.writer.flush()
                writers.wake()
                await until(lambda: len(stub.taken) == 24)
            assert values(stub) == [one for step in range(12) for one in (*whole(step), None)]

    asyncio.run(scenario())


def test_a_window_that_ends_under_way_is_sent_whole(world):
    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            async with running(writers):
                world.clock.set(WINDOW + 7200 - 3)
                for _ in range(6):
                    world.block()
                    writers.wake()
                await until(lambda: len(stub.taken) == 6)
            assert values(stub) == whole(*range(6))

    asyncio.run(scenario())
    assert len(list(world.directory.glob("*.seg"))) == 2


@pytest.mark.parametrize("stuck", [False, True])
def test_beyond_its_bytes_the_queue_gives_up_the_oldest_and_counts_them(world, stuck):
    """Also the block that is just tried again."""
    world.series += [make({"__name__": "m", "n": str(n)}) for n in range(1, 30)]

    def dropped():
        return world.total("samples_dropped_total", reason="queue_bytes")

    async def scenario():
        async with receiver() as stub:
            stub.always = 503
            writers = world.writers({"url": stub.url, "max_queue_bytes": 3000})
            if not stuck:
                for _ in range(30):
                    world.block()
            async with running(writers):
                if stuck:
                    world.block()
                    writers.wake()
                    await until(lambda: len(stub.requests) > 1)
                    for _ in range(29):
                        world.block()
                    writers.wake()
                await until(lambda: 0 < world.total("bytes_pending") <= 3000 and dropped() > 0)
                stub.always = 204
                await until(lambda: dropped() + len(stub.taken) >= 900)
            return values(stub)

    sent = asyncio.run(scenario())
    assert dropped() + len(sent) == 900
    assert sorted(set(sent)) == whole(*range(round(dropped() / 30), 30))


def test_beyond_its_age_the_queue_gives_up_the_oldest(world):
    async def scenario():
        async with receiver() as stub:
            for _ in range(5):
                world.block()
                world.clock.advance(100)
            writers = world.writers({"url": stub.url, "max_queue_age": 250})
            for path in world.directory.glob("*.cursor"):
                path.write_bytes(b"lost")
            writers = world.writers({"url": stub.url, "max_queue_age": 250})
            async with running(writers):
                await until(lambda: len(stub.taken) == 2)
            assert values(stub) == whole(3, 4)

    asyncio.run(scenario())
    assert world.total("samples_dropped_total", reason="queue_age") == 3


def test_compaction_and_retention_during_an_outage_take_nothing_away(world):
    async def scenario():
        async with receiver() as stub:
            stub.always = 503
            writers = world.writers({"url": stub.url, "max_queue_age": 10 * 7200})
            async with running(writers):
                for _ in range(5):
                    world.block(3)
                    world.clock.advance(7200)
                    writers.wake()
                    compact(world.directory, "0", world.clock.now())
                    retain(world.directory, world.clock.now(), 0, 0)
                stub.always = 204
                await until(lambda: len(stub.taken) == 15)
            assert values(stub) == whole(*range(15))
            world.writer.flush()
            assert compact(world.directory, "0", world.clock.now()).samples == 15

    asyncio.run(scenario())


def test_a_segment_that_somebody_deletes_under_way_is_counted(world):
    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            async with running(writers):
                stub.always = 503
                for _ in range(3):
                    world.block()
                writers.wake()
                await until(lambda: world.total("samples_pending") == 3)
                for path in world.directory.glob("*.seg"):
                    path.unlink()
                stub.always = 204
                await until(lambda: world.total("samples_pending") == 0)

    asyncio.run(scenario())
    assert world.total("samples_sent_total") == 1
    assert world.total("samples_dropped_total", reason="damaged") == 2


def test_a_damaged_block_is_passed_over(world, caplog):
    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            for _ in range(3):
                world.block()
            (path,) = world.directory.glob("*.seg")
            data = bytearray(path.read_bytes())
            # The last byte of the second block: its samples' checksum does not fit any more.
            second = data.index(b"BLS1", data.index(b"BLS1", 4))
            third = data.index(b"BLS1", second + 4) if data.count(b"BLS1") > 2 else len(data)
            data[third - 1] ^= 0xFF
            path.write_bytes(data)
            async with running(writers):
                await until(lambda: len(stub.taken) >= 2)
            return values(stub)

    assert len(asyncio.run(scenario())) == 2
    assert any("are lost" in record.message for record in caplog.records)


class FullDisk(SystemDisk):
    """Takes nothing while `full`."""

    full = True

    def write(self, descriptor: int, data: memoryview) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, data)


def test_a_full_disk_stops_the_cursor_and_not_the_sending(world, caplog):
    disk = FullDisk()

    async def scenario():
        async with receiver() as stub:
            disk.full = False
            writers = world.writers({"url": stub.url})
            for _, cursor in writers._cursors:
                cursor.disk = disk
            disk.full = True
            async with running(writers):
                for _ in range(3):
                    world.block()
                    writers.wake()
                await until(lambda: len(stub.taken) == 3)
            disk.full = False
            again = world.writers({"url": stub.url})
            async with running(again):
                world.block()
                await until(lambda: len(stub.taken) == 7)
            assert values(stub) == whole(0, 1, 2, 0, 1, 2, 3)

    asyncio.run(scenario())
    assert len([record for record in caplog.records if "cursor is written later" in record.message]) == 1


def test_at_the_end_what_is_on_disk_is_still_sent(world):
    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            async with running(writers) as stop:
                await asyncio.sleep(0.05)
                for _ in range(10):
                    world.block()
                stop.set()
            assert len(stub.taken) == 10

    asyncio.run(scenario())


def test_looking_from_two_places_at_once_sends_each_block_once(world, monkeypatch):
    count = segment.count_samples

    def slowly(descriptor, place):
        time.sleep(0.01)  # so that two looks would be at one block at once
        return count(descriptor, place)

    monkeypatch.setattr(segment, "count_samples", slowly)

    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            async with running(writers):
                await until(lambda: bool(writers._remotes))
                (remote,) = writers._remotes
                for _ in range(5):
                    world.block()
                    writers.wake()
                    await asyncio.gather(*(remote.drain() for _ in range(3)))
            assert values(stub) == whole(*range(5))

    asyncio.run(scenario())


def test_the_end_does_not_wait_for_a_receiver_that_is_away(world):
    async def scenario():
        writers = world.writers({"url": "http://127.0.0.1:1/"})
        world.block()
        async with asyncio.timeout(10):
            async with running(writers) as stop:
                await until(lambda: world.total("samples_retried_total") > 0)
                stop.set()

    asyncio.run(scenario())


def test_without_remotes_nothing_is_written_and_a_cursor_of_before_is_forgotten(world):
    world.writers({"url": "http://127.0.0.1:1/"})
    assert len(list(world.directory.glob("*.cursor"))) == 1
    writers = world.writers()
    assert list(world.directory.glob("*.cursor")) == []

    async def scenario():
        async with running(writers):
            writers.wake()

    asyncio.run(scenario())
    assert writers.detail() == {}


@pytest.mark.parametrize(
    "remote",
    [
        {"name": "a.b"},
        {"name": ""},
        {"url": "ftp://x/"},
        {"url": "127.0.0.1:9090"},
        {"url": "http://user:secret@host/api/v1/write"},
        {"headers": {"content-type": "x"}},
        {"headers": {"Authorization": "Bearer x"}},
        {"external_labels": {"__name__": "x"}},
        {"external_labels": {"a-b": "x"}},
        {"max_samples_per_send": 0},
        {"concurrency": 0},
        {"max_queue_age": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(remote):
    with pytest.raises(ValueError, match="remote_write"):
        CollectorSettings.model_validate({"remote_write": [{"name": "out", "url": "http://host/", **remote}]})


def test_two_remotes_of_one_name_are_refused():
    remote = {"name": "out", "url": "http://host/"}
    with pytest.raises(ValueError, match="two remotes have one name"):
        CollectorSettings.model_validate({"remote_write": [remote, remote]})


def test_samples_are_decoded_as_they_were_stored(world):
    stored = [0.0, -0.0, float("nan"), float("inf"), 1e308, 5e-324]
    world.series = [make({"__name__": "m", "n": str(n)}) for n in range(len(stored))]

    async def scenario():
        async with receiver() as stub:
            writers = world.writers({"url": stub.url})
            refs = [world.writer.ref(one) for one in world.series]
            world.writer.add(WINDOW * 1000, refs, stored)
            world.writer.flush()
            async with running(writers):
                await until(lambda: len(stub.taken) == len(stored))
            (got,) = stub.requests
            return {dict(one.labels)["n"]: one.bits for one in decode(got.body)}

    assert asyncio.run(scenario()) == {str(n): bits_of(value) for n, value in enumerate(stored)}
