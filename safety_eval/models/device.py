"""Where a model computes, and with which arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ConfigError

if TYPE_CHECKING:
    from safety_eval.settings import Device

CPU, CUDA = "cpu", "cuda"

ARITHMETIC = {CPU: "float32", CUDA: "tf32"}
"""Part of the revision: scores of two arithmetics differ in the third digit, so they are two series."""


def choose(wanted: Device, threads: int) -> str:
    """`cpu` or `cuda`, with torch set up for it; ConfigError where CUDA is asked for and missing."""
    import torch  # noqa: PLC0415 - seconds of import that only a process with models pays

    torch.set_num_threads(threads)
    there = torch.cuda.is_available()
    if wanted == CUDA and not there:
        raise ConfigError("evaluator.device is cuda, but torch finds no CUDA device; use cpu or auto")
    if wanted == CPU or not there:
        return CPU
    torch.set_float32_matmul_precision("high")
    return CUDA
