"""Scores answers from a file into a file: one JSON object a line, in order, flushed, and continued after a stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from core.errors import ConfigError, Place
from safety_eval import engine, loading
from safety_eval.detectors.port import Detector, Item, Verdict
from safety_eval.detectors.unavailable import Unavailable
from safety_eval.settings import EvaluatorSettings


class Progress(Protocol):
    """Where a run says how far it is."""

    def at(self, place: int, scored: int) -> None:
        """`place` bytes of the input are done."""
        ...

    def say(self, text: str) -> None:
        """A line for people."""
        ...


class Job(NamedTuple):
    """What is to be done. `done`: ids that the output holds; `keep`: its bytes up to the last whole line."""

    input: Path
    output: Path
    size: int
    done: frozenset[str]
    keep: int


class Line(NamedTuple):
    """A line that can be scored; `end`: bytes of the input up to its end."""

    id: str
    item: Item
    end: int


class Bad(NamedTuple):
    """A line that cannot, and why."""

    number: int
    reason: str


@dataclass
class Outcome:
    """What became of a run."""

    scored: int = 0
    skipped: int = 0
    bad: int = 0
    unavailable: dict[str, str] = field(default_factory=dict)


def plan(input_: Path, output: Path) -> Job:
    """Look at both files; ConfigError where they cannot be used. Writes nothing."""
    if not input_.is_file():
        raise ConfigError("there is no such file", Place(str(input_), 0))
    if output.exists() and (not output.is_file() or output.samefile(input_)):
        raise ConfigError("the output must be another file than the input", Place(str(output), 0))
    if not output.absolute().parent.is_dir():
        raise ConfigError("its folder does not exist", Place(str(output), 0))
    done, keep = _finished(output)
    return Job(input_, output, input_.stat().st_size, done, keep)


def run(job: Job, names: Sequence[str] | None, settings: EvaluatorSettings, progress: Progress) -> Outcome:
    """Score every line that is not done yet. Bad lines are said with their number, and the rest goes on."""
    wanted = list(names) if names else loading.enabled(settings)
    on = loading.device_of(wanted, settings)
    detectors = [loading.load(name, settings, on) for name in wanted]
    outcome = Outcome(unavailable={one.name: one.reason for one in detectors if isinstance(one, Unavailable)})
    with job.output.open("ab") as out:
        out.truncate(job.keep)
        for batch in _batches(_fresh(job, outcome, progress), settings.batch):
            for line, verdicts in zip(batch, _score(detectors, batch), strict=True):
                out.write(orjson.dumps({"id": line.id, "scores": verdicts}) + b"\n")
                out.flush()
            outcome.scored += len(batch)
            progress.at(batch[-1].end, outcome.scored)
    progress.at(job.size, outcome.scored)
    return outcome


def parse(data: bytes) -> tuple[str, Item] | str:
    """A line's id and item, or why it cannot be scored."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}"
    if not isinstance(value, dict):
        return "not a JSON object"
    id_, prompt, output, context = (value.get(name) for name in ("id", "prompt", "output", "context"))
    if not isinstance(id_, str) or not id_:
        return "id must be a text"
    if not isinstance(output, str):
        return "output must be a text"
    if prompt is not None and not isinstance(prompt, str):
        return "prompt must be a text"
    if context is not None and not (isinstance(context, list) and all(isinstance(one, str) for one in context)):
        return "context must be a list of texts"
    return id_, Item(prompt, output, tuple(context or ()))


def _fresh(job: Job, outcome: Outcome, progress: Progress) -> Iterator[Line]:
    """Lines to score; counts those that are done or bad."""
    for found in _lines(job.input):
        if isinstance(found, Bad):
            outcome.bad += 1
            progress.say(f"{job.input}:{found.number}: {found.reason}")
        elif found.id in job.done:
            outcome.skipped += 1
        else:
            yield found


def _lines(path: Path) -> Iterator[Line | Bad]:
    first: dict[str, int] = {}
    end = 0
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            end += len(data)
            if not data.strip():
                continue
            found = parse(data)
            if isinstance(found, str):
                yield Bad(number, found)
            elif found[0] in first:
                yield Bad(number, f"the id {found[0]!r} was already in line {first[found[0]]}")
            else:
                first[found[0]] = number
                yield Line(*found, end)


def _batches(lines: Iterator[Line], size: int) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _score(detectors: Sequence[Detector], batch: Sequence[Line]) -> list[dict[str, Any]]:
    found = engine.score(detectors, [line.item for line in batch], lambda _name, _seconds: None)
    return [
        {one.name: _shown(found[one.name][place], one.revision) for one in detectors} for place in range(len(batch))
    ]


def _shown(verdict: Verdict, revision: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"score": verdict.score, "label": verdict.label, "revision": revision}
    if verdict.reason:
        shown["reason"] = verdict.reason
    if verdict.spans:
        shown["spans"] = [span._asdict() for span in verdict.spans]
    if verdict.parts:
        shown["parts"] = {name: round(value, 4) for name, value in verdict.parts.items()}
    return shown


def _finished(output: Path) -> tuple[frozenset[str], int]:
    """Ids of the whole lines of an output, and the bytes that they take: a last line without its end is torn."""
    if not output.exists():
        return frozenset(), 0
    ids: set[str] = set()
    keep = 0
    with output.open("rb") as file:
        for number, data in enumerate(file, 1):
            if not data.endswith(b"\n"):
                break
            ids.add(_id_of(data, Place(str(output), number)))
            keep += len(data)
    return frozenset(ids), keep


def _id_of(data: bytes, place: Place) -> str:
    try:
        return str(orjson.loads(data)["id"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise ConfigError("this is no line of scores; give another output, or remove the file", place) from None
