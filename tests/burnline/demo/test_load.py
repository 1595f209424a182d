from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice, takewhile

import pytest

from burnline.demo.load import LoadSettings, schedule

SETTINGS = LoadSettings(
    replicas=[
        ["a", "v1", "eu-west", "x:1"],
        ["b", "v1", "us-east", "x:2"],
        ["c", "v2", "eu-west", "x:3"],
        ["d", "v2", "us-east", "x:4"],
    ],
    directory="",
    request_rate=20.0,
    canary_share=0.25,
    abort_share=0.1,
    speed=1.0,
    seed=7,
)


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another():
    once, again = (list(islice(schedule(SETTINGS), 200)) for _ in range(2))
    assert once == again
    assert once != list(islice(schedule(replace(SETTINGS, seed=8)), 200))


def test_over_a_whole_wave_the_rate_is_the_one_that_was_asked_for():
    arrivals = list(takewhile(lambda arrival: arrival.time < 600, schedule(SETTINGS)))
    assert len(arrivals) == pytest.approx(20 * 600, rel=0.03)
    first, second = (sum(low <= arrival.time < low + 300 for arrival in arrivals) for low in (0, 300))
    assert first > 1.15 * second


def test_versions_and_regions_get_their_shares():
    arrivals = list(islice(schedule(SETTINGS), 8000))
    versions = Counter(arrival.version for arrival in arrivals)
    regions = Counter(arrival.region for arrival in arrivals)
    assert versions["v2"] / 8000 == pytest.approx(0.25, abs=0.02)
    assert regions["us-east"] / 8000 == pytest.approx(0.5, abs=0.02)


def test_without_a_canary_all_requests_go_to_what_there_is():
    stable = replace(SETTINGS, replicas=SETTINGS.replicas[:2])
    assert {arrival.version for arrival in islice(schedule(stable), 100)} == {"v1"}


def test_the_share_of_impatient_clients_is_the_one_that_was_asked_for():
    arrivals = list(islice(schedule(SETTINGS), 8000))
    assert sum(arrival.patience < 2 for arrival in arrivals) / 8000 == pytest.approx(0.1, abs=0.015)


def test_a_rate_of_zero_sends_nothing():
    assert list(schedule(replace(SETTINGS, request_rate=0))) == []
