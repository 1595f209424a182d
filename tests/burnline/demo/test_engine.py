from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnline.demo.engine import Engine, Finished, Hardware, Job, Outcome
from burnline.demo.families import ITL
from core.histogram import cell_of

HARDWARE = Hardware()
MUCH_LATER = 1e6

jobs = st.lists(
    st.tuples(st.floats(0, 0.5), st.integers(1, 700), st.integers(1, 120)), min_size=1, max_size=25
)  # gap to the one before, prompt tokens, output tokens


def submit_all(engine: Engine, arrivals: list[tuple[float, int, int]]) -> float:
    now = 0.0
    for number, (gap, prompt, output) in enumerate(arrivals):
        now += gap
        engine.submit(now, Job(number, prompt, output, Outcome.STOP))
    return now


def test_a_lone_request_takes_its_prefill_step_and_then_a_step_a_token():
    engine = Engine()
    engine.submit(5.0, Job(0, 100, 11, Outcome.STOP))
    [finished] = engine.advance(MUCH_LATER)
    step = HARDWARE.base + HARDWARE.per_sequence
    first = step + 100 * HARDWARE.per_prompt_token
    assert finished.queue == 0
    assert finished.ttft == pytest.approx(first)
    assert finished.prefill == pytest.approx(first)
    assert finished.decode == pytest.approx(10 * step)
    assert finished.e2e == pytest.approx(first + 10 * step)
    assert finished.itl_cells[cell_of(ITL, step)] == 10
    assert finished.itl_sum == pytest.approx(10 * step)


def test_a_request_that_arrives_during_a_step_waits_for_its_end():
    engine = Engine()
    engine.submit(0.0, Job(0, 500, 50, Outcome.STOP))
    engine.submit(0.001, Job(1, 1, 1, Outcome.STOP))
    finished = {each.id: each for each in engine.advance(MUCH_LATER)}
    assert finished[0].ttft is not None
    assert finished[1].queue == pytest.approx(finished[0].ttft - 0.001)


def test_the_prefill_of_one_request_delays_the_next_token_of_another():
    engine = Engine()
    engine.submit(0.0, Job(0, 1, 40, Outcome.STOP))
    engine.submit(0.1, Job(1, 600, 1, Outcome.STOP))
    finished = {each.id: each for each in engine.advance(MUCH_LATER)}
    delayed = HARDWARE.base + 2 * HARDWARE.per_sequence + 600 * HARDWARE.per_prompt_token
    assert finished[0].itl_cells[cell_of(ITL, delayed)] == 1


@given(jobs)
def test_every_request_ends_once_with_all_its_tokens_and_a_gap_between_each_two(arrivals):
    engine = Engine()
    submit_all(engine, arrivals)
    finished = engine.advance(MUCH_LATER)
    assert sorted(each.id for each in finished) == list(range(len(arrivals)))
    for each in finished:
        assert each.generated_tokens == arrivals[each.id][2]
        assert sum(each.itl_cells) == each.generated_tokens - 1
        assert each.ttft is not None
        assert each.decode is not None
        assert each.e2e == pytest.approx(each.ttft + each.decode)
        assert each.itl_sum == pytest.approx(each.decode, abs=1e-9)
    assert engine.running == engine.waiting == 0
    assert engine.next_event() is None


@given(jobs, st.floats(0.003, 0.4))
def test_how_often_the_engine_is_looked_at_changes_nothing(arrivals, interval):
    seldom, often = Engine(), Engine()
    end = submit_all(seldom, arrivals)
    expected = seldom.advance(MUCH_LATER)
    seen: list[Finished] = []
    now = due = 0.0
    for number, (gap, prompt, output) in enumerate(arrivals):
        due += gap
        while now < due:
            seen += often.advance(now)
            now += interval
        often.submit(due, Job(number, prompt, output, Outcome.STOP))
    for look in range(20):
        seen += often.advance(end + look * interval)
    seen += often.advance(MUCH_LATER)
    assert [each.id for each in seen] == [each.id for each in expected]
    assert [each.itl_cells for each in seen] == [each.itl_cells for each in expected]
    assert [each.e2e for each in seen] == pytest.approx([each.e2e for each in expected])


@given(jobs)
def test_following_next_event_sees_every_end_on_time(arrivals):
    engine = Engine()
    now = submit_all(engine, arrivals)
    arrived = [sum(gap for gap, _, _ in arrivals[: number + 1]) for number in range(len(arrivals))]
    engine.advance(now)
    while (due := engine.next_event()) is not None:
        for each in engine.advance(due):
            assert arrived[each.id] + each.e2e == pytest.approx(due)


