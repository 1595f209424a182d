"""Metrics pages in vLLM's shape, from targets that each have counts of their own and move from scrape to scrape."""

from __future__ import annotations

from collections import Counter
from random import Random

from burnline.demo import families
from burnline.demo.page import CONTENT_TYPE, Histogram, Key, Meters, Page
from core.histogram import Bounds

__all__ = ["BEGAN", "CONTENT_TYPE", "INTERVAL", "PROFILED", "SimulatedTarget"]

BEGAN = 1_700_006_400.0
"""Unix seconds of the first scrape; the processes began an hour before."""
INTERVAL = 15.0

PROFILED = {
    "ttft": "vllm:time_to_first_token_seconds",
    "itl": "vllm:inter_token_latency_seconds",
    "e2e": "vllm:e2e_request_latency_seconds",
    "queue_time": "vllm:request_queue_time_seconds",
}
"""Signals and the histograms behind them, whose cells tell what a counter has to find."""

_BOUNDS: dict[str, Bounds] = {family.name: family.bounds for family in families.ALL if family.bounds}
_SCALARS = [family for family in families.ENGINE if not family.bounds and family.name != "vllm:cache_config_info"]
_ADAPTERS = 10
"""Series that may come, go and move, for each that does in a scrape."""
_HANDLERS = ("/v1/chat/completions", "/v1/completions", "/health", "/metrics")


class SimulatedTarget:
    """One server's page. Each scrape changes about `changing` of the values and, if `churn` is not 0, adds, removes or
    moves that share of the series (adapters that come and go, in an order of their own)."""

    def __init__(self, number: int, changing: float, churn: float = 0.0) -> None:
        self._rng = Random(number)
        self._changing = changing
        self._page = Page(f"model-{number % 7}", BEGAN - 3600)
        self.meters = _filled(self._rng)
        own = _samples(self._page.render(self.meters))
        self._moves = round(own * churn)
        self._adapters = list(range(_ADAPTERS * self._moves))
        self._made = len(self._adapters)
        self.samples = own + len(self._adapters)

    def scrape(self) -> bytes:
        """Let time pass and answer the page."""
        self.move()
        for move in range(self._moves):
            self._change_adapters(move)
        return self._page.render(self.meters) + self._adapter_lines()

    def requests(self) -> int:
        """Finished requests so far, those given up left out."""
        ends = [reason for reason in families.REASONS if reason != "abort"]
        rejected = ("max_num_queued_reqs", "max_num_queued_tokens")
        numbers = self.meters.numbers
        return sum(int(numbers["vllm:request_success", end]) for end in ends) + sum(
            int(numbers["vllm:admission_rejections", reason]) for reason in rejected
        )

    def cells(self) -> Counter[tuple[str, int]]:
        """(signal, cell) → events so far, for PROFILED."""
        return Counter(
            {
                (signal, cell): n
                for signal, name in PROFILED.items()
                for cell, n in enumerate(self.meters.histograms[(name,)].cells)
            }
        )

    def move(self) -> None:
        """Let time pass."""
        left = self._changing * self.samples
        keys: list[Key] = [*self.meters.histograms, *_NUMBERS]
        self._rng.shuffle(keys)
        for key in keys:
            if left <= 0:
                return
            left -= self._observe(key) if key in self.meters.histograms else self._add(key)

    def _observe(self, key: Key) -> int:
        """One event; it changes every bucket from its own on, the count and the sum. Returns how many values."""
        bounds = _BOUNDS[key[0]]
        place = self._rng.randrange(len(bounds))
        self.meters.histograms[key].observe(bounds, bounds[place])
        return len(bounds) + 1 - place + 2

    def _add(self, key: Key) -> int:
        self.meters.add(self._rng.randint(1, 900), *key)
        return 1

    def _change_adapters(self, move: int) -> None:
        """One series more, one less, or one in another place."""
        place = self._rng.randrange(len(self._adapters))
        if move % 3 != 0:
            moved = self._adapters.pop(place)
            place = self._rng.randrange(len(self._adapters))
        if move % 3 == 1:
            return
        if move % 3 == 0:
            self._made += 1
            moved = self._made
        self._adapters.insert(place, moved)

    def _adapter_lines(self) -> bytes:
        if not self._moves:
            return b""
        lines = ["# TYPE vllm:lora_requests_info gauge"]
        lines.extend(
            f'vllm:lora_requests_info{{max_lora="8",running_lora_adapters="adapter-{number}"}} {BEGAN!r}'
            for number in self._adapters
        )
        return ("\n".join(lines) + "\n").encode()


def _filled(rng: Random) -> Meters:
    meters = Meters()
    for handler in _HANDLERS:
        meters.count_http(handler, "POST", 200, 0.2, rng.randint(300, 9000))
    for key, histogram in meters.histograms.items():
        cells = [rng.randint(0, 20_000) for _ in histogram.cells]
        meters.histograms[key] = Histogram(cells, sum(cells) * rng.random())
    for key in _NUMBERS:
        meters.numbers[key] = rng.randint(0, 2_000_000)
    meters.numbers[("process_start_time_seconds",)] = BEGAN - 3600
    return meters


def _samples(body: bytes) -> int:
    return sum(not line.startswith(b"#") for line in body.splitlines())


_NUMBERS: tuple[Key, ...] = tuple(
    (family.name, value) if value else (family.name,) for family in _SCALARS for value in (family.values or ("",))
)
