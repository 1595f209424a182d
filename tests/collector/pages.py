"""Small pages of the engines that have a profile, and how they are read."""

from __future__ import annotations

from typing import NamedTuple

from collector.exposition import PageReader, Reading
from collector.layout_build import LayoutBuilder
from collector.measures import Layout
from collector.profiles import Profile
from collector.profiles.identify import recognise
from storage.plan import MeasurePlan, SelectorMeasure

DIMENSIONS = ("model", "version", "region", "tenant")

VLLM = """\
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="llama"} 10
vllm:request_success_total{engine="0",finished_reason="length",model_name="llama"} 3
vllm:request_success_total{engine="0",finished_reason="abort",model_name="llama"} 2
vllm:request_success_total{engine="0",finished_reason="error",model_name="llama"} 1
vllm:request_success_total{engine="0",finished_reason="haunted",model_name="llama"} 4
# TYPE vllm:request_success_created gauge
vllm:request_success_created{engine="0",finished_reason="stop",model_name="llama"} 1000
# TYPE vllm:admission_rejections_total counter
vllm:admission_rejections_total{model_name="llama",reason="max_num_queued_reqs"} 5
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="llama"} 4
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="llama"} 9
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.5",model_name="llama"} 7
vllm:time_to_first_token_seconds_count{engine="0",model_name="llama"} 9
vllm:time_to_first_token_seconds_sum{engine="0",model_name="llama"} 6.5
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="llama"} 6
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="llama"} 0.25
# TYPE http_requests_total counter
http_requests_total{handler="/v1/completions",method="POST",status="5xx"} 2
# TYPE process_start_time_seconds gauge
process_start_time_seconds 999.5
"""

DCGM = """\
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a"} 90
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b"} 9223372036854775794
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a"} 300
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b"} 300
# TYPE DCGM_FI_DEV_FB_FREE gauge
DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-a"} 600
DCGM_FI_DEV_FB_FREE{gpu="1",UUID="GPU-b"} 9223372036854775794
# TYPE DCGM_FI_DEV_FB_RESERVED gauge
DCGM_FI_DEV_FB_RESERVED{gpu="0",UUID="GPU-a"} 100
"""


class Read(NamedTuple):
    """A page, its profile and its layout."""

    page: Reading
    profile: Profile | None
    layout: Layout

    def counts(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], tuple[int, ...]]:
        """Cumulative values by signal and attributes."""
        readings = self.layout.columns.read(self.page.numbers)
        return {
            (atom.measure.name, atom.measure.attrs): readings[slot.key].values
            for slot in self.layout.counters
            if slot.key in readings
            for atom in slot.atoms
        }

    def gauges(self) -> list[tuple[str, float]]:
        """Signal and value of each gauge that is known."""
        blank_from = self.profile.blank_from if self.profile is not None else float("inf")
        return [(atom.measure.name, value) for atom, value in self.layout.read_gauges(self.page.numbers, blank_from)]


def read(
    text: str,
    target: dict[str, str] | None = None,
    selectors: tuple[SelectorMeasure, ...] = (),
    media: str = "text/plain",
) -> Read:
    """Read a page as a collector does."""
    page = PageReader().read(text.encode(), media)
    profile, _ = recognise({one.name for one in page.series})
    builder = LayoutBuilder(profile, target or {}, DIMENSIONS, MeasurePlan(selectors=selectors))
    return Read(page, profile, builder.build(page.series))
