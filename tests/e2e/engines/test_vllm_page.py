"""What a real vLLM counts for each kind of request: the ground that its engine profile stands on.

docs/engines-vllm.md tells the findings in words, with those that no test repeats.
"""

from __future__ import annotations

import time
from collections import Counter

import httpx
import pytest

from tests.e2e.engines.vllm_page import Counts, counts, samples
from tests.e2e.engines.vllm_server import ADMITTED, VllmServer

pytestmark = [pytest.mark.server("vllm"), pytest.mark.timeout(300), pytest.mark.xdist_group("vllm")]

END_OF_TEXT = 2  # the token id of the tiny model's end of text
SETTLE_SECONDS = 15.0


class Watch:
    """Remembers the page at the start; `moved` tells what has been counted since."""

    def __init__(self, vllm: VllmServer) -> None:
        self._vllm = vllm
        self._before = counts(vllm.page())

    def moved(self) -> Counts:
        """Wait until two pages in a row are equal: an aborted request runs on for a moment."""
        deadline = time.monotonic() + SETTLE_SECONDS
        last = counts(self._vllm.page())
        while time.monotonic() < deadline:
            time.sleep(0.25)
            now = counts(self._vllm.page())
            if now == last:
                return now - self._before
            last = now
        raise AssertionError("the page did not come to rest")


def counted(finished: str, http: str, tokens: int) -> Counts:
    """What one sequence of `tokens` tokens counts: one first token, and a gap before each later one."""
    return Counts(Counter({finished: 1}), Counter({http: 1}), 0, 1, tokens - 1, 1, tokens)


def token_of(vllm: VllmServer, text: str) -> int:
    body = {"model": "tiny", "prompt": text, "add_special_tokens": False}
    (token,) = vllm.post("/tokenize", body).json()["tokens"]
    return int(token)


def failing(vllm: VllmServer) -> dict[str, object]:
    """A request that the engine fails at its fourth token: the grammar demands what the sampler may not choose."""
    return {"structured_outputs": {"regex": "1{3}2"}, "allowed_token_ids": [token_of(vllm, "1")]}


