"""One simulated server: an OpenAI-style API, vLLM's metrics page, and the journal that says what is true."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from burnline.demo import chat, child, figures, texts
from burnline.demo.engine import Engine, Finished, Job, Outcome
from burnline.demo.families import MAX_MODEL_LENGTH
from burnline.demo.journal import RefusedLine, RequestLine, Run, ScrapeLine, Writer
from burnline.demo.page import CONTENT_TYPE, Meters, Page
from burnline.demo.scenarios import Effects
from burnline.demo.settings import MODEL_NAME

COMPLETIONS = "/v1/completions"

# How often a streamed answer is looked at for new words, in seconds of the wall.
_LOOK = 0.01

# How long the model's answers are when nothing stops it: a log-normal with this median and a mean of 102 tokens.
_OUTPUT_MEDIAN, _OUTPUT_SIGMA = 80.0, 0.7


@dataclass(frozen=True)
class ReplicaSettings:
    """What a replica is told by its supervisor; `address` is `host:port`."""

    name: str
    version: str
    region: str
    address: str
    directory: str
    speed: float
    seed: int


class _Pending(NamedTuple):
    """A request that the engine has and a client waits for."""

    id: int
    handler: str
    call: Call
    job: Job
    answer: asyncio.Future[Finished]
    rng: Random
    unsafe: bool
    documents: Sequence[str]
    body_bytes: int


class Refusal(Exception):
    """A request that the API refuses with 400; the text says why."""


class Call(NamedTuple):
    """A request that passed validation; `with_usage`: a stream ends with what it used."""

    prompt_tokens: int
    max_tokens: int
    seed: int | None
    prompt: str = ""
    stream: bool = False
    with_usage: bool = False


def parse_call(body: bytes) -> Call:
    """Check a completion request as an OpenAI-compatible server does; Refusal when it is none that can be served."""
    fields = _fields(body)
    if not isinstance(fields.get("prompt"), str):
        raise Refusal("prompt must be a text")
    if fields.get("stream"):
        raise Refusal("completions are not streamed here, chat completions are")
    return _call(fields, fields["prompt"], fields.get("max_tokens", 16))


def parse_chat(body: bytes) -> Call:
    """The same for a chat completion request, which may ask for a stream."""
    fields = _fields(body)
    prompt = chat.prompt_of(fields)
    if prompt is None:
        raise Refusal("messages must be a list of messages with texts")
    most = fields.get("max_completion_tokens", fields.get("max_tokens"))
    left = MAX_MODEL_LENGTH - max(1, len(prompt.split()))
    options = fields.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    call = _call(fields, prompt, left if most is None else most)
    return call._replace(stream=fields.get("stream") is True, with_usage=with_usage)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Refusal("the body is no JSON object")
    return fields


def _call(fields: dict[str, Any], prompt: str, max_tokens: Any) -> Call:
    seed = fields.get("seed")
    if not isinstance(max_tokens, int) or max_tokens < 1 or not isinstance(seed, int | None):
        raise Refusal("max_tokens must be a whole number above 0, and seed a whole number")
    prompt_tokens = max(1, len(prompt.split()))
    if prompt_tokens + max_tokens > MAX_MODEL_LENGTH:
        raise Refusal(f"prompt and max_tokens exceed the model's {MAX_MODEL_LENGTH} tokens")
    return Call(prompt_tokens, max_tokens, seed, prompt)


def draw_job(job_id: int, call: Call, rng: Random, effects: Effects) -> Job:
    """How the model will answer: its length and its end depend on the request's seed and the conditions alone."""
    natural = math.ceil(rng.lognormvariate(math.log(_OUTPUT_MEDIAN), _OUTPUT_SIGMA) * effects.verbosity)
    tokens = min(natural, call.max_tokens)
    if rng.random() < effects.error_rate:
        return Job(job_id, call.prompt_tokens, max(1, int(tokens * rng.random())), Outcome.ERROR)
    return Job(job_id, call.prompt_tokens, tokens, Outcome.LENGTH if natural > call.max_tokens else Outcome.STOP)


