"""What the specification asks of a sender, against a receiver that answers as it likes."""

from __future__ import annotations

import asyncio

import pytest

from collector.remote_write.deliver import BACKOFF
from collector.remote_write.post import Verdict, verdict_of
from core.errors import ConfigError
from tests.collector.remote_write.wire import decode
from tests.collector.remote_write.world import TAKEN, receiver, running, until


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_2xx_is_taken(status):
    assert verdict_of(status) is Verdict.TAKEN


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_5xx_and_429_are_tried_again(status):
    assert verdict_of(status) is Verdict.AGAIN


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 409, 413, 415, 422, 499])
def test_all_else_is_never_tried_again(status):
    assert verdict_of(status) is Verdict.REFUSED


def test_the_wait_grows_from_30_ms_to_5_s():
    assert BACKOFF.delay(1, 0.0) == 0.03
    assert BACKOFF.delay(1, 0.999) <= 0.06
    assert BACKOFF.delay(100, 0.999999) == pytest.approx(5.0, abs=0.001)
    assert [BACKOFF.delay(n, 0.5) for n in range(1, 12)] == sorted(BACKOFF.delay(n, 0.5) for n in range(1, 12))


def play(world, scenario, **settings):
    """Run a scenario with a receiver and a remote that sends to it."""

    async def play() -> None:
        async with receiver() as stub:
            writers = world.writers({"url": stub.url, **settings})
            async with running(writers):
                await scenario(stub, writers)

    asyncio.run(play())


def test_a_request_says_what_it_is(world):
    async def scenario(stub, writers):
        world.block()
        writers.wake()
        await until(lambda: bool(stub.requests))
        (got,) = stub.requests
        assert got.headers["Content-Type"] == "application/x-protobuf"
        assert got.headers["Content-Encoding"] == "snappy"
        assert got.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
        assert got.headers["User-Agent"] == "burnline"
        assert got.headers["X-Scope-OrgID"] == "fleet"
        (sample,) = decode(got.body)
        assert dict(sample.labels) == {"__name__": "m", "cluster": "east", "n": "0"}

    play(world, scenario, headers={"X-Scope-OrgID": "fleet"}, external_labels={"cluster": "east"})


@pytest.mark.parametrize("status", [500, 503, 429, 0])
def test_what_may_be_taken_later_is_sent_again_unchanged_and_before_what_follows(world, status):
    async def scenario(stub, writers):
        stub.will_answer(status, status, status)
        world.block()
        world.block()
        writers.wake()
        await until(lambda: len(stub.taken) == 2)
        assert len({got.body for got in stub.requests[:4]}) == 1
        assert [sample.bits for sample in stub.taken] == sorted(sample.bits for sample in stub.taken)
        assert world.total("samples_retried_total") == 3
        assert world.total("samples_dropped_total", reason="refused") == 0

    play(world, scenario)
    assert world.total("samples_sent_total") == 2


def test_retry_after_is_a_lower_bound(world):
    async def scenario(stub, writers):
        stub.will_answer(429, **{"Retry-After": "1"})
        world.block()
        writers.wake()
        await until(lambda: len(stub.requests) == 2)
        first, second = stub.requests
        assert second.at - first.at >= 1.0

    play(world, scenario)


@pytest.mark.parametrize("status", [400, 404, 307])
def test_what_is_refused_is_dropped_counted_and_logged_once_and_the_next_goes_on(world, status, caplog):
    async def scenario(stub, writers):
        stub.will_answer(status, status)
        for _ in range(3):
            world.block()
        writers.wake()
        await until(lambda: len(stub.taken) == 1)
        assert [got.status for got in stub.requests] == [status, status, TAKEN]

    play(world, scenario)
    assert world.total("samples_dropped_total", reason="refused") == 2
    assert world.total("samples_sent_total") == 1
    assert world.total("requests_total", code=str(status)) == 2
    told = [record.message for record in caplog.records if "refused" in record.message]
    assert told == [f"remote out refused 1 samples, which are dropped: answered {status}: no, thank you"]


