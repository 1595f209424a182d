from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from collector.exposition import PageReader
from collector.profiles import Profile, identify, profiles
from collector.profiles.identify import recognise
from core.errors import PageRejected
from core.signals import SIGNALS
from tests.collector.pages import DCGM, VLLM, read

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def as_openmetrics(text: str) -> str:
    """The same page in OpenMetrics, where a counter's family lacks `_total` and `_created` has no type of its own."""
    lines = [line for line in text.splitlines() if not line.startswith("# TYPE vllm:request_success_created")]
    return "\n".join(line.replace("_total counter", " counter") for line in lines) + "\n# EOF\n"


def test_every_profile_is_valid_and_speaks_of_known_signals_alone() -> None:
    assert [profile.engine for profile in profiles()] == sorted(p.engine for p in profiles())
    assert {"dcgm", "vllm"} <= {profile.engine for profile in profiles()}
    for profile in profiles():
        assert profile.prefixes
        assert profile.revision
        assert not set(profile.signals) & set(profile.cannot)


@pytest.mark.parametrize("profile", profiles(), ids=lambda profile: profile.engine)
def test_a_part_is_of_the_kind_of_its_signal(profile: Profile) -> None:
    fits = {"share": "gauge", "time": "counter"}
    for signal, parts in profile.signals.items():
        assert {fits.get(part.kind, part.kind) for part in parts} == {SIGNALS[signal].kind}
        assert all(part.rest for part in parts if part.kind == "share")


@pytest.mark.parametrize(
    "change",
    [
        {"signals": {"speed": [{"kind": "gauge", "names": ["x"]}]}},
        {"layer": "cloud"},
        {"signals": {"requests": [{"kind": "counter"}]}},
        {"signals": {"requests": [{"kind": "counter", "names": ["x"], "outcome": "fine"}]}},
        {"scrape": {"paths": "/metrics"}},
        {"versions": {"covered": "1", "reason": "x", "markers": [{"name": "y"}]}},
        {"colour": "red"},
    ],
)
def test_a_profile_that_says_what_nobody_knows_is_refused(change: dict[str, object]) -> None:
    sound = {"engine": "x", "layer": "engine", "prefixes": ["x_"], "signals": {}}
    Profile.model_validate(sound)
    with pytest.raises(ValidationError):
        Profile.model_validate({**sound, **change})


@pytest.mark.parametrize("prefix", ["vllm:", "vllm_", "ray_vllm:", "ray_vllm_", "kserve_vllm:", "kserve_vllm_"])
def test_one_engine_is_read_alike_however_its_names_are_spelled(prefix: str) -> None:
    plain = read(VLLM)
    spelled = read(VLLM.replace("vllm:", prefix))
    assert spelled.profile == plain.profile
    assert spelled.counts() == plain.counts()
    assert spelled.gauges() == plain.gauges()


def test_data_parallel_engines_of_one_process_are_added_up() -> None:
    second = "".join(line for line in VLLM.splitlines(keepends=True) if 'engine="0"' in line)
    both = read(VLLM + second.replace('engine="0"', 'engine="1"').replace(" 0.25", " 0.75"))
    assert sum(1 for slot in both.layout.counters if slot.atoms[0].measure.name == "ttft") == 2
    assert len({slot.atoms[0] for slot in both.layout.counters if slot.atoms[0].measure.name == "ttft"}) == 1
    assert [value for name, value in both.gauges() if name == "kv_cache"] == [0.25, 0.75]


def test_a_page_of_v0_is_read_by_its_old_names() -> None:
    old = (
        'vllm:time_per_output_token_seconds_bucket{model_name="m",le="0.01"} 3\n'
        'vllm:time_per_output_token_seconds_bucket{model_name="m",le="+Inf"} 4\n'
        'vllm:gpu_cache_usage_perc{model_name="m"} 0.5\n'
        'vllm:num_requests_swapped{model_name="m"} 0\n'
        'vllm:avg_prompt_throughput_toks_per_s{model_name="m"} 9\n'
    )
    found = read(old)
    assert found.counts() == {("itl", ()): (3, 4)}
    assert found.gauges() == [("kv_cache", 0.5)]


def test_openmetrics_is_read_like_text() -> None:
    plain, openmetrics = read(VLLM), read(as_openmetrics(VLLM), media=OPENMETRICS)
    assert openmetrics.counts() == plain.counts()
    assert openmetrics.gauges() == plain.gauges()


