"""How many texts a second the detectors judge, on CPU and GPU, beside the same models with one text at a time."""

from __future__ import annotations

import argparse
import gc
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.harness import Table, Unequal, figure, guarded, python, take_turns, wall
from safety_eval import loading
from safety_eval.detectors.groundedness import Groundedness
from safety_eval.detectors.injection import Injection
from safety_eval.detectors.port import Detector, Item, Verdict
from safety_eval.models import device
from safety_eval.models.injection import encoding
from safety_eval.models.sentences import LONGEST, Vectors
from safety_eval.settings import EvaluatorSettings

_SYLLABLES = ("ba", "re", "mi", "to", "lun", "ser", "da", "kor", "ven", "pal", "ist", "o", "ter", "ma", "ni", "gra")
_TOLERANCE = 0.02
"""Between two ways to one score: the peer on a GPU computes in bfloat16, two to three digits."""
_EMPTY = "-"

Score = Callable[[Sequence[Item]], list[Verdict]]


class Contender(NamedTuple):
    """A detector, and how its model is used without the evaluator: one text after the other."""

    detector: Detector
    peer: Score | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when the two ways to a score disagree."""
    parser = argparse.ArgumentParser(prog="python -m bench.evaluate", description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="generations that are judged (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--devices", default="", help="cpu, cuda or both with a comma (default: those that are there)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on the CPU")
    chosen = parser.parse_args(argv)
    return guarded(lambda: _measure(chosen.size, chosen.rounds, _devices(chosen.devices), chosen.threads))


def _devices(given: str) -> list[str]:
    import torch

    there = [device.CPU, *([device.CUDA] if torch.cuda.is_available() else [])]
    return given.split(",") if given else there


def _measure(size: int, rounds: int, devices: Sequence[str], threads: int) -> str:
    items = texts(size)
    rows, scores = [], {}
    for on in devices:
        for name in loading.DETECTORS:
            if on == device.CUDA and name not in loading.ON_A_DEVICE:
                continue
            contender = _load(name, on, threads)
            scores[name, on] = contender.detector.score(items)
            rows.append(_row(contender, on, items, scores[name, on], rounds))
            del contender
            gc.collect()
    words = sum(len((item.output or "").split()) for item in items) / len(items)
    title = f"Detectors: {python()}, {threads} thread(s), {size} generations, answers of {words:.0f} words on average"
    head = ("detector", "device", "generations/s", "one text at a time", "ahead")
    return f"{title}\n\n{Table(head, rows)}{_between(scores)}"


def _row(one: Contender, on: str, items: Sequence[Item], found: Sequence[Verdict], rounds: int) -> list[str]:
    ways: dict[str, Score] = {"ours": one.detector.score}
    if one.peer is not None:
        _verify(one.detector.name, found, one.peer(items))
        ways["peer"] = one.peer
    seconds = take_turns({name: _timed(way, items) for name, way in ways.items()}, rounds)
    ours = len(items) / seconds["ours"]
    if "peer" not in seconds:
        return [one.detector.name, on, figure(ours), _EMPTY, _EMPTY]
    peer = len(items) / seconds["peer"]
    return [one.detector.name, on, figure(ours), figure(peer), f"{figure(ours / peer)}x"]


def _timed(score: Score, items: Sequence[Item]) -> Callable[[], float]:
    return lambda: wall(lambda: score(items))


def _verify(name: str, ours: Sequence[Verdict], peer: Sequence[Verdict]) -> None:
    if (most := _apart(ours, peer)) > _TOLERANCE:
        raise Unequal(f"{name} differs by {most:.3f} from one text at a time")


def _apart(ours: Sequence[Verdict], others: Sequence[Verdict]) -> float:
    pairs = [(a.score, b.score) for a, b in zip(ours, others, strict=True)]
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)


def _between(scores: dict[tuple[str, str], list[Verdict]]) -> str:
    both = [name for name in loading.DETECTORS if {(name, device.CPU), (name, device.CUDA)} <= scores.keys()]
    lines = [f"{name}: {_apart(scores[name, device.CPU], scores[name, device.CUDA]):.5f}" for name in both]
    return f"\n\nLargest difference of a score between the devices: {', '.join(lines)}" if lines else ""


def texts(size: int) -> list[Item]:
    """Generations of invented words, the same at each run: prompts to 100 words, answers to 120, contexts to 400.

    A prompt fits into one window of 512 tokens: what is longer the package's own scanner would cut.
    """
    rng = random.Random(7)

    def prose(longest: int) -> str:
        words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3))) for _ in range(rng.randint(8, longest))]
        ends = [word + ("." if n % 14 == 13 else "") for n, word in enumerate(words)]
        return " ".join(word.capitalize() if n % 14 == 0 else word for n, word in enumerate(ends))

    return [Item(prose(100), prose(120), tuple(prose(100) for _ in range(4))) for _ in range(size)]


def _load(name: str, on: str, threads: int) -> Contender:
    settings = EvaluatorSettings.model_validate({"device": on, "threads": threads})
    detector = loading.load(name, settings, loading.device_of([name], settings))
    if isinstance(detector, Injection):
        return Contender(detector, _one_prompt_at_a_time(detector, on))
    if isinstance(detector, Groundedness):
        return Contender(detector, _one_sentence_at_a_time(settings, on))
    return Contender(detector, None)


def _one_prompt_at_a_time(detector: Injection, on: str) -> Score:
    """The package's own scanner; its tokenizer is the rebuilt one, so that nothing is unpickled here either."""
    from nanoguard.scanner import NanoGuard
    from nanoguard.tokenizer import Tokenizer

    scanner = NanoGuard.__new__(NanoGuard)
    scanner.device, scanner.threshold = on, 0.5
    scanner.tokenizer = Tokenizer(encoding(detector._model.files[1].read_bytes()))
    scanner.model, scanner.config = detector._model._model, detector._model._model.config
    return lambda items: [Verdict("", scanner.scan(item.prompt or "").injection_score) for item in items]


def _one_sentence_at_a_time(settings: EvaluatorSettings, on: str) -> Score:
    """Plain transformers: one sentence, one forward pass."""
    detector = Groundedness(settings.groundedness, on)
    detector._encoder.encode = _plain(detector._encoder, on)  # type: ignore[method-assign] # the peer's way
    return lambda items: [verdict for item in items for verdict in detector.score([item])]


def _plain(encoder: Any, on: str) -> Callable[[Sequence[str]], Vectors]:
    import torch

    def one(text: str) -> Vectors:
        given = encoder._tokenizer(text, return_tensors="pt", truncation=True, max_length=LONGEST).to(on)
        with torch.inference_mode():
            hidden = encoder._model(**given).last_hidden_state.mean(1)
        vector: Vectors = torch.nn.functional.normalize(hidden, dim=-1).float().cpu().numpy()[0]
        return vector

    return lambda sentences: np.stack([one(text) for text in sentences])


if __name__ == "__main__":
    sys.exit(main())
