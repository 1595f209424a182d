"""A selector that is new in the plan counts what the recent series hold of the pushed targets, as of scraped ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from collector.backfill import count_past
from collector.committing import begin, commit, settle
from collector.promql.members import Members
from storage.database import Database
from storage.ledger.dictionary import Dictionary
from storage.plan import SelectorMeasure
from storage.series import SeriesReader

log = logging.getLogger(__name__)


def count_added(
    database: Database,
    reader: SeriesReader,
    members: Members,
    added: Sequence[SelectorMeasure],
    revision: int,
    dictionary: Dictionary,
    now: float,
) -> None:
    """Commit the past of the added selectors, and let the live counters go on from it."""
    found = [
        (member, past)
        for member in members.alive.values()
        if (past := count_past(database, reader, member.reader, member.health.url, added, revision, now)) is not None
    ]
    pending = begin({past.key: past.counter for _, past in found})
    settle(pending, commit(database, dictionary, pending, now, lambda _: None))
    for member, past in found:
        member.counter.go_on_from(past.values)
    log.info("plan %d: counted the past of %d selectors at %d pushed targets", revision, len(added), len(found))
