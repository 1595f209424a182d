"""Devices are counted in the groups of the pods that hold them."""

from __future__ import annotations

import pytest

from collector.exposition import PageReader
from collector.layout_build import LayoutBuilder
from collector.pods import all_pods, pods_of
from collector.profiles.identify import recognise
from core.labels import Labels
from storage.fleet import TargetHealth
from storage.plan import MeasurePlan
from tests.collector.pages import DIMENSIONS

NAMES = ("namespace", "pod")
LLAMA: Labels = (("model", "llama"), ("version", "v1"))


def target(pod: str, *models: str, layer: str = "engine", **labels: str) -> TargetHealth:
    groups = [{"model": model, "version": "v1"} for model in models]
    own = {"namespace": "serving", "pod": pod, **labels}
    return TargetHealth(f"http://{pod}", "0", "job", own, 15.0, 0.0, groups, layer=layer)


def page(**pods: str) -> str:
    lines = [
        f'DCGM_FI_DEV_GPU_UTIL{{gpu="{gpu}",namespace="serving",pod="{pod}",container="c"}} 50'
        for gpu, pod in pods.items()
    ]
    return "\n".join(lines) + "\n"


def groups(text: str, targets: list[TargetHealth], own: dict[str, str]) -> list[Labels]:
    series = PageReader().read(text.encode(), "text/plain").series
    profile, _ = recognise({one.name for one in series})
    layout = LayoutBuilder(profile, own, DIMENSIONS, MeasurePlan(), all_pods(targets)).build(series)
    assert [slot.atom.group for slot in layout.gauges] == [atom.group for atom in layout.times]
    return [slot.atom.group for slot in layout.gauges]


def test_each_gpu_counts_for_what_its_pod_serves_and_a_free_one_for_what_its_host_is_labelled() -> None:
    fleet = [target("a", "llama"), target("b", "qwen")]
    found = groups(page(g0="a", g1="b", g2="", g3="unknown"), fleet, {"region": "eu", "model": "spare"})
    assert found == [
        (("model", "llama"), ("region", "eu"), ("version", "v1")),
        (("model", "qwen"), ("region", "eu"), ("version", "v1")),
        (("model", "spare"), ("region", "eu")),
        (("model", "spare"), ("region", "eu")),
    ]


def test_a_dimension_of_which_a_pod_has_several_values_is_not_guessed() -> None:
    assert groups(page(g0="a"), [target("a", "llama", "qwen")], {}) == [(("version", "v1"),)]
    assert groups(page(g0="a"), [target("a", "llama"), target("a", "qwen")], {}) == [(("version", "v1"),)]


@pytest.mark.parametrize("other", [target("a", "llama", layer="hardware"), target("a", "llama", namespace="")])
def test_an_exporter_and_a_target_without_a_whole_name_tell_nothing_of_a_pod(other: TargetHealth) -> None:
    assert pods_of([other], NAMES) == {}


def test_a_pod_of_the_same_name_elsewhere_is_another_pod() -> None:
    assert groups(page(g0="a"), [target("a", "llama", namespace="test")], {}) == [()]