class Server:
    """The engine, its page and its journal; they change together, in one step of the event loop."""

    def __init__(self, settings: ReplicaSettings, writer: Writer, run: Run) -> None:
        self._speed = settings.speed
        self._rng = Random(f"{settings.seed}/{settings.name}")  # noqa: S311 -- a simulation
        self._effects = Effects()
        self._engine = Engine()
        self._meters = Meters()
        self._page = Page(MODEL_NAME, time.time())
        self._writer = writer
        self._run = run.run
        self._counted = 0
        self._next_id = 0
        self._pending: dict[int, _Pending] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._zero = time.monotonic()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post(COMPLETIONS, self.complete)
        app.router.add_post(chat.PATH, self.chat)
        app.router.add_get("/health", self.health)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/state", self.state)
        app.router.add_route("*", "/{path:.*}", self.unknown)
        return app

    def now(self) -> float:
        """Simulated seconds since this process began."""
        return (time.monotonic() - self._zero) * self._speed

    def adjust(self, fields: dict[str, Any]) -> None:
        """Obey the scenario: from now on these effects hold."""
        self._effects = Effects(**fields)
        effects = self._effects
        self._engine.adjust(self.now(), slowdown=effects.slowdown, kv_share=effects.kv_share, frozen=effects.frozen)
        self._writer.effects(time.time(), asdict(effects))
        self._settle()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/completions`: queue, wait for the engine, answer."""
        return await self._serve(request, COMPLETIONS, parse_call)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`: the same, or a stream of the words as the engine makes them."""
        return await self._serve(request, chat.PATH, parse_chat)

    async def _serve(self, request: web.Request, handler: str, parse: Callable[[bytes], Call]) -> web.StreamResponse:
        body = await request.read()
        try:
            call = parse(body)
        except Refusal as refusal:
            return self._refuse(request, handler, 400, str(refusal))
        pending = self._begin(handler, call, len(body))
        try:
            return await (self._stream(request, pending) if call.stream else self._answer(pending))
        except (asyncio.CancelledError, ConnectionError):
            self._engine.abort(self.now(), pending.id)
            self._settle()
            raise

    async def _answer(self, pending: _Pending) -> web.StreamResponse:
        return _answer(self._run, await pending.answer, pending)

    async def _stream(self, request: web.Request, pending: _Pending) -> web.StreamResponse:
        """Words as the engine makes tokens; the status is sent with the first of them."""
        id_, words = f"chatcmpl-{self._run}-{pending.id}", _text_of(pending, pending.job.output_tokens).split()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        sent = 0
        while not pending.answer.done():
            self._settle()
            made = self._engine.made(pending.id)
            if made > sent:
                await self._send(request, response, chat.event(id_, words[sent:made]))
                sent = made
            await asyncio.wait([pending.answer], timeout=_LOOK)
        finished = pending.answer.result()
        if finished.outcome is Outcome.ERROR:
            await self._send(request, response, chat.failure("engine failed"))
        else:
            end = chat.last_events(id_, finished, with_usage=pending.call.with_usage)
            await self._send(request, response, chat.event(id_, words[sent:]) + end)
        await response.write_eof()
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, data: bytes) -> None:
        if not response.prepared:
            await response.prepare(request)
        await response.write(data)

    def _begin(self, handler: str, call: Call, body_bytes: int) -> _Pending:
        rng = self._rng if call.seed is None else Random(call.seed)  # noqa: S311 -- a simulation
        job = draw_job(self._next_id, call, rng, self._effects)
        self._next_id += 1
        unsafe = rng.random() < self._effects.unsafe_rate
        invents = rng.random() < self._effects.ungrounded_rate
        documents = () if invents else texts.documents_of(call.prompt)
        answer: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        pending = _Pending(job.id, handler, call, job, answer, rng, unsafe, documents, body_bytes)
        self._pending[job.id] = pending
        self._engine.submit(self.now(), job)
        self._settle()
        return pending

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """`GET /metrics`; the journal gets its line only after the last byte has left this process."""
        self._settle()
        rendered, upto = time.time(), self._counted
        body = self.render()
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        response.content_length = len(body)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=0)
        await response.prepare(request)
        await response.write(body)
        await response.write_eof()
        self._writer.scrape(ScrapeLine(rendered, upto))
        return response

    def render(self) -> bytes:
        """The metrics page as it stands."""
        engine = self._engine
        self._meters.set_state(engine.running, engine.waiting, engine.kv_usage, engine.preemptions)
        self._meters.set_steps(engine.steps, engine.iteration_tokens, engine.iteration_cells)
        self._meters.set_process(figures.of_this_process())
        return self._page.render(self._meters)

    async def health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def state(self, request: web.Request) -> web.Response:
        """`GET /state`: what the GPU exporter derives its figures from. Times are simulated seconds."""
        self._settle()
        engine = self._engine
        return web.json_response(
            {
                "now": self.now(),
                "busy": engine.busy,
                "frozen": engine.frozen,
                "running": engine.running,
                "waiting": engine.waiting,
                "kv_usage": engine.kv_usage,
                "gpu_memory": self._effects.gpu_memory,
                "xid": self._effects.xid,
            }
        )

    async def unknown(self, request: web.Request) -> web.Response:
        return self._refuse(request, "none", 404, "Not Found")

    def _refuse(self, request: web.Request, handler: str, status: int, message: str) -> web.Response:
        self._writer.refused(RefusedLine(time.time(), handler, request.method, status))
        self._meters.count_http(handler, request.method, status, 0.0, request.content_length or 0)
        return web.json_response({"error": {"message": message, "code": status}}, status=status)

    def _settle(self) -> None:
        """Bring the engine to now, count what it finished, and wake up again when it will finish more."""
        for finished in self._engine.advance(self.now()):
            self._count(finished)
        if self._timer is not None:
            self._timer.cancel()
        due = self._engine.next_event()
        if due is not None:
            wait = max(0.0, due - self.now()) / self._speed
            self._timer = asyncio.get_running_loop().call_later(wait, self._settle)

    def _count(self, finished: Finished) -> None:
        pending = self._pending.pop(finished.id)
        status = _status(finished.outcome, streamed=pending.call.stream)
        most = pending.call.max_tokens
        self._writer.request(RequestLine.of(time.time(), finished, status, most))
        self._counted += 1
        self._meters.count_request(finished, most)
        if status is not None:
            self._meters.count_http(pending.handler, "POST", status, finished.e2e, pending.body_bytes)
        if not pending.answer.done():
            pending.answer.set_result(finished)


def _status(outcome: Outcome, *, streamed: bool) -> int | None:
    """The HTTP status of an answer; None when the client had gone before there was one. A stream that fails has
    begun: its status was sent with its first words."""
    if outcome is Outcome.ABORT:
        return None
    return 500 if outcome is Outcome.ERROR and not streamed else 200


def _answer(run: str, finished: Finished, pending: _Pending) -> web.Response:
    if finished.outcome is Outcome.ERROR:
        return web.json_response({"error": {"message": "engine failed", "code": 500}}, status=500)
    text = _text_of(pending, finished.generated_tokens)
    if pending.handler == chat.PATH:
        return web.json_response(chat.answer(f"chatcmpl-{run}-{finished.id}", finished, text))
    return web.json_response(
        {
            "id": f"cmpl-{run}-{finished.id}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": MODEL_NAME,
            "choices": [{"index": 0, "text": text, "finish_reason": finished.outcome.value}],
            "timings": {"queue": finished.queue, "ttft": finished.ttft},
            "usage": chat.usage(finished),
        }
    )


def _text_of(pending: _Pending, count: int) -> str:
    if pending.unsafe:
        return texts.unsafe_answer(pending.rng, count)
    return texts.answer(pending.rng, count, pending.documents)


async def serve(settings: ReplicaSettings) -> None:
    """Run one replica until its supervisor ends it."""
    run = Run(
        *(settings.name, settings.version, settings.region),
        run=uuid.uuid4().hex[:12],
        process_start=figures.start_time(),
    )
    writer = Writer(Path(settings.directory), settings.name)
    writer.start(run)
    server = Server(settings, writer, run)
    async with child.serving(server.app(), settings.address):
        await child.until_stopped(server.adjust)


if __name__ == "__main__":
    child.die_with_parent()
    asyncio.run(serve(child.settings_of(ReplicaSettings)))
