from __future__ import annotations

from core.measures import Measure
from storage.ledger.dictionary import Atom
from storage.plan import SelectorMeasure
from tests.collector.pages import DCGM, VLLM, read

LLAMA = (("model", "llama"),)


def test_outcomes_are_told_apart_and_an_unknown_reason_is_excluded_and_said() -> None:
    found = read(VLLM)
    counts = found.counts()
    assert {attrs: n for (name, attrs), n in counts.items() if name == "requests"} == {
        (("outcome", "good"), ("reason", "stop")): (10,),
        (("outcome", "good"), ("reason", "length")): (3,),
        (("outcome", "excluded"), ("reason", "abort")): (2,),
        (("outcome", "bad"), ("reason", "error")): (1,),
        (("outcome", "excluded"), ("reason", "haunted")): (4,),
        (("outcome", "bad"), ("reason", "rejected")): (5,),
    }
    assert found.layout.unmapped == ("finished_reason=haunted",)
    assert counts["http_responses", (("code", "5xx"),)] == (2,)


def test_a_histogram_brings_the_bounds_of_its_page_in_rising_order() -> None:
    found = read(VLLM)
    (slot,) = (s for s in found.layout.counters if s.atoms[0].measure.name == "ttft")
    assert slot.atoms[0] == Atom(Measure("ttft", "engine", (), (0.1, 0.5)), LLAMA)
    assert found.counts()["ttft", ()] == (4, 7, 9)


def test_the_created_time_stands_by_its_own_series_and_the_process_start_by_the_page() -> None:
    found = read(VLLM)
    readings = found.layout.columns.read(found.page.numbers)
    assert {key: one.created for key, one in readings.items() if one.created} == {
        'vllm:request_success_total{engine="0", finished_reason="stop", model_name="llama"}': 1000.0
    }
    assert found.layout.process_start is not None
    assert found.page.values[found.layout.process_start] == 999.5


def test_a_page_that_several_processes_share_tells_no_process_start() -> None:
    shared = VLLM.replace(
        "process_start_time_seconds 999.5",
        'process_start_time_seconds{pod="a"} 5\nprocess_start_time_seconds{pod="b"} 6',
    )
    assert read(shared).layout.process_start is None


def test_gauges_are_in_the_unit_of_their_signal_and_blanks_are_dropped() -> None:
    assert read(VLLM).gauges() == [("queue_depth", 6.0), ("kv_cache", 0.25)]
    assert read(DCGM).gauges() == [("gpu_utilisation", 0.9), ("gpu_memory", 0.3)]


def test_a_share_of_a_whole_that_is_not_known_is_not_known() -> None:
    no_free = "".join(line for line in DCGM.splitlines(keepends=True) if "FB_FREE" not in line)
    blank_free = DCGM.replace('FB_FREE{gpu="0",UUID="GPU-a"} 600', 'FB_FREE{gpu="0",UUID="GPU-a"} NaN')
    for page in (no_free, blank_free):
        assert read(page).gauges() == [("gpu_utilisation", 0.9)]


def test_a_share_without_the_parts_that_old_pages_lack_is_of_those_that_are_there() -> None:
    old = "".join(line for line in DCGM.splitlines(keepends=True) if "RESERVED" not in line)
    assert ("gpu_memory", 300 / 900) in read(old).gauges()


def test_every_gpu_on_the_page_is_held_whether_its_use_is_known_or_not() -> None:
    assert [atom.measure.name for atom in read(DCGM).layout.times] == ["gpu_time", "gpu_time"]


def test_dimensions_come_from_the_page_first_and_then_from_the_target() -> None:
    labels = {"region": "eu", "version": "2", "job": "j"}
    found = read(VLLM, labels)
    group = (("model", "llama"), ("region", "eu"), ("version", "2"))
    assert found.layout.coverage[0].groups == {group}
    assert all(atom.group == group for slot in found.layout.counters for atom in slot.atoms if "http" not in slot.key)


def test_series_of_several_engines_of_a_model_feed_one_atom() -> None:
    page = VLLM + 'vllm:request_success_total{engine="1",finished_reason="stop",model_name="llama"} 7\n'
    atoms = [s.atoms for s in read(page).layout.counters if 'finished_reason="stop"' in s.key]
    assert len(atoms) == 2
    assert atoms[0] == atoms[1]


