"""Fuzzing of the way from bytes to generations, by hand: `python -m tests.collector.otlp.fuzz SECONDS`.

Bytes are mutated recorded spans. Where atheris is installed (it is no dependency), it mutates by coverage; else chance
does. What is found is printed as hexadecimal and raised.
"""

from __future__ import annotations

import inspect
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from collector.otlp.answer import JSON, PROTOBUF
from collector.otlp.decode import decode
from collector.otlp.prepare import Prepared
from core.errors import ParseError
from tests.collector.otlp.told import NOW, preparer, request

LONGEST = 5.0
"""Seconds for one input of some kilobytes: a hundred times what it takes."""
PRICES = ({"model": "*", "input": 1.0, "output": 1.0},)
WORDS = (
    b"LLM",
    b"chat",
    b"__REDACTED__",
    b"llm.input_messages.0.message.role",
    b'[{"role":',
    b"\x00",
    b"\xff" * 9,
    b".999999.",
)


def seeds() -> Iterator[tuple[bytes, str]]:
    """Every recorded span, in both encodings."""
    from tests.collector.otlp.test_otlp_dialects import CASES, sent

    for case in CASES:
        message = request(sent(case.values[0]))
        yield message.SerializeToString(), PROTOBUF
        document = MessageToDict(message, use_integers_for_enums=True)
        for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            span["traceId"], span["spanId"] = "1" * 32, "2" * 16
        yield json.dumps(document).encode(), JSON


def check(data: bytes, media: str) -> Prepared | None:
    """Read bytes as the receiver does; None: they are refused. AssertionError: what is counted is nonsense."""
    try:
        found = preparer(prices=PRICES).prepare(decode(data, media), NOW, 0.0)
    except ParseError:
        return None
    for call in found.calls:
        one = call.generation
        figures = (one.input_tokens, one.output_tokens, one.cached_tokens, one.reasoning_tokens, one.tool_calls)
        assert all(figure is None or 0 <= figure < 2**63 for figure in figures)
        assert all(seconds is None or 0 <= seconds < math.inf for seconds in (one.ttft, one.itl, one.duration))
        assert one.outcome in {"good", "bad", "excluded"}
        json.dumps([one.retrieval, one.tool_names], allow_nan=False)
    json.dumps([[one.attributes, one.events] for one in found.spans], allow_nan=False)
    return found


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or replaced by a word that means something."""
    result = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(result) + 1)
        to = min(len(result), at + chance.randint(1, 12))
        choice = chance.randrange(4)
        if choice == 0:
            result[at:to] = chance.randbytes(to - at)
        elif choice == 1:
            del result[at:to]
        elif choice == 2:
            result[at:at] = result[at:to]
        else:
            result[at:to] = chance.choice(WORDS)
    return bytes(result)


def by_chance(seconds: float, seed: int) -> int:
    """Mutate until the time is over; returns how many inputs were read."""
    chance, known, read = random.Random(seed), list(seeds()), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data, media = chance.choice(known)
        attempt(mutated(data, chance), media)
        read += 1
    return read


def attempt(data: bytes, media: str) -> None:
    began = time.perf_counter()
    try:
        check(data, media)
        assert time.perf_counter() - began < LONGEST, "it takes too long"
    except BaseException:
        print(f"{media}: {data.hex()}")
        raise


def by_coverage(atheris: Any, seconds: float) -> None:
    """libFuzzer ends the process when the time is over."""
    with tempfile.TemporaryDirectory() as folder:
        for n, (data, media) in enumerate(seeds()):
            (Path(folder) / str(n)).write_bytes((b"p" if media == PROTOBUF else b"j") + data)
        atheris.Setup(
            [sys.argv[0], folder, f"-max_total_time={seconds:.0f}"],
            lambda data: attempt(data[1:], PROTOBUF if data[:1] == b"p" else JSON),
        )
        atheris.Fuzz()


def instrument(atheris: Any, where: Any) -> None:
    """Let atheris see which lines of a module or class are reached."""
    for one in list(vars(where).values()):
        if inspect.isfunction(one) and one.__module__.startswith("collector.otlp"):
            atheris.instrument_func(one)
        elif inspect.isclass(one) and one.__module__ == getattr(where, "__name__", None):
            instrument(atheris, one)


def main(seconds: float) -> None:
    try:
        import atheris
    except ImportError:
        print(f"{by_chance(seconds, time.time_ns())} inputs were read, none of them wrongly")
        return
    for module in [one for name, one in sys.modules.items() if name.startswith("collector.otlp")]:
        instrument(atheris, module)
    by_coverage(atheris, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]))
