"""The targets of one server: each with its counter and its health, fed page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from collector.conditions import Conditions, Seen
from collector.counting import Outcome, SourceCounter
from collector.health import succeeded
from collector.promql.pages import Address, Span, TargetPage
from collector.target import Counting, TargetReader
from core.errors import ScrapeError
from core.labels import Labels
from storage import fleet
from storage.database import Database
from storage.fleet import TargetHealth
from storage.ledger import rows

LATE = 2
"""Intervals without a page after which a target's time counts as expected, and nobody waits for it any more."""
GONE = 300.0
"""A target without `up` that says nothing for this long has left: Prometheus's own lookback."""
_DEFAULT_INTERVAL = 60.0


@dataclass
class Member:
    """One target. `attempted`: up to when it is settled, by a page or a miss (Unix seconds).

    `scraped`: its labels are those of its `up`.
    """

    address: Address
    reader: TargetReader
    health: TargetHealth
    attempted: float
    scraped: bool
    _conditions: Conditions = field(default_factory=Conditions)

    @property
    def counter(self) -> SourceCounter:
        """What counts it."""
        return self.reader.counter

    @property
    def last_page(self) -> float:
        """The time of the last page that is counted; 0 before the first."""
        return self.counter.state.time if self.counter.state is not None else 0.0

    def feed(self, page: TargetPage, counting: Counting, now: float) -> None:
        """Count one page."""
        self.reader.recount(page.labels, counting)
        self.health.labels = dict(page.labels)
        self.attempted = max(self.attempted, page.time)
        if page.page is not None:
            outcome = self.reader.page(page.page, page.time, now, page.since)
            self.health.samples = len(page.page.values)
            succeeded(self.health, self.reader, outcome, page.time, self._odd(outcome, page.time))
            return
        self.counter.miss(page.time, now)
        self.health.up, self.health.last_scrape_at = False, page.time
        self._failed("scrape", "the server could not scrape the target: up is 0")

    def _odd(self, outcome: Outcome, time: float) -> list[str]:
        """What is odd about the page; a server does not tell types, nor what stood on it twice."""
        layout = self.reader.layout
        if layout is None:
            return []
        return self._conditions.look(Seen(layout, outcome, {}, 0, self.reader.unread, None), time)

    def miss(self, time: float, now: float, error: ScrapeError | None) -> None:
        """Nothing is known of it up to a time; `error` is the server's, None where it answered without a page."""
        self.attempted = max(self.attempted, time)
        self.counter.miss(time, now)
        if error is not None:
            self._failed("source", f"the server was not read: {error.reason}: {error}")
        else:
            self._failed("silent", "there is no newer sample of the target")

    def told(self, labels: Labels) -> None:
        """`up` tells its labels. Where only `job` and `instance` were known, series were named with the others: those
        names are new now, and not born."""
        state = self.counter.state
        if not self.scraped and state is not None and _more_than_address(labels):
            self.counter.state = state._replace(complete=False)
        self.scraped = True

    def is_gone(self, through: float, *, present: bool) -> bool:
        """Whether it has left, as of an answer up to `through`; `present`: the server has its `up`."""
        interval = self.counter.interval
        patience = interval if self.scraped else max(GONE, LATE * interval)
        return not present and through - (self.last_page or self.attempted) > patience

    def _failed(self, reason: str, text: str) -> None:
        self.health.error_reason, self.health.error = reason, text


