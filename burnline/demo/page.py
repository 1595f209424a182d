"""The numbers behind a vLLM metrics page, and its text.

The text is a template made once for each set of series; a page is the template with its values put in
(0.3 ms for 400 samples, measured with the figures of the process).
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from burnline.demo import families
from burnline.demo.engine import Finished, Hardware
from burnline.demo.families import Family
from core import labels
from core.histogram import Bounds, cell_of

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

Key: TypeAlias = tuple[str, ...]
"""A series without its suffix: the family's name, then the values of the labels that tell its series apart."""

_INFO: dict[str, dict[str, str]] = {
    "python_info": {
        "implementation": platform.python_implementation(),
        "major": platform.python_version_tuple()[0],
        "minor": platform.python_version_tuple()[1],
        "patchlevel": platform.python_version_tuple()[2],
        "version": platform.python_version(),
    },
    "vllm:cache_config_info": {
        "block_size": str(Hardware.block_tokens),
        "cache_dtype": "auto",
        "enable_prefix_caching": "False",
        "engine": "0",
        "gpu_memory_utilization": "0.92",
        "kv_cache_size_tokens": str(Hardware.blocks * Hardware.block_tokens),
        "num_gpu_blocks": str(Hardware.blocks),
    },
}

# 8 billion weights of two bytes: what a forward pass computes and reads.
FLOPS_PER_TOKEN = 1.6e10
BYTES_READ_PER_STEP = 1.6e10
BYTES_WRITTEN_PER_TOKEN = 131_072.0


@dataclass
class Histogram:
    """Non-cumulative cells over a family's bounds, and the sum of the values."""

    cells: list[int]
    total: float = 0.0

    @classmethod
    def over(cls, bounds: Bounds) -> Histogram:
        return cls([0] * (len(bounds) + 1))

    def observe(self, bounds: Bounds, value: float) -> None:
        self.cells[cell_of(bounds, value)] += 1
        self.total += value


class ProcessFigures(NamedTuple):
    """What a page tells about the process itself; `collections` has (collected, uncollectable, runs) a generation."""

    start_time: float
    cpu_seconds: float
    virtual_bytes: int
    resident_bytes: int
    open_files: int
    max_files: int
    collections: tuple[tuple[int, int, int], ...]


