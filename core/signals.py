"""Burnline's vocabulary: what a serving fleet can tell, whatever an engine calls it.

A counter counts events or amounts, a histogram counts values by cell, a gauge is a state at a moment.
A gauge enters the ledger as target-milliseconds by cell of value, so that any threshold can be asked later;
`bounds` are those cells' upper bounds (histograms bring the bounds of their page).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.histogram import Bounds

Kind = Literal["counter", "histogram", "gauge"]
LAYERS = ("client", "gateway", "router", "engine", "hardware")
"""From the outermost inwards: a signal is counted in the first of these that the fleet has."""

OUTCOMES = ("good", "bad", "excluded")
VERDICTS = ("flagged", "clear", "failed", "not_applicable")
"""Of a detector on an answer: only the first two say something of it."""


@dataclass(frozen=True)
class Signal:
    """One thing worth measuring; `unit` is that of the values in the ledger."""

    name: str
    kind: Kind
    unit: str
    help: str
    bounds: Bounds = ()
    sampled: bool = False
    """Counted on a sample by fallible judges: its rate has an interval, and never pages."""


_SHARES: Bounds = tuple(n / 100 for n in range(101))
_DEPTHS: Bounds = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    12,
    16,
    20,
    25,
    32,
    40,
    50,
    64,
    80,
    100,
    128,
    160,
    200,
    256,
    512,
    1024,
    4096,
)
_LOAD_SECONDS: Bounds = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)

SIGNALS: Mapping[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal("requests", "counter", "requests", "Finished requests by outcome (good, bad, excluded) and reason."),
        Signal("http_responses", "counter", "responses", "HTTP answers by status class (code: 2xx, 4xx, 5xx)."),
        Signal("ttft", "histogram", "seconds", "Time from arrival to the first token, one value a request."),
        Signal("itl", "histogram", "seconds", "Time between two tokens that reached the client, one value a gap."),
        Signal("e2e", "histogram", "seconds", "Time from arrival to the last token, one value a finished request."),
        Signal("queue_time", "histogram", "seconds", "Time that a request waited before its first step."),
        Signal("queue_depth", "gauge", "requests", "Requests that wait for a place in the batch.", _DEPTHS),
        Signal("running", "gauge", "requests", "Requests in the running batch.", _DEPTHS),
        Signal("prompt_tokens", "counter", "tokens", "Prompt tokens processed."),
        Signal("generation_tokens", "counter", "tokens", "Tokens generated."),
        Signal("kv_cache", "gauge", "share", "Share of the KV cache in use, 0 to 1.", _SHARES),
        Signal(
            "preemptions", "counter", "preemptions", "Running requests thrown out of the batch for want of KV blocks."
        ),
        Signal("retries", "counter", "retries", "Attempts after the first that a gateway or client made."),
        Signal("model_load", "gauge", "seconds", "How long the model took to load.", _LOAD_SECONDS),
        Signal("gpu_memory", "gauge", "share", "Share of a GPU's memory in use, 0 to 1.", _SHARES),
        Signal("gpu_utilisation", "gauge", "share", "Share of time that a kernel ran on the GPU, 0 to 1.", _SHARES),
        Signal("gpu_time", "counter", "gpu-milliseconds", "Time that GPUs were held, busy or not."),
        Signal("cost", "counter", "micro-dollars", "What the fleet cost: GPU time by the configured price."),
        Signal("generations", "counter", "generations", "Model calls that applications told over OTLP, by stratum."),
        Signal(
            "goodput",
            "counter",
            "generations",
            "Model calls by outcome: good met the limits of TTFT and inter-token time together, bad did not.",
        ),
        Signal("drawn", "counter", "generations", "Generations drawn to be scored, by stratum."),
        Signal(
            "judged",
            "counter",
            "verdicts",
            "Verdicts (flagged, clear, failed, not_applicable) on drawn generations by detector, revision and stratum.",
            sampled=True,
        ),
    )
}

ALIASES: Mapping[str, tuple[str, str]] = {"truncated": ("requests", 'reason="length"')}
"""Names that stand for a part of another signal: (signal, where)."""