def test_a_histogram_without_a_last_bucket_is_no_histogram() -> None:
    page = "".join(line for line in VLLM.splitlines(keepends=True) if "+Inf" not in line)
    assert "ttft" not in {name for name, _ in read(page).counts()}


def test_an_uneven_histogram_and_a_counter_that_is_no_number_are_left_out() -> None:
    page = VLLM.replace('le="0.5",model_name="llama"} 7', 'le="0.5",model_name="llama"} 3')
    page = page.replace(
        'finished_reason="abort",model_name="llama"} 2', 'finished_reason="abort",model_name="llama"} NaN'
    )
    counts = read(page).counts()
    assert ("ttft", ()) not in counts
    assert ("requests", (("outcome", "excluded"), ("reason", "abort"))) not in counts
    assert counts["requests", (("outcome", "good"), ("reason", "stop"))] == (10,)


def test_a_selector_counts_what_it_matches_by_the_labels_it_names() -> None:
    item = SelectorMeasure(selector='vllm:request_success_total{finished_reason=~"stop|length"}', by=("region",))
    found = read(VLLM, {"region": "eu"}, (item,))
    slots = [slot for slot in found.layout.counters if any(a.measure == item.measure() for a in slot.atoms)]
    assert sorted(slot.indices[0] for slot in slots) == [0, 1]
    assert {atom.group for slot in slots for atom in slot.atoms if atom.measure == item.measure()} == {
        (("region", "eu"),)
    }
    assert found.layout.coverage[-1] == (item.name, "", frozenset({(("region", "eu"),)}))


def test_a_series_that_a_signal_and_a_selector_want_is_differenced_once() -> None:
    item = SelectorMeasure(selector="vllm:admission_rejections_total")
    found = read(VLLM, {}, (item,))
    (slot,) = (s for s in found.layout.counters if "admission" in s.key)
    assert [atom.measure.name for atom in slot.atoms] == ["requests", item.name]


def test_a_selector_of_a_histogram_may_name_its_family_or_its_buckets() -> None:
    for suffix in ("", "_bucket"):
        item = SelectorMeasure(selector=f"vllm:time_to_first_token_seconds{suffix}", kind="histogram")
        assert read(VLLM, {}, (item,)).counts()[item.name, ()] == (4, 7, 9)


def test_a_selector_of_a_gauge_brings_its_own_cells() -> None:
    item = SelectorMeasure(selector="vllm:num_requests_waiting", kind="gauge", bounds=(5.0, 10.0))
    assert (item.name, 6.0) in read(VLLM, {}, (item,)).gauges()


def test_the_targets_labels_win_over_the_pages_own() -> None:
    mine = SelectorMeasure(
        selector='vllm:num_requests_waiting{model_name="mine"}', by=("exported_model_name",), kind="gauge"
    )
    found = read(VLLM, {"model_name": "mine"}, (mine,))
    assert found.layout.coverage[-1].groups == {(("exported_model_name", "llama"),)}


def test_one_selector_with_two_lists_of_bounds_keeps_target_time_once() -> None:
    items = tuple(
        SelectorMeasure(selector="vllm:num_requests_waiting", kind="gauge", bounds=bounds)
        for bounds in ((5.0,), (9.0,))
    )
    families = [family.of for family in read(VLLM, {}, items).layout.coverage]
    assert families == ["", items[0].name]


def test_a_selector_that_matches_nothing_has_no_group() -> None:
    item = SelectorMeasure(selector="absent_total")
    assert read(VLLM, {}, (item,)).layout.coverage[-1] == (item.name, "", frozenset())


def test_failures_are_no_work_since_a_web_server_may_count_them_for_a_dead_engine() -> None:
    page = 'sglang:num_requests_total{model_name="m"} 1\nsglang:generation_tokens_total{model_name="m"} 1\n'
    failed = 'sglang:http_responses_total{endpoint="/generate",method="POST",status_code="503"} 1\n'
    layout = read(page + failed).layout
    assert layout.work == {
        'sglang:num_requests_total{model_name="m"}',
        'sglang:generation_tokens_total{model_name="m"}',
    }
    assert len(layout.counters) == 3
