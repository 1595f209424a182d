"""A simulated engine with continuous batching: latency comes from a queue and a token clock, never from a draw.

A step takes `base`, `per_sequence` for each running sequence and `per_prompt_token` for each token prefilled in it, and
gives each running sequence one token. Steps that cannot differ (nobody is admitted, finishes or needs a KV block that
is not there) are done at once, so the cost is a few operations a request, not one a token. Times are simulated seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from burnline.demo.families import ITERATION_TOKENS, ITL
from core.histogram import cell_of


class Outcome(StrEnum):
    """vLLM's finish reasons, in the order of its page."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"
    ERROR = "error"
    REPETITION = "repetition"


@dataclass(frozen=True)
class Hardware:
    """Speed and memory of a replica.

    With the default load (3.75 requests/s of 300 prompt and 100 output tokens a replica) these give 6 running
    sequences, 11 ms between tokens and first tokens within 0.2 s; answers five times as long still fit. One step
    prefills at most 768 tokens, which bounds the gap between two tokens of a healthy engine at 0.093 s.
    """

    base: float = 0.010
    per_sequence: float = 0.0001
    per_prompt_token: float = 0.0001
    max_sequences: int = 56
    blocks: int = 3072
    block_tokens: int = 16
    prefill_budget: int = 768


class Job(NamedTuple):
    """A request as the engine sees it: it ends with `outcome` at its `output_tokens`-th token."""

    id: int
    prompt_tokens: int
    output_tokens: int
    outcome: Outcome


class Finished(NamedTuple):
    """A request that is over; a time that never came about is None. `itl_cells` are over the bounds ITL."""

    id: int
    outcome: Outcome
    prompt_tokens: int
    generated_tokens: int
    queue: float
    ttft: float | None
    prefill: float | None
    decode: float | None
    e2e: float
    itl_cells: list[int]
    itl_sum: float
    preemptions: int


@dataclass(eq=False)
class _Sequence:
    """A request in the engine; `mark` is the engine's gap count when this sequence began to stream, None before."""

    job: Job
    arrived: float
    scheduled: float | None = None
    first_token: float | None = None
    last_token: float = 0.0
    made: int = 0
    preemptions: int = 0
    mark: _Gaps | None = None
    itl_cells: list[int] = field(default_factory=lambda: [0] * (len(ITL) + 1))
    itl_sum: float = 0.0

    def tokens(self) -> int:
        return self.job.prompt_tokens + self.made


class _Gaps(NamedTuple):
    """All step durations so far, as cells over ITL and as a sum: a streaming sequence saw the difference of two."""

    cells: tuple[int, ...]
    total: float


@dataclass
class _Step:
    """The step under way: it began at the engine's clock and may be followed by `repeats` - 1 like it."""

    duration: float
    repeats: int
    prefilled: int


