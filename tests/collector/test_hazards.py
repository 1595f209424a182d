"""What goes wrong on real pages: each is named in the target's health, and none of it gets into an SLI."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.counters import Reading
from collector.increments import Page, TargetState, advance
from collector.renames import renamed
from tests.collector.hazards.language import PageScript

HAZARDS = sorted((Path(__file__).parent / "hazards").glob("*.txt"))


@pytest.mark.parametrize("path", HAZARDS, ids=lambda path: path.stem)
def test_the_hazard_is_named_and_kept_out(path: Path) -> None:
    for case in path.read_text(encoding="utf-8").split("\n---\n"):
        try:
            PageScript().run(case)
        except AssertionError as error:
            pytest.fail(f"{path.name}: {case.strip().splitlines()[0]}\n{error}", pytrace=False)


def test_every_hazard_has_a_file() -> None:
    assert {path.stem for path in HAZARDS} >= {
        "frozen",
        "duplicates",
        "nan",
        "blank",
        "typed-gauge",
        "per-process",
        "relabelled",
        "restart-overtook",
    }


@pytest.mark.parametrize("wrong", ["health frozen", "total requests good=4", "held kv_cache 0.25=1s", "refused 30s"])
def test_a_script_that_expects_the_wrong_thing_fails(wrong: str) -> None:
    page = '| vllm:request_success_total{finished_reason="stop"} 3\n| vllm:kv_cache_usage_perc 0.25'
    with pytest.raises(AssertionError, match="line 3"):
        PageScript().run(f"discovered 0s\npage 15s\n{page}\n{wrong}")


NAMES = st.sampled_from(["model", "engine", "pod"])
STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=12)


@given(STEPS)
def test_labels_that_come_and_go_in_one_process_count_nothing_twice_and_lose_nothing(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Two counters under a pod's label that flaps: what is counted is what they gained."""
    totals = {"stop": 100, "length": 50}
    state: TargetState | None = None
    counted = 0
    for number, (stop, length, labelled) in enumerate([(0, 0, False), *steps]):
        totals["stop"] += stop
        totals["length"] += length
        pod = ', pod="a"' if labelled else ""
        counters = {f'x_total{{reason="{r}"{pod}}}': Reading((n,)) for r, n in totals.items()}
        step = advance(state, Page(15.0 * number + 1000, counters, 5.0, True, "1"), 900.0)
        counted += sum(gained.values[-1] for gained in step.increments)
        state = step.state
    assert counted == sum(totals.values()) - 150


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_series_of_one_shape_are_never_taken_for_each_other(gone: set[int], fresh: set[int]) -> None:
    keys = [[f'x_total{{pid="{pid}"}}' for pid in pids] for pids in (gone, fresh - gone)]
    assert renamed(*keys) == ({}, frozenset())


def test_values_with_every_escape_are_told_apart() -> None:
    old = r'x{a="}\" le=1, b=", b="\\"} le=0.1,1.0'
    new = r'x{a="}\" le=1, b=", b="\\", c="n"} le=0.1,1.0'
    assert renamed([old], [new]).origins == {new: (old,)}
    assert renamed([old], [new.replace("le=0.1", "le=0.2")]).origins == {}
    assert renamed([old], [new.replace(r'b="\\"', 'b="y"')]).origins == {}
