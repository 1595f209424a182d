"""A target that finishes nothing while those that serve the same go on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.peers import WINDOW, Peers
from core.measures import Group

LLAMA: Group = (("model", "llama"),)
OTHER: Group = (("model", "other"),)


def fleet(*finished: int, until: float = 600.0, group: Group = LLAMA, peers: Peers | None = None) -> Peers:
    """Targets scraped every 15 s; each finishes so many requests a minute."""
    found = peers or Peers()
    for step in range(int(until) // 15 + 1):
        for number, each in enumerate(finished):
            found.note(f"{dict(group)['model']}-{number}", "engine", [group], 15.0 * step, each if step % 4 == 0 else 0)
    return found


def test_one_that_finishes_nothing_while_its_peers_go_on_is_named() -> None:
    found = fleet(0, 10, 30)
    assert found.silence("llama-0", 600.0) == "nothing was finished for 300 s, while 2 others finished 100 each"
    assert found.silence("llama-1", 600.0) is None


def test_a_fleet_that_idles_and_a_reserve_beside_one_that_works_are_not_named() -> None:
    assert fleet(0, 0, 0).silence("llama-0", 600.0) is None
    assert fleet(0, 99).silence("llama-0", 600.0) is None
    assert fleet(0, 2, 3).silence("llama-0", 600.0) is None  # so few may pass anybody by


def test_those_of_another_model_or_layer_are_no_peers() -> None:
    assert fleet(9, 9, 9, group=OTHER, peers=fleet(0)).silence("llama-0", 600.0) is None
    found = fleet(0, 10)
    for step in range(41):
        found.note("router", "router", [LLAMA], 15.0 * step, 20)
    assert found.silence("llama-0", 600.0) is None


def test_one_that_is_new_is_given_time_and_one_that_left_is_forgotten() -> None:
    found = fleet(10, 10)
    found.note("llama-9", "engine", [LLAMA], 590.0, 0)
    assert found.silence("llama-9", 600.0) is None
    found.left("llama-1")
    assert found.silence("llama-1", 600.0) is None
    found = fleet(0, 10, 10)
    found.left("llama-1")
    assert found.silence("llama-0", 600.0) is None


def test_peers_that_are_not_scraped_any_more_say_nothing() -> None:
    found = fleet(0, 10, 10)
    found.note("llama-0", "engine", [LLAMA], 600.0 + 2 * WINDOW, 0)
    assert found.silence("llama-0", 600.0 + 2 * WINDOW) is None


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_who_finished_anything_is_never_named(finished: list[int]) -> None:
    found = fleet(*finished)
    named = [n for n in range(len(finished)) if found.silence(f"llama-{n}", 600.0)]
    assert all(finished[n] == 0 for n in named)