def test_openmetrics_with_underscores_is_read_though_its_types_name_other_families() -> None:
    lines = as_openmetrics(VLLM).splitlines(keepends=True)
    escaped = "".join(line if line.startswith("#") else line.replace("vllm:", "vllm_") for line in lines)
    assert read(escaped, media=OPENMETRICS).counts() == read(VLLM).counts()


def test_of_an_old_and_a_new_name_on_one_page_the_new_is_read() -> None:
    old = VLLM.replace("kv_cache_usage_perc", "gpu_cache_usage_perc").replace("time_to_first", "time_per_output")
    older = "".join(line for line in old.splitlines(keepends=True) if "usage_perc{" in line)
    both = read(VLLM + older.replace("0.25", "0.75"))
    assert [value for name, value in both.gauges() if name == "kv_cache"] == [0.25]
    assert [value for name, value in read(old).gauges() if name == "kv_cache"] == [0.25]


@pytest.mark.parametrize(
    "other", ["vllm_request_success_total", "vllm:request_success", "ray_vllm_request_success_total"]
)
def test_a_counter_that_stands_on_a_page_in_two_spellings_counts_once(other: str) -> None:
    doubled = VLLM + "".join(
        line.replace("vllm:request_success_total", other)
        for line in VLLM.splitlines(keepends=True)
        if line.startswith("vllm:request_success_total")
    )
    assert len(read(doubled).layout.counters) == len(read(VLLM).layout.counters)
    assert read(doubled).counts() == read(VLLM).counts()


def test_a_router_that_shares_the_prefix_is_not_the_engine() -> None:
    profile, _ = recognise({"vllm_router_requests_total", "vllm_router_active_workers"})
    assert profile is not None
    assert (profile.engine, profile.layer) == ("vllm-router", "router")


def test_a_page_of_a_web_server_alone_is_no_engines() -> None:
    assert recognise({"http_requests_total", "process_start_time_seconds"}) == (None, 0.0)


def test_an_engines_own_prefix_is_enough_and_another_spelling_needs_a_signal() -> None:
    for name, engine in (("vllm:cache_config_info", "vllm"), ("DCGM_FI_DEV_SM_CLOCK", "dcgm"), ("vllm_thing", None)):
        profile, confidence = recognise({name})
        assert (profile and profile.engine, confidence) == (engine, 0.5 if engine else 0.0)


def test_identify_names_the_raw_metrics_of_each_signal_and_what_is_left_over() -> None:
    page = PageReader().read(VLLM.encode(), "text/plain")
    found = identify({one.name for one in page.series}, dict(page.types))
    assert found.engine == "vllm"
    assert 0.9 < found.confidence <= 1
    assert found.signals["requests"] == ["vllm:request_success_total", "vllm:admission_rejections_total"]
    assert found.signals["truncated"] == ["vllm:request_success_total"]
    assert found.signals["ttft"] == ["vllm:time_to_first_token_seconds"]
    assert found.unmapped == ["process_start_time_seconds", "vllm:request_success_created"]


def test_identify_says_which_raw_metrics_make_a_share() -> None:
    page = PageReader().read(DCGM.encode(), "text/plain")
    found = identify({one.name for one in page.series}, dict(page.types))
    assert found.engine == "dcgm"
    assert found.signals["gpu_memory"] == ["DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"]
    assert found.unmapped == []


def _real_pages() -> list[tuple[Path, str | None]]:
    """Pages of the folders' manifests with their engine."""
    found = []
    for folder in ("serving-pages", "live-pages"):
        manifest = DATA / folder / "manifest.json"
        if manifest.is_file():
            found += [
                (DATA / folder / entry["file"], entry.get("engine")) for entry in json.loads(manifest.read_text())
            ]
    return found


@pytest.mark.skipif(not _real_pages(), reason="no captured pages beside this checkout")
def test_real_pages_are_identified_as_what_they_are() -> None:
    known = {profile.engine for profile in profiles()}
    for path, engine in _real_pages():
        media = OPENMETRICS if "openmetrics" in path.name else "text/plain"
        try:
            page = PageReader().read(path.read_bytes(), media)
        except PageRejected:
            continue
        profile, _ = recognise({one.name for one in page.series})
        found = profile.engine if profile is not None else None
        expected = "triton" if engine == "trtllm-triton" else engine  # a backend's families on Triton's own page
        assert (path.name, found) == (path.name, expected if expected in known else None)
