"""The Debug page as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from core.clock import SystemClock
from core.labels import make
from dashboard.debug import raw
from storage import fleet
from storage.fleet import TargetHealth
from tests.dashboard.debug.conftest import Shown
from tests.dashboard.debug.series import written
from tests.dashboard.debug.world import CALL, TRACE, answered, busy, call
from tests.dashboard.world import CANARY, STABLE, World, burning

GROUP = tuple(sorted(CANARY.items()))
URL = "http://127.0.0.1:9/metrics"


def test_an_empty_database_claims_nothing(shown: Shown) -> None:
    page = shown("debug")
    assert "every signal is not measured" in page.text
    assert "Discovery has found no target yet." in page.text
    assert not page.app.get("vega_lite_chart")


def test_a_group_shows_its_targets_signals_and_calls(world: World, shown: Shown) -> None:
    burning(world)
    busy(world)
    page = shown("debug", model="llama", version="v2")
    assert "timeout: no answer within 10 s" in page.section("Targets", "Signals")
    assert "10.0.0.5" not in page.text
    assert "Requests requests a second · engine" in page.text
    assert "retries" in page.section("Not measured:", "Generations")
    assert "13" in page.section("Generations", "Outcome")


def test_a_group_without_counts_is_not_measured_and_not_zero(world: World, shown: Shown) -> None:
    burning(world)
    page = shown("debug", model="nobody")
    assert "not measured, which is not zero" in page.text
    assert "No target serves this group." in page.text


def test_a_target_shows_its_own_counts_and_a_raw_metric(world: World, shown: Shown) -> None:
    labels = {"job": "llm", "instance": "127.0.0.1:9", "region": "eu-west"}
    world.collected()
    world.counted({GROUP: (60, 3, (1, 2, 0, 0, 0, 0, 0))})
    health = TargetHealth(URL, "one", "demo", labels, 15.0, world.now - 9000, [CANARY], engine="vllm", up=True)
    with world.db.write() as connection:
        fleet.put_targets(connection, [replace(health, scrape_seconds=0.004, samples=437)])
    folder = Path(world.url.removeprefix("sqlite:///")).parent / "series"
    end = int(world.now) // 60 * 60
    written(folder, SystemClock(), "depth", {make(labels): [1.0, 2.0]}, end - 90, 15)
    page = shown("debug", target="127.0.0.1:9", metric="depth")
    assert "4 ms" in page.text and "437" in page.text
    assert "Requests requests a second" in page.text
    assert "depth as it stood" in page.text
    raw.reader.clear()


def test_a_target_that_nobody_knows_is_said_and_the_known_are_offered(world: World, shown: Shown) -> None:
    burning(world)
    page = shown("debug", target="http://gone:1/metrics")
    assert "Discovery does not know this target" in page.text
    assert "10.0.0.5" in page.text


def test_a_drawn_trace_shows_spans_tokens_documents_and_verdicts_and_escapes_them(world: World, shown: Shown) -> None:
    world.collected()
    answered(world)
    page = shown("debug", trace=TRACE)
    text = page.section("Trace", "Targets")
    for said in ("query index", "timeout after 400 ms", "its parent was not received", f"Generation {CALL}"):
        assert said in text
    for said in ("620 ms", "90 ticks", "512 cached", "$0.002120", "doc-17", "▲ flagged", "▼ failed", "revision pii-3"):
        assert said in text
    for said in (
        "96 written to the cache",
        "24 reasoning",
        "3 calls: look_up, <i>add</i>",
        "genai-1.41",
        "after the call",
    ):
        assert said in text
    assert "2 d 23 h before" in text.replace("\N{THIN SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "uncorrected: no person has checked them" in text
    assert "<b>doc</b>" not in page.markup
    assert "<i>add</i>" not in page.markup


def test_a_trace_that_was_not_drawn_says_with_which_chance_it_would_have_been(world: World, shown: Shown) -> None:
    world.collected()
    call(world, probability=0.02, cost_micros=None, ttft=None)
    text = shown("debug", trace=TRACE).section("Trace", "Targets")
    assert "Not drawn: spans are kept with a probability of 2.00 %" in text
    assert "not measured: no price is set" in text
    assert "the span tells no time to first token" in text
    assert "not measured: it was not drawn." in text


def test_an_unknown_trace_is_said(world: World, shown: Shown) -> None:
    world.collected()
    assert "Nothing is known of this trace" in shown("debug", trace="0" * 32).text


def test_the_past_stands_still_and_leads_back_to_now(world: World, shown: Shown) -> None:
    burning(world)
    page = shown("debug", at=str(world.now - 86_400))
    assert "This is the past" in page.text
    assert "Back to now" in page.text


def test_choices_go_into_the_address(world: World, shown: Shown) -> None:
    burning(world)
    page = shown("debug", model="llama")
    page.app.multiselect[0].set_value(["model = llama", "version = v1"]).run()
    assert dict(page.app.query_params) == {"model": "llama", "version": "v1"}
    st.cache_resource.clear()


def test_a_database_that_does_not_answer_is_said(world: World, shown: Shown) -> None:
    with world.db.write() as connection:
        connection.exec_driver_sql("DROP TABLE target_health")
    page = shown("debug", version=STABLE["version"])
    assert "does not answer" in page.app.error[0].value