@dataclass
class Meters:
    """All values of a page. `http` holds the (handler, method, status class) triples that were counted."""

    numbers: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, Histogram] = field(default_factory=dict)
    http: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        for family in families.ALL:
            if family.bounds and not family.by:
                self.histograms[(family.name,)] = Histogram.over(family.bounds)
        self.numbers[("vllm:engine_sleep_state", "awake")] = 1
        self.numbers |= {(name,): 1 for name in _INFO}

    def add(self, amount: float, *key: str) -> None:
        self.numbers[key] = self.numbers.get(key, 0) + amount

    def count_request(self, finished: Finished, max_tokens: int) -> None:
        """Add one finished request to everything that vLLM counts per request."""
        self.add(1, "vllm:request_success", finished.outcome)
        self.add(finished.generated_tokens, "vllm:generation_tokens")
        self._count_prompt(finished.prompt_tokens)
        for name, value in _observations(finished, max_tokens):
            if value is not None:
                self.histograms[(name,)].observe(_BOUNDS[name], value)
        gaps = self.histograms[("vllm:inter_token_latency_seconds",)]
        gaps.cells = [have + more for have, more in zip(gaps.cells, finished.itl_cells, strict=True)]
        gaps.total += finished.itl_sum
        tokens = finished.prompt_tokens + finished.generated_tokens
        self.add(tokens * FLOPS_PER_TOKEN, "vllm:estimated_flops_per_gpu")
        self.add(tokens * BYTES_WRITTEN_PER_TOKEN, "vllm:estimated_write_bytes_per_gpu")

    def _count_prompt(self, tokens: int) -> None:
        self.add(tokens, "vllm:prompt_tokens")
        self.add(tokens, "vllm:prompt_tokens_by_source", "local_compute")
        self.add(tokens, "vllm:prefix_cache_queries")

    def count_http(self, handler: str, method: str, status: int, seconds: float, body_bytes: int) -> None:
        """Add one answered HTTP request."""
        code = f"{status // 100}xx"
        if (handler, method, code) not in self.http:
            self.http.append((handler, method, code))
        self.add(1, "http_requests", handler, method, code)
        self.add(1, "http_request_size_bytes", handler, "count")
        self.add(body_bytes, "http_request_size_bytes", handler, "sum")
        self.add(1, "http_response_size_bytes", handler, "count")
        self.histograms[("http_request_duration_highr_seconds",)].observe(families.HTTP_TIME_FINE, seconds)
        by_handler = ("http_request_duration_seconds", handler, method)
        self.histograms.setdefault(by_handler, Histogram.over(families.HTTP_TIME)).observe(families.HTTP_TIME, seconds)

    def set_steps(self, steps: int, tokens: int, cells: Sequence[int]) -> None:
        """Take over what the engine counted: steps, and the tokens in them."""
        self.histograms[("vllm:iteration_tokens_total",)] = Histogram(list(cells), tokens)
        self.numbers[("vllm:estimated_read_bytes_per_gpu",)] = steps * BYTES_READ_PER_STEP

    def set_state(self, running: int, waiting: int, kv_usage: float, preemptions: int) -> None:
        """Set the gauges of the engine, and its count of preemptions."""
        self.numbers[("vllm:num_requests_running",)] = running
        self.numbers[("vllm:num_requests_waiting",)] = waiting
        self.numbers[("vllm:num_requests_waiting_by_reason", "capacity")] = waiting
        self.numbers[("vllm:kv_cache_usage_perc",)] = kv_usage
        self.numbers[("vllm:num_preemptions",)] = preemptions

    def set_process(self, figures: ProcessFigures) -> None:
        self.numbers[("process_start_time_seconds",)] = figures.start_time
        self.numbers[("process_cpu_seconds",)] = figures.cpu_seconds
        self.numbers[("process_virtual_memory_bytes",)] = figures.virtual_bytes
        self.numbers[("process_resident_memory_bytes",)] = figures.resident_bytes
        self.numbers[("process_open_fds",)] = figures.open_files
        self.numbers[("process_max_fds",)] = figures.max_files
        for generation, (collected, uncollectable, runs) in enumerate(figures.collections):
            self.numbers[("python_gc_objects_collected", str(generation))] = collected
            self.numbers[("python_gc_objects_uncollectable", str(generation))] = uncollectable
            self.numbers[("python_gc_collections", str(generation))] = runs


_BOUNDS = {family.name: family.bounds for family in families.ENGINE if family.bounds}


def _observations(finished: Finished, max_tokens: int) -> Iterator[tuple[str, float | None]]:
    """The values that one request adds to the histograms; None where the request did not get that far."""
    prefill, decode = finished.prefill, finished.decode
    yield "vllm:time_to_first_token_seconds", finished.ttft
    yield "vllm:request_time_per_output_token_seconds", per_output_token(finished)
    yield "vllm:e2e_request_latency_seconds", finished.e2e
    yield "vllm:request_queue_time_seconds", finished.queue
    yield "vllm:request_prefill_time_seconds", prefill
    yield "vllm:request_decode_time_seconds", decode
    yield "vllm:request_inference_time_seconds", None if prefill is None or decode is None else prefill + decode
    yield "vllm:request_prompt_tokens", finished.prompt_tokens
    yield "vllm:request_prefill_kv_computed_tokens", finished.prompt_tokens
    yield "vllm:request_generation_tokens", finished.generated_tokens
    yield "vllm:request_max_num_generation_tokens", max_tokens
    yield "vllm:request_params_max_tokens", max_tokens
    yield "vllm:request_params_n", 1
    yield "vllm:request_num_preemptions", finished.preemptions


