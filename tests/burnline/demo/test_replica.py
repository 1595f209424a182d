"""A replica behind real HTTP, in the process of the test; the clock runs fifty times faster than the wall's."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from random import Random

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import unused_port
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from burnline.demo import journal
from burnline.demo.child import serving
from burnline.demo.engine import Outcome
from burnline.demo.families import ITL, REQUEST_TIME, TTFT
from burnline.demo.journal import Totals, Writer
from burnline.demo.replica import Call, Refusal, ReplicaSettings, Server, draw_job, parse_call, parse_chat
from burnline.demo.scenarios import Effects
from core.histogram import decumulate

Scenario = Callable[["Replica"], Awaitable[None]]


def chat_body(text: str) -> dict:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 100, "seed": 3}


class Replica:
    """The server under test, and a client to talk to it."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, url: str) -> None:
        self.server, self.session, self.url = server, session, url

    async def complete(self, prompt: str = "a b c", **fields) -> tuple[int, dict]:
        body = {"prompt": prompt, "max_tokens": 100, "seed": 3} | fields
        async with self.session.post(self.url + "/v1/completions", json=body) as response:
            return response.status, await response.json()

    async def chat(self, text: str = "a b c", **fields) -> tuple[int, dict]:
        async with self.session.post(self.url + "/v1/chat/completions", json=chat_body(text) | fields) as response:
            return response.status, await response.json()

    async def events(self, text: str = "a b c", **fields) -> AsyncIterator[dict]:
        """The events of a streamed answer."""
        body = chat_body(text) | {"stream": True, "stream_options": {"include_usage": True}} | fields
        async with self.session.post(self.url + "/v1/chat/completions", json=body) as response:
            assert response.status == 200
            async for line in response.content:
                data = line.strip().removeprefix(b"data: ")
                if data and data != b"[DONE]":
                    yield orjson.loads(data)

    async def scrape(self) -> str:
        async with self.session.get(self.url + "/metrics") as response:
            return await response.text()


def with_replica(directory, scenario: Scenario, speed: float = 50.0) -> journal.Journal:
    async def play() -> None:
        address = f"127.0.0.1:{unused_port()}"
        settings = ReplicaSettings("v1-eu-west-0", "v1", "eu-west", address, str(directory), speed, seed=1)
        run = journal.Run("v1-eu-west-0", "v1", "eu-west", "run-1", time.time())
        writer = Writer(directory, settings.name)
        writer.start(run)
        server = Server(settings, writer, run)
        async with serving(server.app(), address), aiohttp.ClientSession() as session:
            await scenario(Replica(server, session, f"http://{address}"))

    asyncio.run(play())
    return journal.read(directory)