def test_a_refusal_of_what_was_sent_before_is_told_apart(world):
    """The receiver may have taken it and answered too late: then it refuses the same request, and nothing is lost."""

    async def scenario(stub, writers):
        stub.will_answer(500, 400)
        world.block()
        writers.wake()
        await until(lambda: world.total("samples_dropped_total", reason="refused_again") == 1)

    play(world, scenario)
    assert world.total("samples_dropped_total", reason="refused") == 0


def test_no_answer_in_time_is_tried_again(world):
    async def scenario(stub, writers):
        stub.delay = 0.5
        world.block()
        writers.wake()
        await until(lambda: world.total("requests_total", code="timeout") >= 1)
        stub.delay = 0.0
        await until(lambda: world.total("samples_sent_total") == 1)

    play(world, scenario, timeout=0.1)


def test_a_receiver_that_is_not_there_is_waited_for_and_said_once(world, caplog):
    async def scenario(stub, writers):
        world.block()
        writers.wake()
        await until(lambda: world.total("requests_total", code="connect") >= 3)
        writers.wake()
        await until(lambda: "no connection" in str(writers.detail()["out"]["last_error"]))

    play(world, scenario, url="http://127.0.0.1:1/api/v1/write")
    assert len([record for record in caplog.records if "takes no samples" in record.message]) == 1
    assert world.total("samples_dropped_total", reason="refused") == 0


def test_requests_of_a_block_go_out_at_once_up_to_the_limit(world):
    world.series += [(("__name__", "m"), ("n", str(n))) for n in range(1, 60)]

    async def scenario(stub, writers):
        stub.delay = 0.02
        world.block(3)
        writers.wake()
        await until(lambda: world.total("samples_sent_total") == 180)
        assert 1 < stub.most_open <= 3
        assert all(len(decode(got.body)) <= 10 for got in stub.requests)

    play(world, scenario, max_samples_per_send=10, concurrency=3)


def test_a_token_is_read_at_each_request_and_one_that_is_missing_is_waited_for(world, tmp_path):
    token = tmp_path / "token"

    async def scenario(stub, writers):
        world.block()
        writers.wake()
        await until(lambda: world.total("requests_total", code="credentials") >= 2)
        token.write_text("secret\n")
        await until(lambda: len(stub.taken) == 1)
        assert stub.requests[0].headers["Authorization"] == "Bearer secret"
        token.write_text("other\n")
        world.block()
        writers.wake()
        await until(lambda: len(stub.taken) == 2)
        assert stub.requests[1].headers["Authorization"] == "Bearer other"

    play(world, scenario, bearer_token_file=token)


def test_a_password_goes_by_basic_authentication(world, tmp_path):
    password = tmp_path / "password"
    password.write_text("open sesame\n")

    async def scenario(stub, writers):
        world.block()
        writers.wake()
        await until(lambda: len(stub.taken) == 1)
        assert stub.requests[0].headers["Authorization"] == "Basic YWxpOm9wZW4gc2VzYW1l"

    play(world, scenario, basic_auth={"username": "ali", "password_file": password})


def test_certificates_that_cannot_be_read_are_a_fault_of_the_settings(world, tmp_path):
    writers = world.writers({"url": "https://127.0.0.1:1/", "tls": {"ca_file": tmp_path / "none.pem"}})
    with pytest.raises(ConfigError, match="remote out: a file of tls cannot be read"):
        asyncio.run(writers.run(asyncio.Event()))


def test_a_connection_that_is_no_tls_is_no_reason_to_drop(world):
    async def scenario() -> None:
        async with receiver() as stub:
            writers = world.writers({"url": stub.url.replace("http:", "https:")})
            async with running(writers):
                world.block()
                writers.wake()
                await until(lambda: world.total("samples_retried_total") >= 1)

    asyncio.run(scenario())
    assert world.total("samples_pending") == 1
