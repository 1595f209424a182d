"""Burnline against fleets that know the truth, whatever becomes of their processes and however they are scraped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.differential.subject import promise
from bench.fleets import BEGIN, REGIONS, Fleet, Trouble, random_fleet
from bench.replayed import Replayed, replay


def judged(fleet: Fleet) -> Replayed:
    return replay(fleet.openmetrics(), [promise()], live=False)


def counted(replayed: Replayed, region: str, begin: int, end: int) -> tuple[int, int]:
    counts = replayed.counts("success", (("region", region),), BEGIN + begin, BEGIN + end)
    return counts.part, counts.total


@given(st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_windows_between_pauses_are_exact_and_all_others_within_what_straddles_their_edges(seed: int) -> None:
    trouble = Trouble("eu", 4000, 5000, 0.3)
    fleet = random_fleet(seed, hours=2, targets=4, troubles=[trouble])
    replayed = judged(fleet)
    edges = [0, *fleet.quiet_edges()]
    for region in REGIONS:
        for low in edges:
            for high in edges:
                if low < high:
                    assert counted(replayed, region, low, high) == fleet.truth(region, low, high)
        for end in range(600, fleet.seconds, 420):
            end -= end % 60
            for window in (300, 1800):
                bad, total = counted(replayed, region, end - window, end)
                true_bad, true_total = fleet.truth(region, end - window, end)
                slack = fleet.straddling(region, end - window, end)
                assert abs(total - true_total) <= slack
                assert abs(bad - true_bad) <= slack


def test_the_same_seed_gives_the_same_fleet_and_another_one_another() -> None:
    assert random_fleet(3, hours=1).openmetrics() == random_fleet(3, hours=1).openmetrics()
    assert random_fleet(3, hours=1).openmetrics() != random_fleet(4, hours=1).openmetrics()


def test_what_happened_between_the_last_scrape_and_a_restart_is_in_no_page() -> None:
    fleet = next(
        f for f in (random_fleet(seed, hours=2) for seed in range(50)) if any(len(t.processes) > 1 for t in f.targets)
    )
    everything = sum(fleet.truth(region, 0, fleet.seconds, seen=False)[1] for region in REGIONS)
    assert sum(fleet.truth(region, 0, fleet.seconds)[1] for region in REGIONS) < everything


@pytest.mark.parametrize("seed", [1, 2])
def test_a_fleet_is_alive_from_its_beginning_and_has_both_regions(seed: int) -> None:
    fleet = random_fleet(seed, hours=2)
    for region in REGIONS:
        assert fleet.truth(region, 0, 600)[1] > 0