@dataclass
class Members:
    """All targets of one server. `prefix` stands before their addresses in the keys of their sources."""

    database: Database
    shard: str
    prefix: str
    counting: Counting
    gpu_microdollars_per_hour: float = 0.0
    alive: dict[Address, Member] = field(default_factory=dict)
    leaving: list[Member] = field(default_factory=list)
    _past: dict[str, TargetHealth] = field(default_factory=dict)
    _watched: dict[str, float] = field(default_factory=dict)

    def restore(self, now: float) -> None:
        """Go on with the targets that an earlier process had."""
        known = [one for one in fleet.targets(self.database, with_left=True) if one.shard == self.shard]
        self._past = {one.url: one for one in known}
        for one in known:
            self._watched[one.job] = min(one.watched_since, self._watched.get(one.job, one.watched_since))
        for one in known:
            if one.left_at is None:
                address = Address(one.labels.get("instance", ""), one.job)
                self._open(address, tuple(sorted(one.labels.items())), now)

    def labels(self) -> dict[Address, Labels]:
        """The labels of the targets whose `up` was seen."""
        return {one.address: one.reader.labels for one in self.alive.values() if one.scraped}

    def feed(self, spans: Iterable[Span], now: float) -> int:
        """Count the pages of all targets in the order of their times, each once; how many samples they had."""
        by_address = {span.address: span for span in spans}
        samples = 0
        for page in sorted((p for span in by_address.values() for p in span.pages), key=lambda page: page.time):
            member = self._member(page, by_address[page.address])
            if page.time > member.last_page:
                member.feed(page, self.counting, now)
                samples += len(page.page.values) if page.page is not None else 0
        return samples

    def settle(self, through: float, present: Collection[Address], now: float) -> None:
        """Everything up to `through` was answered: targets that said nothing are late, and those that the server has no
        more have left."""
        for member in list(self.alive.values()):
            if member.is_gone(through, present=member.address in present):
                self.leave(member)
            elif through - member.attempted > LATE * member.counter.interval:
                member.miss(through, now, None)

    def unanswered(self, through: float, error: ScrapeError, now: float) -> None:
        """The time up to `through` was not answered: it was expected and is not covered."""
        for member in self.alive.values():
            member.miss(through, now, error)

    def leave(self, member: Member) -> None:
        """The target is not expected any more, from when it was last settled on."""
        del self.alive[member.address]
        member.counter.left(member.attempted)
        member.health.left_at = member.attempted
        self.leaving.append(member)

    def departed(self, told: Collection[str]) -> None:
        """The departures of these (by source key) are in the database."""
        for one in self.leaving:
            self._past[one.health.url] = one.health
        self.leaving = [one for one in self.leaving if one.health.url not in told]

    def last_told(self, address: Address) -> float:
        """The time of the last page of a target that is there, or that left (Unix seconds); 0 of one that is new."""
        member, past = self.alive.get(address), self._past.get(self.key(address))
        return member.last_page if member is not None else (past.last_scrape_at or 0.0) if past is not None else 0.0

    def key(self, address: Address) -> str:
        """The key of a target's source, and its URL among all targets."""
        return f"{self.prefix}:{address.instance}/{address.job}"

    def everyone(self) -> list[Member]:
        """Those that are there, and those whose departure is not told yet."""
        return [*self.leaving, *self.alive.values()]

    def settled_through(self, through: float) -> float:
        """Up to when every target is settled."""
        return min((min(one.attempted, through) for one in self.alive.values()), default=through)

    def longest_interval(self) -> float:
        """The longest time between two pages of a target."""
        return max((one.counter.interval for one in self.alive.values()), default=0.0)

    def _member(self, page: TargetPage, span: Span) -> Member:
        member = self.alive.get(page.address) or self._join(page)
        if span.interval is not None:
            member.counter.interval = member.health.interval = span.interval
        if span.scraped:
            member.told(page.labels)
        return member

    def _join(self, page: TargetPage) -> Member:
        self._watched.setdefault(page.address.job, page.time)
        back = next((one for one in self.leaving if one.address == page.address), None)
        if back is None:
            return self._open(page.address, page.labels, page.time)
        self.leaving.remove(back)
        back.health.left_at = None
        back.counter.discovered(max(page.time, back.attempted))
        self.alive[page.address] = back
        return back

    def _open(self, address: Address, labels: Labels, time: float) -> Member:
        url = self.key(address)
        watched = self._watched[address.job]
        known = self._past.pop(url, None)
        health = known or TargetHealth(url, self.shard, address.job, dict(labels), _DEFAULT_INTERVAL, watched)
        checkpoint = rows.open_source(self.database, "target", url, time)
        counter = SourceCounter(checkpoint, health.interval, watched, self.gpu_microdollars_per_hour)
        since = counter.expected_until
        counter.discovered(max(time, counter.covered_until or time))
        reader = TargetReader(counter, labels, self.counting)
        own = replace(health, left_at=None, groups=health.groups or [dict(group) for group in reader.groups()])
        member = Member(address, reader, own, min(since or time, time), _more_than_address(labels))
        self.alive[address] = member
        return member


def _more_than_address(labels: Labels) -> bool:
    return any(name not in ("job", "instance") for name, _ in labels)
