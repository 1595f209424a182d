from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from burnline.demo import history
from burnline.demo.history import HistoryPage, page_count, page_times, pages, wave
from burnline.demo.settings import Cell, DemoSettings, topology
from core.durations import DAY, HOUR, MINUTE

NOW = 1_795_460_000.0
SETTINGS = DemoSettings(base_port=21000, cells=(Cell("v1", "eu-west", 1), Cell("v2", "us-east", 1)))
DAYS = 8


@cache
def short_past() -> list[HistoryPage]:
    return list(pages(SETTINGS, NOW, DAYS))


def of_target(number: int) -> list[HistoryPage]:
    return short_past()[number :: len(topology(SETTINGS).targets())]


def values(page: HistoryPage) -> dict[tuple[str, frozenset], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }


def total(page: HistoryPage, name: str) -> float:
    return sum(value for (found, _), value in values(page).items() if found == name)


def test_pages_are_in_time_order_for_every_target_of_the_live_fleet():
    found = short_past()
    assert [page.time for page in found] == sorted(page.time for page in found)
    fleet = topology(SETTINGS).targets()
    for number, target in enumerate(fleet):
        for page in of_target(number):
            assert page.target_url == f"http://{target.targets[0]}/metrics"
            assert (page.job, page.labels) == (target.labels["job"], target.labels)


def test_the_count_for_the_progress_bar_is_true_and_a_month_of_the_default_fleet_is_below_20000():
    assert page_count(SETTINGS, DAYS) == len(short_past())
    assert page_count(DemoSettings()) < 20_000


def test_the_last_week_is_fine_and_what_is_older_coarse():
    times = page_times(NOW, 30)
    steps = {(b - a, a >= NOW - 7 * DAY) for a, b in pairwise(times)}
    assert steps == {(HOUR, False), (5 * MINUTE, True)}
    assert (times[0], times[-1]) == (NOW - 30 * DAY, NOW)


@pytest.mark.parametrize("number", [0, 1])
def test_counters_and_buckets_never_fall_while_the_process_stays_the_same(number):
    before: dict[tuple[str, frozenset], float] = {}
    for page in of_target(number)[::60]:
        now = values(page)
        for key, value in before.items():
            if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
                assert now[key] >= value, key
        assert now.keys() >= before.keys()
        before = now
    starts = {total(page, "process_start_time_seconds") for page in of_target(number)[::200]}
    assert len(starts) == 1
    assert starts.pop() < of_target(number)[0].time


def test_the_families_of_a_request_count_the_same_requests():
    page = of_target(0)[-1]
    requests = total(page, "vllm:request_success_total")
    assert requests > 1_000_000
    for family in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds"):
        assert total(page, f"vllm:{family}_count") == requests
    generated = total(page, "vllm:generation_tokens_total")
    assert total(page, "vllm:inter_token_latency_seconds_count") == generated - requests
    assert 0 < total(page, "http_requests_total") <= requests


def test_each_histogram_ends_at_its_count():
    found = values(of_target(0)[-1])
    for (name, labels), value in found.items():
        if name.endswith("_count") and "size_bytes" not in name:
            bucket = (name.removesuffix("_count") + "_bucket", labels | {("le", "+Inf")})
            assert found[bucket] == value


def test_about_three_requests_in_a_thousand_failed_in_a_month(monkeypatch):
    monkeypatch.setattr(history, "_FINE_SPAN", 0)  # hourly throughout: a quarter of the pages, the same month
    settings = DemoSettings(base_port=21000)
    last = {page.target_url: page for page in pages(settings, NOW, 30)}
    outcomes = Counter()
    for page in last.values():
        for (name, labels), value in values(page).items():
            if name == "vllm:request_success_total":
                outcomes[dict(labels)["finished_reason"]] += value
    good = (outcomes["stop"] + outcomes["length"]) / (outcomes.total() - outcomes["abort"])
    assert 0.9965 < good < 0.998


def test_the_energy_counter_of_the_exporter_grows():
    energies = [total(page, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total") for page in of_target(2)[::100]]
    assert energies == sorted(energies)
    assert energies[0] > 0


def test_the_same_settings_and_time_give_the_same_pages_and_another_seed_others():
    few = [page.body for page in pages(SETTINGS, NOW, 1)]
    assert few == [page.body for page in pages(SETTINGS, NOW, 1)]
    other = DemoSettings(base_port=21000, cells=SETTINGS.cells, seed=2)
    assert few != [page.body for page in pages(other, NOW, 1)]


def test_traffic_is_higher_by_day_and_on_weekdays():
    monday = 1_795_392_000 - 1_795_392_000 % DAY
    while (monday // DAY + 3) % 7:
        monday += DAY
    noon, night, saturday = wave(np.array([monday + 14 * HOUR, monday + 3 * HOUR, monday + 5 * DAY + 14 * HOUR]))
    assert noon > night
    assert noon > saturday
    week = wave(np.arange(monday, monday + 7 * DAY, HOUR))
    assert week.mean() == pytest.approx(1.0, abs=0.01)
