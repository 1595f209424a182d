"""Which versions a page may be of, by what came and went with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.profiles import identify, profiles
from collector.profiles.model import Marker
from collector.profiles.versions import Version, version_of

VLLM = next(profile for profile in profiles() if profile.engine == "vllm")
WHOLE = {"vllm:request_success_total", "vllm:num_requests_running", "vllm:e2e_request_latency_seconds_bucket"}
V0 = WHOLE | {"vllm:gpu_cache_usage_perc", "vllm:time_per_output_token_seconds_bucket", "vllm:num_requests_swapped"}
V0_9_2 = V0 | {"vllm:kv_cache_usage_perc"}
V0_12 = WHOLE | {
    "vllm:kv_cache_usage_perc",
    "vllm:time_per_output_token_seconds_bucket",
    "vllm:request_time_per_output_token_seconds_bucket",
}
V0_17 = V0_12 - {"vllm:time_per_output_token_seconds_bucket"} | {
    "vllm:request_prefill_kv_computed_tokens_bucket",
    "vllm:prompt_tokens_recomputed_total",
}
V0_23 = V0_17 - {"vllm:prompt_tokens_recomputed_total"} | {"vllm:num_requests_waiting_by_reason"}
V0_32 = V0_23 | {"vllm:request_num_preemptions_bucket", "vllm:admission_rejections_total"}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (V0, "before 0.9.2"),
        (V0_9_2, "after 0.9.1, before 0.12"),
        (V0_12, "after 0.10.1.1, before 0.17.1"),
        (V0_17, "after 0.12, before 0.23"),
        (V0_23, "after 0.17.1, before 0.32"),
        (V0_32, "after 0.28"),
        ({name.replace("vllm:", "ray_vllm_") for name in V0_17}, "after 0.12, before 0.23"),
        ({name.replace("vllm:", "ray_vllm_") for name in V0_23}, "after 0.17.1"),
        ({"vllm:time_to_first_token_seconds_bucket", "vllm:request_success_total"}, None),
    ],
)
def test_a_page_of_vllm_tells_a_range_of_versions(names: set[str], text: str | None) -> None:
    assert version_of(VLLM, names).text == text


def test_what_a_fragment_lacks_tells_nothing() -> None:
    assert version_of(VLLM, {"vllm:kv_cache_usage_perc"}) == Version("after 0.9.1", None)


def test_names_that_no_version_has_together_give_no_version_but_a_reason() -> None:
    text, reason = version_of(VLLM, V0_32 | {"vllm:gpu_cache_usage_perc"})
    assert text is None
    assert reason == "Names of versions after 0.28 and before 0.12 stand on one page."


def test_a_page_that_does_not_tell_its_version_says_why() -> None:
    found = identify({"tgi_queue_size"}, {})
    assert (found.engine, found.version) == ("tgi", None)
    assert found.version_reason == "TGI does not tell its version on the page."
    assert identify({"up"}, {}).version_reason == "The page is of no engine with a profile."


@pytest.mark.parametrize(
    ("name", "text"),
    [("startup_time_seconds", "after 0.5.6"), ("engine_startup_time", "after 0.4.9, before 0.5.23")],
)
def test_a_page_of_sglang_tells_a_range_by_what_it_has(name: str, text: str) -> None:
    assert identify({f"sglang:{name}", "sglang:queue_time_seconds_bucket"}, {}).version == text


def test_a_marker_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="after, since or gone is needed"):
        Marker(name="x")


def test_profiles_say_which_versions_they_cover_and_why_a_page_may_not_tell() -> None:
    told = {profile.engine for profile in profiles() if "versions" in profile.model_fields_set}
    assert told >= {"dcgm", "epp", "litellm", "sglang", "sglang-router", "tgi", "triton", "vllm", "vllm-router"}
    assert all(profile.versions.reason.endswith(".") for profile in profiles())


@given(st.sets(st.sampled_from(sorted(V0_32 | V0_17 | V0))))
def test_a_page_has_a_range_or_a_reason_and_never_both(names: set[str]) -> None:
    text, reason = version_of(VLLM, names)
    assert (text is None) != (reason is None)
