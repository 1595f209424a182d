"""Verdicts on the slices of SLOs that were never in force, for whoever looks back: they are made, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.buckets import MINUTES, TIERS, start_of
from slo_engine.specs.model import Slo
from slo_engine.timeslices.round import definitions_of, ends_of, verdicts
from slo_engine.timeslices.tally import Tally
from storage.ledger import cells as cells_codec
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, RowKey

Buckets = Sequence[tuple[RowKey, Cells]]


def with_verdicts(buckets: Buckets, slos: Iterable[Slo], layers: Mapping[str, str], atoms: dict[int, Atom]) -> Buckets:
    """The buckets with the verdicts that their minutes give; `atoms` learns the series that are added.

    Slices that the ledger has already are left as they are.
    """
    known = {atom.measure.name for atom in atoms.values()}
    fresh = [one for one in definitions_of(slos, layers) if one.name not in known]
    if not fresh:
        return buckets
    tally = Tally([one.formula for one in fresh], atoms.__getitem__)
    minutes = {key.bucket: tally.of(cells) for key, cells in buckets if key.width == MINUTES.width}
    newest = max(minutes, default=0)
    added: dict[RowKey, Cells] = {}
    for last in sorted(ends_of(fresh, minutes)):
        if last <= newest:
            _add(verdicts(fresh, minutes, last), last, atoms, added)
    held = dict(buckets)
    return [(key, cells_codec.total((held.get(key, {}), added.get(key, {})))) for key in sorted(held.keys() | added)]


def _add(content: AtomCells, last: int, atoms: dict[int, Atom], into: dict[RowKey, Cells]) -> None:
    """Put a minute's verdicts into its bucket of every width."""
    ids = {atom: series_id for series_id, atom in atoms.items() if atom.measure.name.startswith("timeslices:")}
    for (atom, cell), n in content.items():
        series_id = ids.get(atom)
        if series_id is None:
            series_id = ids[atom] = max(atoms, default=0) + 1
            atoms[series_id] = atom
        for tier in TIERS:
            cells = into.setdefault(RowKey(tier.width, start_of(last, tier.width)), {})
            cells[series_id, cell] = cells.get((series_id, cell), 0) + n