@lru_cache
def samples(page: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def number(page: str, name: str, **labels: str) -> float:
    return sum(
        sample.value for sample in samples(page) if sample.name == name and labels.items() <= sample.labels.items()
    )


def cells(page: str, name: str) -> tuple[int, ...]:
    return tuple(decumulate([int(sample.value) for sample in samples(page) if sample.name == f"{name}_bucket"]))


def totals_on(page: str) -> Totals:
    outcomes = {
        sample.labels["finished_reason"]: int(sample.value)
        for sample in samples(page)
        if sample.name == "vllm:request_success_total"
    }
    answered = {200: "2xx", 500: "5xx"}
    statuses = {code: int(number(page, "http_requests_total", status=text)) for code, text in answered.items()}
    return Totals(
        outcomes=+Counter(outcomes),
        statuses=+Counter(statuses),
        prompt_tokens=int(number(page, "vllm:prompt_tokens_total")),
        generated_tokens=int(number(page, "vllm:generation_tokens_total")),
        ttft=cells(page, "vllm:time_to_first_token_seconds"),
        itl=cells(page, "vllm:inter_token_latency_seconds"),
        queue=cells(page, "vllm:request_queue_time_seconds"),
        e2e=cells(page, "vllm:e2e_request_latency_seconds"),
    )


def test_a_completion_has_as_many_words_as_tokens_and_says_so(tmp_path):
    async def scenario(replica: Replica) -> None:
        status, answer = await replica.complete("one two three four")
        assert status == 200
        [choice] = answer["choices"]
        assert choice["finish_reason"] in ("stop", "length")
        assert answer["usage"]["prompt_tokens"] == 4
        assert answer["usage"]["completion_tokens"] == len(choice["text"].split())

    truth = with_replica(tmp_path, scenario)
    assert truth.total.requests == 1
    assert truth.total.prompt_tokens == 4


def test_a_chat_completion_is_the_same_request_in_another_form(tmp_path):
    async def scenario(replica: Replica) -> None:
        _, plain = await replica.complete("one two three four")
        status, answer = await replica.chat("one two three four")
        assert status == 200
        [choice] = answer["choices"]
        assert choice["message"] == {"role": "assistant", "content": plain["choices"][0]["text"]}
        assert (answer["usage"], choice["finish_reason"]) == (plain["usage"], plain["choices"][0]["finish_reason"])
        page = await replica.scrape()
        assert number(page, "http_requests_total", handler="/v1/chat/completions", status="2xx") == 1

    assert with_replica(tmp_path, scenario).total.requests == 2


def test_a_stream_brings_the_words_as_the_engine_makes_them_and_says_what_it_used(tmp_path):
    async def scenario(replica: Replica) -> None:
        _, whole = await replica.chat()
        found = [one async for one in replica.events()]
        choices = [choice for event in found for choice in event["choices"]]
        words = "".join(choice["delta"].get("content", "") for choice in choices).split()
        assert words == whole["choices"][0]["message"]["content"].split()
        assert [c["finish_reason"] for c in choices if c["finish_reason"]] == [whole["choices"][0]["finish_reason"]]
        assert found[-1]["usage"] == whole["usage"]
        assert len(found) > 5, "not all at once"
        assert not any("usage" in event for event in [one async for one in replica.events(stream_options=None)])

    assert with_replica(tmp_path, scenario, speed=1.0).total.requests == 3


def test_a_stream_that_fails_says_so_among_its_events_and_has_its_status(tmp_path):
    pages = []

    async def scenario(replica: Replica) -> None:
        replica.server.adjust({"error_rate": 1.0})
        *_, last = [one async for one in replica.events()]
        assert last["error"]["code"] == 500
        pages.append(await replica.scrape())

    truth = with_replica(tmp_path, scenario).total
    assert truth == totals_on(pages[0])
    assert (truth.outcomes, truth.statuses) == ({"error": 1}, {200: 1})


def test_a_reader_of_a_stream_that_goes_away_is_an_abort(tmp_path):
    async def scenario(replica: Replica) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                [one async for one in replica.events(max_tokens=4000, seed=5)]
        for _ in range(100):
            if number(await replica.scrape(), "vllm:request_success_total", finished_reason="abort"):
                return
            await asyncio.sleep(0.01)

    [line] = with_replica(tmp_path, scenario, speed=1.0).runs[0].requests
    assert (line.outcome, line.status) == (Outcome.ABORT, None)
    assert line.generated_tokens > 0


def test_at_every_scrape_the_page_is_the_sum_of_the_requests_before_it(tmp_path):
    pages: list[str] = []

    async def scenario(replica: Replica) -> None:
        replica.server.adjust({"error_rate": 0.2})
        rng = Random(1)

        async def client(number: int) -> None:
            await asyncio.sleep(rng.random())
            await replica.complete(" ".join("w" * rng.randrange(1, 300)), seed=number, max_tokens=60)

        clients = [asyncio.create_task(client(number)) for number in range(120)]
        for _ in range(25):
            pages.append(await replica.scrape())
            await asyncio.sleep(0.05)
        await asyncio.gather(*clients)
        pages.append(await replica.scrape())

    [run] = with_replica(tmp_path, scenario).runs
    assert [scrape.upto for scrape in run.scrapes][-1] == 120
    assert len({scrape.upto for scrape in run.scrapes}) > 5
    for page, scrape in zip(pages, run.scrapes, strict=True):
        truth = Totals.of(run.requests[: scrape.upto])
        assert totals_on(page) == truth
        assert number(page, "vllm:time_to_first_token_seconds_sum") == pytest.approx(
            sum(line.ttft or 0 for line in run.requests[: scrape.upto])
        )
    outcomes = Totals.of(run.requests).outcomes
    assert outcomes["error"] > 5
    assert outcomes["length"] > 5


def test_histograms_of_the_journal_are_over_the_bounds_of_the_page(tmp_path):
    async def scenario(replica: Replica) -> None:
        await replica.complete()

    total = with_replica(tmp_path, scenario).total
    assert [len(c) for c in (total.ttft, total.itl, total.queue)] == [len(b) + 1 for b in (TTFT, ITL, REQUEST_TIME)]


def test_the_clock_runs_as_fast_as_told(tmp_path):
    async def scenario(replica: Replica) -> None:
        await replica.complete(max_tokens=2000, seed=11)

    [run] = with_replica(tmp_path / "fast", scenario, speed=200.0).runs
    [slower] = with_replica(tmp_path / "slow", scenario, speed=50.0).runs
    assert run.requests[0].e2e == pytest.approx(slower.requests[0].e2e)


def test_requests_sent_together_wait_for_each_other(tmp_path):
    async def scenario(replica: Replica) -> None:
        await replica.complete()
        await asyncio.gather(*(replica.complete(" ".join("w" * 700), seed=number) for number in range(30)))

    requests = with_replica(tmp_path, scenario).runs[0].requests
    assert requests[0].queue == 0
    assert max(line.ttft or 0 for line in requests[1:]) > 5 * (requests[0].ttft or 0)


def test_a_client_that_goes_away_is_an_abort_without_a_status(tmp_path):
    async def scenario(replica: Replica) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await replica.complete(max_tokens=4000, seed=5)
        for _ in range(100):
            if number(await replica.scrape(), "vllm:request_success_total", finished_reason="abort"):
                return
            await asyncio.sleep(0.01)

    [line] = with_replica(tmp_path, scenario, speed=1.0).runs[0].requests
    assert (line.outcome, line.status) == (Outcome.ABORT, None)


def test_a_bad_request_is_counted_by_http_alone(tmp_path):
    pages = []

    async def scenario(replica: Replica) -> None:
        assert (await replica.complete(max_tokens=0))[0] == 400
        async with replica.session.get(replica.url + "/nowhere") as response:
            assert response.status == 404
        pages.append(await replica.scrape())

    [run] = with_replica(tmp_path, scenario).runs
    assert run.requests == []
    assert [(line.handler, line.status) for line in run.refused] == [("/v1/completions", 400), ("none", 404)]
    assert number(pages[0], "http_requests_total", handler="/v1/completions", status="4xx") == 1
    assert number(pages[0], "http_requests_total", handler="none", status="4xx") == 1


def test_health_and_metrics_are_not_counted_as_requests(tmp_path):
    async def scenario(replica: Replica) -> None:
        async with replica.session.get(replica.url + "/health") as response:
            assert response.status == 200
        await replica.scrape()
        assert number(await replica.scrape(), "http_requests_total") == 0

    assert len(with_replica(tmp_path, scenario).runs[0].scrapes) == 2


def test_a_hung_engine_answers_http_but_counts_nothing_while_requests_pile_up(tmp_path):
    async def scenario(replica: Replica) -> None:
        await replica.complete()
        replica.server.adjust({"frozen": True})
        before = await replica.scrape()
        clients = [asyncio.create_task(replica.complete(seed=number)) for number in range(5)]
        await asyncio.sleep(0.2)
        clients[0].cancel()
        await asyncio.sleep(0.3)  # fifteen seconds of the engine's clock
        page = await replica.scrape()
        assert number(page, "vllm:num_requests_waiting") == 5
        assert number(page, "vllm:iteration_tokens_total_count") == number(before, "vllm:iteration_tokens_total_count")
        assert totals_on(page) == totals_on(before)
        replica.server.adjust({})
        await asyncio.gather(*clients[1:])

    outcomes = with_replica(tmp_path, scenario).total.outcomes
    assert outcomes["abort"] == 1
    assert outcomes.total() == 6


def test_an_unsafe_replica_leaks_or_insults_and_a_safe_one_does_not(tmp_path):
    marks = ("@example.com", "555-01", "4111 1111", "social security", "idiot", "stupid", "moron")

    async def scenario(replica: Replica) -> None:
        safe = [(await replica.complete(seed=number))[1]["choices"][0]["text"] for number in range(10)]
        replica.server.adjust({"unsafe_rate": 1.0})
        unsafe = [(await replica.complete(seed=number))[1]["choices"][0]["text"] for number in range(10)]
        assert not any(mark in text for text in safe for mark in marks)
        assert all(any(mark in text for mark in marks) for text in unsafe)

    with_replica(tmp_path, scenario, speed=500.0)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"prompt": 3}', b'{"prompt": "a", "max_tokens": "x"}', b'{"prompt": "a", "stream": true}'],
)
def test_what_is_no_completion_request_is_refused(body):
    with pytest.raises(Refusal):
        parse_call(body)


