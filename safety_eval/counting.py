"""Verdicts as counts: one ledger source for each detector, revision and stratum; absolute rows, compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from core.buckets import MINUTES, start_of, tier_of_age
from core.errors import StorageBusy, StorageError
from core.labels import make
from core.measures import Measure
from storage import kept_texts, samples, scores
from storage.database import Database
from storage.kept_texts import KeptText
from storage.ledger import rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush
from storage.scores import Score

KIND = "evaluation"
_ATTEMPTS = 20
"""Each attempt that is overtaken is another evaluator's success: with twenty in a row, something else is wrong."""

Rows = dict[RowKey, AtomCells]


class Judged(NamedTuple):
    """All that is written of a sample: its verdicts, and what stays of its text. `fate`: what became of the text, empty
    where there was none."""

    scores: Sequence[Score]
    kept: KeptText | None = None
    fate: str = ""


class _Overtaken(Exception):
    """Another evaluator committed rows of the same source first."""


def source_key(score: Score) -> str:
    """Of the source that counts a verdict."""
    return f"{KIND}:{score.detector}@{score.revision}/{score.stratum}"


def measure(score: Score) -> Measure:
    """The atom of a verdict."""
    attrs = {
        "detector": score.detector,
        "revision": score.revision,
        "stratum": score.stratum,
        "verdict": score.verdict,
    }
    return Measure("judged", "client", make(attrs))


def row_of(at: float, now: float) -> RowKey:
    """The bucket of an event, in the finest tier that still holds it."""
    minute = start_of(at, MINUTES.width)
    width = tier_of_age(minute + MINUTES.width, now).width
    return RowKey(width, start_of(at, width))


def tally(found: Iterable[Score], now: float) -> dict[str, Rows]:
    """What verdicts add, by source and row."""
    result: dict[str, Rows] = {}
    for score in found:
        cells = result.setdefault(source_key(score), {}).setdefault(row_of(score.at, now), {})
        key = Atom(measure(score), score.group), 0
        cells[key] = cells.get(key, 0) + 1
    return result


class Counter:
    """Commits verdicts with their counts; knows the checkpoints of the sources that this process has written."""

    def __init__(self, database: Database, holder: str, group_cap: int) -> None:
        self._db = database
        self._holder = holder
        self._dictionary = Dictionary(group_cap)
        self._marks: dict[str, Checkpoint] = {}

    def commit(self, verdicts: Mapping[int, Judged], now: float) -> set[int]:
        """Write the verdicts of samples (by id) that are still held and delete those samples, in one transaction.

        Returns the ids that were; StorageError when nothing was written.
        """
        added = tally((score for found in verdicts.values() for score in found.scores), now)
        for _ in range(_ATTEMPTS):
            before = {key: self._before(key, touched, now) for key, touched in added.items()}
            try:
                return self._write(verdicts, before, now)
            except _Overtaken:
                continue
        raise StorageBusy(f"other evaluators committed first, {_ATTEMPTS} times in a row")

    def _before(self, key: str, touched: Iterable[RowKey], now: float) -> Rows:
        """The rows as they are; whoever changes them until the commit also moves the checkpoint."""
        if key not in self._marks:
            self._marks[key] = rows.open_source(self._db, KIND, key, now)
        return rows.load_rows(self._db, self._dictionary, self._marks[key].source_id, touched)

    def _write(self, verdicts: Mapping[int, Judged], before: Mapping[str, Rows], now: float) -> set[int]:
        try:
            with self._db.write() as connection:
                held, won, resolved = self._write_in(connection, verdicts, before, now)
        except (StorageError, _Overtaken):
            self._dictionary.forget()
            self._marks.clear()
            raise
        self._dictionary.keep(resolved)
        self._marks.update(won)
        return held

    def _write_in(
        self, connection: Connection, verdicts: Mapping[int, Judged], before: Mapping[str, Rows], now: float
    ) -> tuple[set[int], dict[str, Checkpoint], dict[Atom, int]]:
        rows.next_rev(connection)  # its lock comes first everywhere: so nobody waits in a circle for a sample's lock
        held = samples.finish(connection, self._holder, verdicts)
        kept_texts.put(connection, [kept for id_ in sorted(held) if (kept := verdicts[id_].kept)])
        found = [score for id_ in sorted(held) for score in verdicts[id_].scores]
        if not found:
            return held, {}, {}
        scores.put(connection, found)
        added = tally(found, now)
        flushes = [SourceFlush(self._marks[key], b"", _sum(before[key], added[key])) for key in sorted(added)]
        won, lost, resolved = rows.commit_in(connection, self._dictionary, flushes, now)
        if lost:
            raise _Overtaken
        return held, {key: won[self._marks[key].source_id] for key in added}, resolved


def _sum(before: Rows, added: Rows) -> Rows:
    """The whole content of the rows that are touched."""
    result = {}
    for row, cells in added.items():
        content = dict(before.get(row, {}))
        for key, n in cells.items():
            content[key] = content.get(key, 0) + n
        result[row] = content
    return result
