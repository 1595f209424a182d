"""The truth about a demo fleet: each replica writes down what it counts, in the step in which its page changes.

A file a replica, `journal/<replica>.jsonl`, a JSON object a line:

    start    a process began: replica, version, region, run, process_start
    request  a request was counted: when, how it ended, and each value that the page's histograms took
    refused  an HTTP request was answered without reaching the engine: handler, method, status
    effects  the scenario changed the conditions
    scrape   a metrics page was written out whole; it showed the first `upto` request lines of the run
    end      the process is gone (written by the supervisor): exit code, negative for a signal

Lines are written at once and unbuffered: after a kill -9 every request that a page could have shown is there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from burnline.demo.engine import Finished, Outcome
from burnline.demo.families import ITL, REQUEST_TIME, TTFT
from core.histogram import Bounds, cell_of


class RequestLine(NamedTuple):
    """A counted request. `time` is Unix time, the rest simulated seconds; `status` is None when the client had gone."""

    time: float
    id: int
    outcome: Outcome
    status: int | None
    ttft: float | None
    queue: float
    prefill: float | None
    decode: float | None
    e2e: float
    prompt_tokens: int
    generated_tokens: int
    max_tokens: int
    itl_cells: list[int]
    itl_sum: float
    preemptions: int

    @classmethod
    def of(cls, time: float, finished: Finished, status: int | None, max_tokens: int) -> RequestLine:
        """The line for a request that the engine has just finished."""
        return cls(time=time, status=status, max_tokens=max_tokens, **finished._asdict())


class ScrapeLine(NamedTuple):
    """A page that was written out whole: it was rendered at `time` and held the first `upto` requests."""

    time: float
    upto: int


class RefusedLine(NamedTuple):
    """An HTTP request that never reached the engine."""

    time: float
    handler: str
    method: str
    status: int


@dataclass
class Run:
    """One process of a replica, from start to end."""

    replica: str
    version: str
    region: str
    run: str
    process_start: float
    requests: list[RequestLine] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    scrapes: list[ScrapeLine] = field(default_factory=list)
    ended: bool = False

    @property
    def scraped_upto(self) -> int:
        """How many of the requests some scrape has seen."""
        return max((scrape.upto for scrape in self.scrapes), default=0)


@dataclass(frozen=True)
class Totals:
    """Sums over requests. Histograms are non-cumulative cells over the bounds of the page's families."""

    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    prompt_tokens: int = 0
    generated_tokens: int = 0
    ttft: tuple[int, ...] = (0,) * (len(TTFT) + 1)
    itl: tuple[int, ...] = (0,) * (len(ITL) + 1)
    queue: tuple[int, ...] = (0,) * (len(REQUEST_TIME) + 1)
    e2e: tuple[int, ...] = (0,) * (len(REQUEST_TIME) + 1)

    @property
    def requests(self) -> int:
        return self.outcomes.total()

    @classmethod
    def of(cls, requests: Iterable[RequestLine]) -> Totals:
        lines = list(requests)
        return cls(
            outcomes=Counter(line.outcome.value for line in lines),
            statuses=Counter(line.status for line in lines if line.status is not None),
            prompt_tokens=sum(line.prompt_tokens for line in lines),
            generated_tokens=sum(line.generated_tokens for line in lines),
            ttft=_cells(TTFT, (line.ttft for line in lines)),
            itl=tuple(map(sum, zip(*(line.itl_cells for line in lines), strict=True))) if lines else cls.itl,
            queue=_cells(REQUEST_TIME, (line.queue for line in lines)),
            e2e=_cells(REQUEST_TIME, (line.e2e for line in lines)),
        )


class Part(Enum):
    """Which requests of a run: `UNSCRAPED` ended after the last scrape of a run that is over, so no scraper saw them.

    In a run that goes on, the requests after the last scrape belong to `ALL` only: a scrape may still see them.
    """

    ALL = "all"
    SCRAPED = "scraped"
    UNSCRAPED = "unscraped"


