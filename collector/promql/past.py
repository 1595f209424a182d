"""A selector that is new in the plan counts from what the server still has, as far back as it is read.

As in `collector.backfill`: the past goes under sources of its own, and the live counters go on from its last values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from collector.committing import begin, commit, settle
from collector.counting import SourceCounter
from collector.promql.members import Members
from collector.promql.pages import Address, Span, TargetPage
from collector.target import Counting, TargetReader
from storage.database import Database
from storage.ledger import rows
from storage.ledger.dictionary import Dictionary
from storage.plan import MeasurePlan, SelectorMeasure


@dataclass
class PastCount:
    """Counts the past of added selectors at every target of a server; nothing is committed before `commit`."""

    database: Database
    members: Members
    added: Sequence[SelectorMeasure]
    revision: int
    _readers: dict[Address, TargetReader] = field(default_factory=dict)

    def feed(self, spans: Iterable[Span], now: float) -> None:
        """Count the pages of some targets."""
        for span in spans:
            for page in span.pages:
                if page.page is not None:
                    self._feed(page, span.interval, now)

    def commit(self, dictionary: Dictionary, now: float) -> None:
        """Write what was counted, and let the live counters go on from it."""
        counters = {self._key(address): reader.counter for address, reader in self._readers.items()}
        pending = begin(counters)
        settle(pending, commit(self.database, dictionary, pending, now, lambda _: None))
        for address, reader in self._readers.items():
            member, state = self.members.alive.get(address), reader.counter.state
            if member is not None and state is not None:
                member.counter.go_on_from(state.every())

    def _feed(self, page: TargetPage, interval: float | None, now: float) -> None:
        assert page.page is not None
        reader = self._readers.get(page.address) or self._open(page)
        counter = reader.counter
        if interval is not None:
            counter.interval = interval
        if counter.state is None or page.time > counter.state.time:
            reader.recount(page.labels, reader.counting)
            reader.page(page.page, page.time, now)

    def _open(self, page: TargetPage) -> TargetReader:
        checkpoint = rows.open_source(self.database, "recent", self._key(page.address), page.time)
        member = self.members.alive.get(page.address)
        watched, interval = (
            (page.time, 60.0) if member is None else (member.health.watched_since, member.health.interval)
        )
        counter = SourceCounter(checkpoint, interval, watched)
        counter.discovered(page.time)
        counting = Counting((), MeasurePlan(revision=self.revision, selectors=tuple(self.added)), signals=False)
        reader = TargetReader(counter, page.labels, counting)
        self._readers[page.address] = reader
        return reader

    def _key(self, address: Address) -> str:
        return f"{self.members.key(address)} plan {self.revision}"