@pytest.mark.parametrize("measure", ["queue", "ttft", "e2e"])
def test_latency_rises_with_load(measure):
    def worst(rate: float) -> float:
        engine = Engine()
        for number in range(200):
            engine.submit(number / rate, Job(number, 300, 100, Outcome.STOP))
        return max(getattr(each, measure) for each in engine.advance(MUCH_LATER))

    calm, busy, flooded = worst(1), worst(12), worst(60)
    assert calm < busy < flooded
    assert flooded > 2 * calm


def test_twice_as_slow_takes_twice_as_long():
    def e2e(slowdown: float) -> float:
        engine = Engine()
        engine.adjust(0.0, slowdown=slowdown)
        engine.submit(0.0, Job(0, 100, 50, Outcome.STOP))
        return engine.advance(MUCH_LATER)[0].e2e

    assert e2e(2) == pytest.approx(2 * e2e(1))


def test_more_requests_than_slots_wait():
    engine = Engine(Hardware(max_sequences=2))
    for number in range(5):
        engine.submit(0.0, Job(number, 10, 20, Outcome.STOP))
    engine.advance(0.1)
    assert (engine.running, engine.waiting) == (2, 3)


def test_when_blocks_run_out_the_youngest_is_preempted_and_still_ends_whole():
    engine = Engine(Hardware(blocks=12))
    engine.submit(0.0, Job(0, 64, 90, Outcome.STOP))
    engine.submit(0.0, Job(1, 64, 90, Outcome.STOP))
    finished = {each.id: each for each in engine.advance(MUCH_LATER)}
    assert engine.preemptions >= 1
    assert finished[0].preemptions == 0
    assert finished[1].preemptions == engine.preemptions
    assert finished[1].generated_tokens == 90
    assert sum(finished[1].itl_cells) == 89
    assert finished[1].itl_sum == pytest.approx(finished[1].decode)


def test_a_request_that_can_never_fit_ends_in_error():
    engine = Engine(Hardware(blocks=4))
    engine.submit(0.0, Job(0, 100, 5, Outcome.STOP))
    engine.submit(0.0, Job(1, 10, 5, Outcome.STOP))
    outcomes = {each.id: each.outcome for each in engine.advance(MUCH_LATER)}
    assert outcomes == {0: Outcome.ERROR, 1: Outcome.STOP}


def test_kv_usage_is_the_share_of_blocks_that_running_requests_hold():
    engine = Engine(Hardware(blocks=100))
    engine.submit(0.0, Job(0, 159, 50, Outcome.STOP))
    assert engine.kv_usage == pytest.approx(10 / 100)
    engine.advance(MUCH_LATER)
    assert engine.kv_usage == 0


def test_an_aborted_request_counts_what_it_got_and_frees_its_slot():
    engine = Engine(Hardware(max_sequences=1))
    engine.submit(0.0, Job(0, 10, 1000, Outcome.STOP))
    engine.submit(0.0, Job(1, 10, 3, Outcome.STOP))
    engine.abort(1.0, 0)
    aborted, served = engine.advance(MUCH_LATER)
    assert (aborted.outcome, aborted.e2e) == (Outcome.ABORT, 1.0)
    assert 0 < aborted.generated_tokens < 1000
    assert served.queue == pytest.approx(1.0, abs=0.02)


def test_a_request_aborted_in_the_queue_has_no_first_token():
    engine = Engine(Hardware(max_sequences=1))
    engine.submit(0.0, Job(0, 10, 1000, Outcome.STOP))
    engine.submit(0.0, Job(1, 10, 3, Outcome.STOP))
    engine.abort(0.5, 1)
    [aborted] = engine.advance(0.5)
    assert (aborted.ttft, aborted.prefill, aborted.decode, aborted.queue) == (None, None, None, 0.5)


def test_a_frozen_engine_makes_no_step_and_shows_the_stall_as_a_gap_when_it_goes_on():
    engine = Engine()
    engine.submit(0.0, Job(0, 10, 30, Outcome.STOP))
    engine.adjust(0.1, frozen=True)
    steps = engine.steps
    engine.submit(1.0, Job(1, 10, 5, Outcome.STOP))
    engine.abort(2.0, 1)
    assert engine.advance(60.0) == []
    assert (engine.steps, engine.running, engine.waiting) == (steps, 1, 1)
    assert engine.next_event() is None
    engine.adjust(60.1)
    finished = {each.id: each for each in engine.advance(MUCH_LATER)}
    assert finished[1].outcome is Outcome.ABORT
    assert finished[0].itl_cells[cell_of(ITL, 60.0)] == 1
    assert finished[0].e2e > 60
