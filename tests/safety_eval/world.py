"""Samples, and detectors that need no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select

from core.clock import ManualClock
from core.labels import make
from core.measures import Measure
from core.texts import Payload, TextCipher
from safety_eval.detectors.port import Detector, Item, Verdict, by_threshold, not_applicable
from safety_eval.metrics import EvaluatorMetrics
from safety_eval.settings import EvaluatorSettings
from safety_eval.worker import Tools, Worker
from storage import samples
from storage.database import Database
from storage.ledger import cells as codec
from storage.ledger.dictionary import Dictionary
from storage.samples import Sample
from storage.tables import ledger_row, score

START = 1_750_000_000.0
CIPHER = TextCipher(b"k" * 32)
GROUP = make({"model": "m", "version": "v1"})


class Words:
    """Flags answers that hold a word."""

    def __init__(self, word: str = "bad", name: str = "pii", revision: str = "r1") -> None:
        self.name, self.revision, self._word = name, revision, word

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        return [
            by_threshold(float(self._word in item.output), 0.5) if item.output else not_applicable("no answer")
            for item in items
        ]


class Fails:
    """A model that cannot take some texts."""

    name, revision = "injection", "r9"

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        if any("boom" in (item.output or "") for item in items):
            raise RuntimeError("boom")
        return [by_threshold(0.0, 0.5) for _ in items]


def sealed(n: int, output: str | None, at: float = START, stratum: str = "all", ttl: float = 3600.0) -> Sample:
    """A drawn generation that waits."""
    ids = f"{n:032x}", f"{n:016x}"
    text = None if output is None else CIPHER.seal(ids, Payload("a prompt", output))
    return Sample(*ids, at, START, START + ttl, GROUP, stratum, 0.5, text)


def put(db: Database, *found: Sample) -> None:
    with db.write() as connection:
        samples.put(connection, found)


def worker(
    db: Database,
    clock: ManualClock,
    holder: str = "one",
    detectors: Sequence[Detector] = (),
    cipher: TextCipher = CIPHER,
    batch: int = 16,
) -> Worker:
    tools = Tools(db, cipher, clock, EvaluatorMetrics())
    return Worker(tools, EvaluatorSettings(batch=batch), detectors or [Words()], holder, 2000)


def counted(db: Database) -> Counter[tuple[str, ...]]:
    """What the ledger says: (detector, revision, stratum, verdict) → n, over all rows."""
    result: Counter[tuple[str, ...]] = Counter()
    dictionary = Dictionary()
    with db.read() as connection:
        blobs = [row.cells for row in connection.execute(select(ledger_row.c.cells))]
    for blob in blobs:
        for (series, _), n in codec.decode(blob).items():
            result[key_of(dictionary.atom(db, series).measure)] += n
    return result


def key_of(measure: Measure) -> tuple[str, ...]:
    assert (measure.name, measure.layer) == ("judged", "client")
    attrs = dict(measure.attrs)
    return tuple(attrs[name] for name in ("detector", "revision", "stratum", "verdict"))


def scored(db: Database) -> Counter[tuple[str, ...]]:
    """What the table of scores says, in the same form."""
    with db.read() as connection:
        rows = connection.execute(select(score.c.detector, score.c.revision, score.c.stratum, score.c.verdict)).all()
    return Counter(tuple(row) for row in rows)