@dataclass(frozen=True)
class Journal:
    """All runs of all replicas, by replica and start."""

    runs: tuple[Run, ...]

    def totals(self, *by: str, part: Part = Part.ALL) -> dict[tuple[str, ...], Totals]:
        """Sums by any of `replica`, `version`, `region` and `run`: {(value, ...): Totals}; by none, {(): Totals}."""
        grouped: dict[tuple[str, ...], list[RequestLine]] = {} if by else {(): []}
        for run in self.runs:
            key = tuple(str(getattr(run, name)) for name in by)
            grouped.setdefault(key, []).extend(_requests(run, part))
        return {key: Totals.of(lines) for key, lines in grouped.items()}

    @property
    def total(self) -> Totals:
        return self.totals()[()]

    @property
    def scraped(self) -> Totals:
        return self.totals(part=Part.SCRAPED)[()]

    @property
    def unscraped(self) -> Totals:
        return self.totals(part=Part.UNSCRAPED)[()]


def read(directory: Path) -> Journal:
    """The journal below a demo's directory; an unfinished last line (the disk was full) is left out."""
    files = sorted((Path(directory) / "journal").glob("*.jsonl"))
    return Journal(tuple(run for file in files for run in _runs(file)))


class Writer:
    """Appends the lines of one run; each call is one write, so a line is there whole or not at all."""

    def __init__(self, directory: Path, replica: str) -> None:
        path = journal_path(directory, replica)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def start(self, run: Run) -> None:
        """A process begins. The empty line before parts this from a line that a full disk cut short."""
        self._append("start", _identity(run), before=b"\n")

    def request(self, line: RequestLine) -> None:
        self._append("request", line._asdict())

    def refused(self, line: RefusedLine) -> None:
        self._append("refused", line._asdict())

    def scrape(self, line: ScrapeLine) -> None:
        self._append("scrape", line._asdict())

    def effects(self, time: float, effects: dict[str, Any]) -> None:
        self._append("effects", {"time": time, **effects})

    def end(self, time: float, exit_code: int) -> None:
        """The process is gone; for whoever waits for it, once it cannot write any more."""
        self._append("end", {"time": time, "exit_code": exit_code}, before=b"\n")

    def close(self) -> None:
        os.close(self._file)

    def _append(self, kind: str, fields: dict[str, Any], before: bytes = b"") -> None:
        line = before + orjson.dumps({"kind": kind, **fields}) + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError(f"the journal line {kind} was cut short: the disk is full")


def journal_path(directory: Path, replica: str) -> Path:
    """Where a replica's journal is."""
    return directory / "journal" / f"{replica}.jsonl"


def _identity(run: Run) -> dict[str, Any]:
    return {
        "replica": run.replica,
        "version": run.version,
        "region": run.region,
        "run": run.run,
        "process_start": run.process_start,
    }


def _runs(file: Path) -> Iterator[Run]:
    run: Run | None = None
    for entry in _entries(file):
        kind = entry.pop("kind")
        if kind == "start":
            if run is not None:
                run.ended = True
                yield run
            run = Run(**entry)
        elif run is not None:
            _take(run, kind, entry)
    if run is not None:
        yield run


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_bytes().split(b"\n"):
        if not line:
            continue
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            continue


def _take(run: Run, kind: str, entry: dict[str, Any]) -> None:
    if kind == "request":
        run.requests.append(RequestLine(**entry | {"outcome": Outcome(entry["outcome"])}))
    elif kind == "scrape":
        run.scrapes.append(ScrapeLine(**entry))
    elif kind == "refused":
        run.refused.append(RefusedLine(**entry))
    elif kind == "end":
        run.ended = True


def _requests(run: Run, part: Part) -> list[RequestLine]:
    if part is Part.ALL:
        return run.requests
    if part is Part.SCRAPED:
        return run.requests[: run.scraped_upto]
    return run.requests[run.scraped_upto :] if run.ended else []


def _cells(bounds: Bounds, values: Iterable[float | None]) -> tuple[int, ...]:
    cells = [0] * (len(bounds) + 1)
    for value in values:
        if value is not None:
            cells[cell_of(bounds, value)] += 1
    return tuple(cells)