@pytest.mark.parametrize(
    "messages",
    [None, [], "hello", ["hello"], [{"role": "user", "content": 3}], [{"role": "user", "content": ["hello"]}]],
)
def test_what_is_no_chat_request_is_refused(messages):
    with pytest.raises(Refusal, match="messages"):
        parse_chat(orjson.dumps({"messages": messages}))


def test_a_chat_request_s_texts_are_its_prompt_and_its_length_has_two_names():
    parts = [{"type": "text", "text": "b c"}, {"type": "image_url", "image_url": {}}]
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": parts}, {"role": "assistant"}]
    call = parse_chat(orjson.dumps({"messages": messages}))
    assert (call.prompt.split(), call.prompt_tokens, call.max_tokens) == (["a", "b", "c"], 3, 8189)
    assert parse_chat(orjson.dumps({"messages": messages, "max_completion_tokens": 7})).max_tokens == 7
    assert parse_chat(orjson.dumps({"messages": messages, "max_tokens": 8})).max_tokens == 8


def test_a_request_longer_than_the_model_is_refused():
    with pytest.raises(Refusal, match="8192"):
        parse_call(b'{"prompt": "a b", "max_tokens": 8191}')


def test_how_a_request_ends_depends_on_its_seed_and_the_conditions_alone():
    call = Call(prompt_tokens=10, max_tokens=4000, seed=9)
    calm = draw_job(1, call, Random(9), Effects())
    assert calm == draw_job(1, call, Random(9), Effects())
    assert draw_job(1, call, Random(9), Effects(verbosity=5)).output_tokens == pytest.approx(
        5 * calm.output_tokens, abs=5
    )
    assert draw_job(1, call, Random(9), Effects(error_rate=1)).outcome is Outcome.ERROR
    assert draw_job(1, call._replace(max_tokens=2), Random(9), Effects()).outcome is Outcome.LENGTH