def test_an_answer_that_ends_by_itself_counts_as_stop(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    assert vllm.complete(allowed_token_ids=[END_OF_TEXT]).status_code == 200
    assert watch.moved() == counted("stop", "2xx", tokens=1)


def test_a_stop_string_counts_as_stop_and_not_as_abort(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    answer = vllm.complete(max_tokens=20, stop=["11111"], allowed_token_ids=[token_of(vllm, "1")])
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert watch.moved() == counted("stop", "2xx", tokens=5)


def test_an_answer_cut_at_its_maximum_counts_as_length(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    assert vllm.complete(max_tokens=7).status_code == 200
    assert watch.moved() == counted("length", "2xx", tokens=7)


def test_a_streamed_answer_counts_as_one_that_is_not_streamed(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    with vllm.streaming(max_tokens=7) as response:
        assert b"[DONE]" in response.read()
    assert watch.moved() == counted("length", "2xx", tokens=7)


def test_a_detected_repetition_is_a_reason_of_its_own_under_status_200(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    vllm.complete(
        max_tokens=64,
        allowed_token_ids=[token_of(vllm, "1")],
        repetition_detection={"max_pattern_size": 2, "min_count": 4},
    )
    assert watch.moved() == counted("repetition", "2xx", tokens=4)


def test_an_engine_error_is_counted_twice_once_as_error_and_once_as_5xx(vllm: VllmServer) -> None:
    request = failing(vllm)
    watch = Watch(vllm)
    assert vllm.complete(**request).status_code == 500
    assert watch.moved() == counted("error", "5xx", tokens=4)


def test_an_engine_error_in_a_stream_hides_behind_status_200(vllm: VllmServer) -> None:
    request = failing(vllm)
    watch = Watch(vllm)
    with vllm.streaming(**request) as response:
        assert response.status_code == 200
        assert b'"code": 500' in response.read()
    assert watch.moved() == counted("error", "2xx", tokens=4)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"temperature": -1}, 400, id="bad parameter"),
        pytest.param({"max_tokens": "many"}, 400, id="bad type"),
        pytest.param({"prompt": [5] * 600}, 400, id="prompt too long"),
        pytest.param({"structured_outputs": {"regex": "(["}}, 400, id="bad grammar"),
        pytest.param({"model": "unknown"}, 404, id="unknown model"),
    ],
)
def test_a_request_refused_by_the_front_end_is_seen_only_as_4xx(
    vllm: VllmServer, body: dict[str, object], status: int
) -> None:
    watch = Watch(vllm)
    assert vllm.complete(**body).status_code == status
    assert watch.moved() == Counts(http=Counter({"4xx": 1}))


def test_a_request_refused_at_admission_counts_once_and_as_5xx_and_never_as_finished(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    assert vllm.complete(n=ADMITTED + 1, temperature=1).status_code == 503
    assert watch.moved() == Counts(http=Counter({"5xx": 1}), rejected=1)


def test_a_client_that_gives_up_leaves_a_first_token_but_no_finished_request(vllm: VllmServer) -> None:
    watch = Watch(vllm)
    with vllm.streaming(max_tokens=400) as response:
        next(response.iter_lines())
    moved = watch.moved()
    assert (moved.finished, moved.durations) == (Counter(), 0)
    assert (moved.first_tokens, moved.http) == (1, Counter({"2xx": 1}))
    assert 0 < moved.tokens < 400
    vllm.complete()
    assert watch.moved().finished == Counter({"length": 1}), "the abort is not counted later either"


@pytest.mark.parametrize(
    ("body", "sequences"),
    [
        pytest.param({"n": 3, "temperature": 1}, 3, id="n=3"),
        pytest.param({"prompt": ["word1", "word2"]}, 2, id="two prompts"),
    ],
)
def test_every_sequence_of_a_request_counts(vllm: VllmServer, body: dict[str, object], sequences: int) -> None:
    watch = Watch(vllm)
    vllm.complete(**body, max_tokens=5)
    assert watch.moved() == Counts(
        finished=Counter({"length": sequences}),
        http=Counter({"2xx": 1}),
        first_tokens=sequences,
        token_gaps=sequences * 4,
        durations=sequences,
        tokens=sequences * 5,
    )


def test_all_reasons_are_on_the_page_from_the_start(vllm: VllmServer) -> None:
    page = vllm.page()
    finished = {sample.labels["finished_reason"] for sample in samples(page, "vllm:request_success_total")}
    assert finished == {"stop", "length", "abort", "error", "repetition"}
    rejected = list(samples(page, "vllm:admission_rejections_total"))
    assert {sample.labels["reason"] for sample in rejected} == {"max_num_queued_reqs", "max_num_queued_tokens"}
    assert all(set(sample.labels) == {"model_name", "reason"} for sample in rejected), "no engine label here"


def test_the_page_is_classic_text_even_when_openmetrics_is_asked_for(vllm: VllmServer) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"}
    answer = httpx.get(f"{vllm.url}/metrics", headers=accept, trust_env=False)
    assert answer.headers["Content-Type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert "# TYPE vllm:request_success_total counter" in answer.text
    assert "# EOF" not in answer.text


def test_a_restart_shows_in_the_process_start_and_in_created(vllm: VllmServer) -> None:
    def births(page: str) -> tuple[float, float]:
        (process,) = samples(page, "process_start_time_seconds")
        created = [sample.value for sample in samples(page, "vllm:request_success_created")]
        assert len(created) == 5
        return process.value, min(created)

    vllm.complete()
    before = vllm.page()
    vllm.restart()
    after = vllm.page()
    assert counts(before).finished.total() > 0
    assert counts(after) == Counts()
    assert births(after)[0] > births(before)[0]
    assert births(after)[1] > births(before)[1]
    assert births(after)[1] > births(after)[0], "counters are made when the engine is up, long after the process"
