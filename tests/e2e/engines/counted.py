"""What the ledger holds after a run, by signal and attributes."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from storage.database import Database
from storage.ledger import cells
from storage.ledger.dictionary import Dictionary
from storage.tables import ledger_row


def of_ledger(database: Database, layer: str | None = None) -> Counter[str]:
    """Sums over sources, buckets, groups and cells, as `requests bad 503` or `selector:…`; of one layer or of all."""
    dictionary = Dictionary()
    sums: Counter[str] = Counter()
    with database.read() as connection:
        blobs = list(connection.execute(select(ledger_row.c.cells)).scalars())
    for blob in blobs:
        for (series_id, _), n in cells.decode(blob).items():
            measure = dictionary.atom(database, series_id).measure
            if layer in (None, measure.layer):
                sums[" ".join((measure.name, *(value for _, value in measure.attrs)))] += n
    return sums
