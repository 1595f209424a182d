from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from burnline.demo.dcgm import Gpu, Reading, render

REAL_PAGES = Path(__file__).parents[4] / "shared" / "data" / "serving-pages" / "dcgm"
GPUS = (Gpu(0, "GPU-a", "v1-eu-west-0"), Gpu(1, "GPU-b", "v2-eu-west-0"))


def page(*readings: Reading) -> dict[tuple[str, str], float]:
    text = render(zip(GPUS, readings, strict=False)).decode()
    return {
        (sample.name.removesuffix("_total"), sample.labels["pod"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_gpu_has_its_own_samples_under_the_replica_that_runs_on_it():
    values = page(Reading(1.0, 0.5, 0.92, 5e6), Reading(0.0, 0.0, 0.0, 7e6, xid=31))
    assert values[("DCGM_FI_DEV_GPU_UTIL", "v1-eu-west-0")] == 100
    assert values[("DCGM_FI_DEV_GPU_UTIL", "v2-eu-west-0")] == 0
    assert values[("DCGM_FI_DEV_XID_ERRORS", "v2-eu-west-0")] == 31
    assert values[("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "v1-eu-west-0")] == 5e6


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.92, 0.998])
def test_used_and_free_memory_make_up_the_gpu(memory):
    values = page(Reading(1.0, 0.5, memory, 0.0))
    used, free = (values[(f"DCGM_FI_DEV_FB_{part}", "v1-eu-west-0")] for part in ("USED", "FREE"))
    assert used + free == 81_559
    assert used == pytest.approx(memory * 81_559, abs=1)


def test_power_rises_with_the_batch_and_falls_to_idle():
    idle, some, full = (Reading(*shares, 0.92, 0.0).watts for shares in ((0.0, 0.0), (1.0, 0.1), (1.0, 1.0)))
    assert idle < some < full


def test_names_types_and_labels_are_those_of_the_real_exporter():
    if not REAL_PAGES.exists():
        pytest.skip("no real DCGM page beside this checkout")
    text = render([(GPUS[0], Reading(1.0, 0.5, 0.9, 1.0))]).decode()
    ours = {line for line in text.splitlines() if line.startswith("# TYPE")}
    real = {
        line
        for file in REAL_PAGES.glob("*.prom")
        for line in file.read_text().splitlines()
        if line.startswith("# TYPE")
    }
    assert real <= ours
    [util] = [family for family in text_string_to_metric_families(text) if family.name == "DCGM_FI_DEV_GPU_UTIL"]
    assert {"gpu", "UUID", "device", "modelName", "Hostname", "pod", "namespace", "container"} <= set(
        util.samples[0].labels
    )