def per_output_token(finished: Finished) -> float:
    """Mean time between the tokens of a request; 0 when it made one token or none, as vLLM has it."""
    if finished.decode is None or finished.generated_tokens < 2:
        return 0.0
    return finished.decode / (finished.generated_tokens - 1)


def number(value: float) -> str:
    """Write a value as vLLM's page does: a float as Python writes it, from a million on with an exponent."""
    text = repr(float(value))
    point = text.find(".")
    if value <= 0 or point <= 6:
        return text
    mantissa = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{point - 1:02d}"


class Page:
    """Renders the meters of one engine. `created` is when its series came to be (Unix seconds)."""

    def __init__(self, model_name: str, created: float) -> None:
        self._engine_labels = {"engine": "0", "model_name": model_name}
        self._created = number(created)
        self._series: tuple[Key, ...] | None = None
        self._template = ""
        self._slots: list[tuple[bool, Key]] = []

    def render(self, meters: Meters) -> bytes:
        """The page as it stands now."""
        if self._series != tuple(meters.http):
            self._build(tuple(meters.http))
        texts: list[str] = []
        for is_histogram, key in self._slots:
            if is_histogram:
                histogram = meters.histograms[key]
                cumulative = [number(count) for count in accumulate(histogram.cells)]
                texts += cumulative
                texts.append(cumulative[-1])
                texts.append(number(histogram.total))
            else:
                texts.append(number(meters.numbers.get(key, 0)))
        return (self._template % tuple(texts)).encode()

    def _build(self, http: tuple[Key, ...]) -> None:
        self._series = http
        self._slots = []
        lines: list[str] = []
        for family in families.ALL:
            series = list(_of_http(family, http)) if family.by else _of_table(family)
            lines += self._family(family, series)
        self._template = "\n".join(lines) + "\n"

    def _family(self, family: Family, series: list[tuple[Key, dict[str, str]]]) -> Iterator[str]:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        yield from _head(name, family.kind, family.help)
        for key, own in series:
            yield from self._samples(family, key, own)
        if family.kind != "gauge" and family not in families.PROCESS and series:
            yield from _head(f"{family.name}_created", "gauge", family.help)
            for _, own in series:
                yield f"{family.name}_created{self._labels(family, own)} {self._created}"

    def _samples(self, family: Family, key: Key, own: dict[str, str]) -> Iterator[str]:
        text = self._labels(family, own)
        if family.kind == "histogram":
            self._slots.append((True, key))
            for bound in (*map(repr, family.bounds), "+Inf"):
                yield f"{family.name}_bucket{self._labels(family, own | {'le': bound})} %s"
            yield f"{family.name}_count{text} %s"
            yield f"{family.name}_sum{text} %s"
        elif family.kind == "summary":
            for part in ("count", "sum"):
                self._slots.append((False, (*key, part)))
                yield f"{family.name}_{part}{text} %s"
        else:
            self._slots.append((False, key))
            yield f"{family.name}{'_total' if family.kind == 'counter' else ''}{text} %s"

    def _labels(self, family: Family, own: dict[str, str]) -> str:
        pairs = own | _INFO.get(family.name, {})
        if family.name == "vllm:admission_rejections":
            pairs |= {"model_name": self._engine_labels["model_name"]}
        elif family.engine and family.name not in _INFO:
            pairs |= self._engine_labels
        if not pairs:
            return ""
        inside = ",".join(f'{name}="{labels.escape(value)}"' for name, value in sorted(pairs.items()))
        return "{" + inside.replace("%", "%%") + "}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}".replace("%", "%%"), f"# TYPE {name} {kind}"


def _of_table(family: Family) -> list[tuple[Key, dict[str, str]]]:
    if not family.label:
        return [((family.name,), {})]
    return [((family.name, value), {family.label: value}) for value in family.values]


def _of_http(family: Family, http: tuple[Key, ...]) -> Iterator[tuple[Key, dict[str, str]]]:
    seen: set[Key] = set()
    for triple in http:
        key = (family.name, *triple[: len(family.by)])
        if key not in seen:
            seen.add(key)
            yield key, dict(zip(family.by, triple, strict=False))
