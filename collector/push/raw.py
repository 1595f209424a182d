"""The pushed samples in the recent series, as they came: for the debug pages, and for selectors that are new."""

from __future__ import annotations

import logging
from contextlib import suppress

from collector.push.assembly import Settled
from collector.push.pages import SINCE
from core.errors import StorageError
from storage.series import SeriesWriter

log = logging.getLogger(__name__)


def store(writer: SeriesWriter, page: Settled) -> None:
    """One page; series that end on it are forgotten. Not of one that tells what was added: no total stands on it."""
    if any(one.name == SINCE for one in page.values):
        return
    present = [(one, value) for one, value in page.values.items() if value is not None]
    ended = [writer.ref(one.labels) for one, value in page.values.items() if value is None]
    with suppress(ValueError):  # a time that no file holds
        writer.add(page.time, [writer.ref(one.labels) for one, _ in present], [value for _, value in present])
        writer.add_stale(page.time, ended)
    writer.forget(ended)


def flush(writer: SeriesWriter) -> int:
    """Write what is due; how many samples were given up."""
    before = writer.stats.samples_dropped
    if writer.due():
        try:
            writer.flush()
        except StorageError as error:
            log.warning("raw samples were given up: %s", error)
    return writer.stats.samples_dropped - before
