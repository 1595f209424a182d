"""The families of a vLLM 0.32 metrics page, in its order: names, types, labels and buckets.

Names are written without `_total`, `_bucket` and `_created`; page.py adds them by type.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from core.histogram import Bounds

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "summary"]

MAX_MODEL_LENGTH = 8192

REQUEST_TIME: Bounds = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
TTFT: Bounds = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0),
    *(80.0, 160.0, 640.0, 2560.0),
)
ITL: Bounds = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
ITERATION_TOKENS: Bounds = (1.0, *(float(8 << power) for power in range(12)))
TOKENS: Bounds = tuple(
    float(step * 10**power) for power in range(5) for step in (1, 2, 5) if step * 10**power <= MAX_MODEL_LENGTH
)
PREEMPTIONS: Bounds = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
PARAMETER_N: Bounds = (1.0, 2.0, 5.0, 10.0, 20.0)
HTTP_TIME: Bounds = (0.1, 0.5, 1.0)
HTTP_TIME_FINE: Bounds = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 7.5, 10.0),
    *(30.0, 60.0),
)

REASONS = ("stop", "length", "abort", "error", "repetition")


class Family(NamedTuple):
    """One metric family. `label` is the one label whose `values` make its series; `engine` adds vLLM's own two labels.

    `by` names the labels of a family whose series appear when first counted.
    """

    name: str
    kind: Kind
    help: str
    label: str = ""
    values: tuple[str, ...] = ()
    bounds: Bounds = ()
    engine: bool = True
    by: tuple[str, ...] = ()


def _process(name: str, kind: Kind, text: str) -> Family:
    return Family(name, kind, text, engine=False)


def _generations(name: str, text: str) -> Family:
    return Family(name, "counter", text, "generation", ("0", "1", "2"), engine=False)


_SOURCES = ("local_compute", "local_cache_hit", "external_kv_transfer")
_TIERS = ("device", "host", "p2p", "disk", "external_unspecified")

PROCESS = (
    _generations("python_gc_objects_collected", "Objects that the garbage collector freed."),
    _generations("python_gc_objects_uncollectable", "Garbage that could not be freed."),
    _generations("python_gc_collections", "Runs of the garbage collector."),
    _process("python_info", "gauge", "The Python that runs the server, as labels."),
    _process("process_virtual_memory_bytes", "gauge", "Virtual memory in bytes."),
    _process("process_resident_memory_bytes", "gauge", "Resident memory in bytes."),
    _process("process_start_time_seconds", "gauge", "When the process started, as Unix time."),
    _process("process_cpu_seconds", "counter", "CPU time of the process, user and system."),
    _process("process_open_fds", "gauge", "Open file descriptors."),
    _process("process_max_fds", "gauge", "Most file descriptors that may be open."),
)

ENGINE = (
    Family("vllm:estimated_flops_per_gpu", "counter", "Estimated floating point operations of a GPU."),
    Family("vllm:estimated_read_bytes_per_gpu", "counter", "Estimated bytes that a GPU read from its memory."),
    Family("vllm:estimated_write_bytes_per_gpu", "counter", "Estimated bytes that a GPU wrote to its memory."),
    Family("vllm:num_requests_running", "gauge", "Requests in the running batch."),
    Family("vllm:num_requests_waiting", "gauge", "Requests that wait to be scheduled."),
    Family(
        *("vllm:num_requests_waiting_by_reason", "gauge", "Waiting requests by what they wait for."),
        *("reason", ("capacity", "deferred")),
    ),
    Family(
        *("vllm:engine_sleep_state", "gauge", "1 for the state that the engine sleeps or wakes in."),
        *("sleep_state", ("awake", "weights_offloaded", "discard_all")),
    ),
    Family("vllm:kv_cache_usage_perc", "gauge", "Share of the KV cache in use, 0 to 1."),
    Family("vllm:prefix_cache_queries", "counter", "Tokens looked up in the prefix cache."),
    Family("vllm:prefix_cache_hits", "counter", "Tokens found in the prefix cache."),
    Family("vllm:external_prefix_cache_queries", "counter", "Tokens looked up in the external prefix cache."),
    Family("vllm:external_prefix_cache_hits", "counter", "Tokens found in the external prefix cache."),
    Family("vllm:mm_cache_queries", "counter", "Items looked up in the multi-modal cache."),
    Family("vllm:mm_cache_hits", "counter", "Items found in the multi-modal cache."),
    Family("vllm:num_preemptions", "counter", "Preemptions so far."),
    Family("vllm:prompt_tokens", "counter", "Prompt tokens processed."),
    Family("vllm:prompt_tokens_by_source", "counter", "Prompt tokens by where they came from.", "source", _SOURCES),
    Family("vllm:prompt_tokens_cached", "counter", "Prompt tokens that were in a cache."),
    Family("vllm:prompt_tokens_cached_by_source", "counter", "Cached prompt tokens by cache.", "source", _TIERS),
    Family("vllm:generation_tokens", "counter", "Tokens generated."),
    Family("vllm:request_success", "counter", "Finished requests by finish reason.", "finished_reason", REASONS),
    Family(
        *("vllm:admission_rejections", "counter", "Requests refused because a queue was full."),
        *("reason", ("max_num_queued_reqs", "max_num_queued_tokens")),
    ),
    Family("vllm:request_prompt_tokens", "histogram", "Prompt tokens of a request.", bounds=TOKENS),
    Family("vllm:request_generation_tokens", "histogram", "Generated tokens of a request.", bounds=TOKENS),
    Family("vllm:iteration_tokens_total", "histogram", "Tokens of an engine step.", bounds=ITERATION_TOKENS),
    Family("vllm:request_max_num_generation_tokens", "histogram", "Most tokens a request may make.", bounds=TOKENS),
    Family("vllm:request_params_n", "histogram", "Parameter n of a request.", bounds=PARAMETER_N),
    Family("vllm:request_params_max_tokens", "histogram", "Parameter max_tokens of a request.", bounds=TOKENS),
    Family("vllm:time_to_first_token_seconds", "histogram", "Time to the first token.", bounds=TTFT),
    Family("vllm:inter_token_latency_seconds", "histogram", "Time between two tokens.", bounds=ITL),
    Family("vllm:request_time_per_output_token_seconds", "histogram", "Mean time per token.", bounds=ITL),
    Family("vllm:e2e_request_latency_seconds", "histogram", "Time from arrival to end.", bounds=REQUEST_TIME),
    Family("vllm:request_queue_time_seconds", "histogram", "Time spent waiting.", bounds=REQUEST_TIME),
    Family("vllm:request_inference_time_seconds", "histogram", "Time spent running.", bounds=REQUEST_TIME),
    Family("vllm:request_prefill_time_seconds", "histogram", "Time spent in prefill.", bounds=REQUEST_TIME),
    Family("vllm:request_decode_time_seconds", "histogram", "Time spent in decode.", bounds=REQUEST_TIME),
    Family("vllm:request_num_preemptions", "histogram", "Preemptions of a request.", bounds=PREEMPTIONS),
    Family("vllm:request_prefill_kv_computed_tokens", "histogram", "Prompt tokens computed.", bounds=TOKENS),
    Family("vllm:cache_config_info", "gauge", "Settings of the KV cache, as labels."),
)

HTTP = (
    Family(
        *("http_requests", "counter", "HTTP requests by handler, method and class of status."),
        engine=False,
        by=("handler", "method", "status"),
    ),
    Family("http_request_size_bytes", "summary", "Size of request bodies.", engine=False, by=("handler",)),
    Family("http_response_size_bytes", "summary", "Size of response bodies.", engine=False, by=("handler",)),
    Family(
        *("http_request_duration_highr_seconds", "histogram", "HTTP latency over many buckets."),
        bounds=HTTP_TIME_FINE,
        engine=False,
    ),
    Family(
        *("http_request_duration_seconds", "histogram", "HTTP latency by handler and method."),
        bounds=HTTP_TIME,
        engine=False,
        by=("handler", "method"),
    ),
)

ALL = (*PROCESS, *ENGINE, *HTTP)