class Engine:
    """One replica's engine. Every method first brings the engine to `now`; times must not go back."""

    def __init__(self, hardware: Hardware | None = None) -> None:
        self.hardware = hardware or Hardware()
        self.preemptions = 0
        self.busy = 0.0
        self.steps = 0
        self.iteration_cells = [0] * (len(ITERATION_TOKENS) + 1)
        self.iteration_tokens = 0
        self._blocks = self.hardware.blocks
        self._slowdown = 1.0
        self._frozen_since: float | None = None
        self._clock = 0.0
        self._step: _Step | None = None
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._done: list[Finished] = []
        self._given_up: list[int] = []
        self._gap_cells = [0] * (len(ITL) + 1)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def frozen(self) -> bool:
        return self._frozen_since is not None

    @property
    def kv_usage(self) -> float:
        """Share of the KV blocks in use, 0 to 1."""
        return min(1.0, self._used_blocks() / self._blocks)

    def submit(self, now: float, job: Job) -> None:
        """Queue a request that arrives now."""
        self._bring_to(now)
        if self._step is None and not self.frozen:
            self._clock = max(self._clock, now)
        elif self._step is not None:
            self._step.repeats = 1
        self._waiting.append(_Sequence(job, now))
        self._bring_to(now)

    def abort(self, now: float, job_id: int) -> None:
        """The client has gone. A frozen engine does not notice before it moves again, as a hung vLLM does not."""
        self._bring_to(now)
        if self.frozen:
            self._given_up.append(job_id)
        else:
            self._drop(job_id, now)

    def adjust(self, now: float, *, slowdown: float = 1.0, kv_share: float = 1.0, frozen: bool = False) -> None:
        """Change the conditions from now on; the step under way keeps the duration it began with."""
        self._bring_to(now)
        if self._step is not None:
            self._step.repeats = 1
        self._slowdown = slowdown
        self._blocks = max(1, int(self.hardware.blocks * kv_share))
        if frozen and not self.frozen:
            self._frozen_since = now
        elif not frozen and self._frozen_since is not None:
            self._thaw(now, self._frozen_since)

    def advance(self, now: float) -> list[Finished]:
        """Make every step that ends by `now`; the requests that ended since the last call, in order."""
        self._bring_to(now)
        done, self._done = self._done, []
        return done

    def made(self, job_id: int) -> int:
        """How many tokens a request has by the engine's clock; 0 for one that is not in the engine."""
        return next((sequence.made for sequence in self._everyone() if sequence.job.id == job_id), 0)

    def next_event(self) -> float | None:
        """When the engine should next be advanced so that no request is seen to finish late; None: when one arrives."""
        if self._done:
            return self._clock
        if self.frozen or self._step is None:
            return None
        return self._clock + self._step.duration * self._step.repeats

    def _bring_to(self, now: float) -> None:
        if self.frozen:
            return
        while True:
            if self._step is None:
                self._step = self._plan()
            if self._step is None or self._clock + self._step.duration > now:
                return
            self._complete(self._step, now)

    def _plan(self) -> _Step | None:
        self._make_room()
        prefilled = self._admit()
        if not self._running:
            return None
        hardware = self.hardware
        work = hardware.per_sequence * len(self._running) + hardware.per_prompt_token * prefilled
        duration = self._slowdown * (hardware.base + work)
        return _Step(duration, 1 if prefilled else self._like_steps(), prefilled)

    def _like_steps(self) -> int:
        """How many steps will be like the next one: nobody finishes before the last, and no block is missing."""
        until_finish = min(sequence.job.output_tokens - sequence.made for sequence in self._running)
        free = self._blocks - self._used_blocks()
        until_full = max(1, free // len(self._running) * self.hardware.block_tokens)
        return min(until_finish, until_full)

    def _complete(self, step: _Step, now: float) -> None:
        count = max(1, min(step.repeats, int((now - self._clock) / step.duration)))
        self._clock += count * step.duration
        self.busy += count * step.duration
        self._gap_cells[cell_of(ITL, step.duration)] += count
        self._count_iterations(step.prefilled + len(self._running), count)
        gaps = _Gaps(tuple(self._gap_cells), self.busy)
        for sequence in self._running:
            sequence.made += count
            if sequence.mark is None:
                self._begin_stream(sequence, gaps)
        step.repeats -= count
        self._retire()
        if step.repeats == 0:
            self._step = None

    def _count_iterations(self, tokens: int, count: int) -> None:
        self.steps += count
        self.iteration_tokens += tokens * count
        self.iteration_cells[cell_of(ITERATION_TOKENS, tokens)] += count

    def _begin_stream(self, sequence: _Sequence, gaps: _Gaps) -> None:
        if sequence.first_token is None:
            sequence.first_token = self._clock
        else:  # back after a preemption: the client waited since its last token
            gap = self._clock - sequence.last_token
            sequence.itl_cells[cell_of(ITL, gap)] += 1
            sequence.itl_sum += gap
        sequence.mark = gaps

    def _end_stream(self, sequence: _Sequence) -> None:
        if sequence.mark is None:
            return
        for cell, (end, begin) in enumerate(zip(self._gap_cells, sequence.mark.cells, strict=True)):
            sequence.itl_cells[cell] += end - begin
        sequence.itl_sum += self.busy - sequence.mark.total
        sequence.last_token = self._clock
        sequence.mark = None

    def _retire(self) -> None:
        ended = [sequence for sequence in self._running if sequence.made >= sequence.job.output_tokens]
        for sequence in ended:
            self._running.remove(sequence)
            self._finish(sequence, sequence.job.outcome, self._clock)

    def _finish(self, sequence: _Sequence, outcome: Outcome, at: float) -> None:
        self._end_stream(sequence)
        first, scheduled = sequence.first_token, sequence.scheduled
        self._done.append(
            Finished(
                id=sequence.job.id,
                outcome=outcome,
                prompt_tokens=sequence.job.prompt_tokens,
                generated_tokens=sequence.made,
                queue=(at if scheduled is None else scheduled) - sequence.arrived,
                ttft=None if first is None else first - sequence.arrived,
                prefill=None if first is None or scheduled is None else first - scheduled,
                decode=None if first is None else sequence.last_token - first,
                e2e=at - sequence.arrived,
                itl_cells=sequence.itl_cells,
                itl_sum=sequence.itl_sum,
                preemptions=sequence.preemptions,
            )
        )

    def _admit(self) -> int:
        """Move waiting sequences in while there are slots, blocks and prefill budget; the tokens to prefill."""
        prefilled = 0
        used = self._used_blocks()
        while self._waiting and len(self._running) < self.hardware.max_sequences:
            head = self._waiting[0]
            need = self._need(head)
            if need > self._blocks:
                self._finish(self._waiting.popleft(), Outcome.ERROR, self._clock)
                continue
            if used + need > self._blocks or (prefilled and prefilled + head.tokens() > self.hardware.prefill_budget):
                break
            self._running.append(self._waiting.popleft())
            head.scheduled = self._clock if head.scheduled is None else head.scheduled
            prefilled += head.tokens()
            used += need
        return prefilled

    def _make_room(self) -> None:
        """Preempt the youngest sequences until the blocks suffice; their KV is lost, their tokens are not."""
        while self._running and self._used_blocks() > self._blocks:
            victim = self._running.pop()
            self._end_stream(victim)
            victim.preemptions += 1
            self.preemptions += 1
            self._waiting.appendleft(victim)

    def _need(self, sequence: _Sequence) -> int:
        return sequence.tokens() // self.hardware.block_tokens + 1

    def _used_blocks(self) -> int:
        return sum(self._need(sequence) for sequence in self._running)

    def _everyone(self) -> Iterator[_Sequence]:
        yield from self._running
        yield from self._waiting

    def _drop(self, job_id: int, now: float) -> None:
        sequence = next((sequence for sequence in self._everyone() if sequence.job.id == job_id), None)
        if sequence is None:
            return
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        else:
            self._running.remove(sequence)
        if self._step is not None:
            self._step.repeats = 1
        self._finish(sequence, Outcome.ABORT, now)

    def _thaw(self, now: float, since: float) -> None:
        self._frozen_since = None
        if self._step is None:
            self._clock = max(self._clock, now)
        else:
            self._step.duration += now - since
        for job_id in self._given_up:
            self._drop(job_id, now)
        self._given_up.clear()
