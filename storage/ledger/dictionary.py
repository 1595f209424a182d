"""Series ids of the ledger: one for each (measure, group), with a cap on the groups of a measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from sqlalchemy import Connection, insert, select

from core.measures import OTHER, Group, Measure, group_from_key, group_key
from storage.database import Database
from storage.tables import ledger_measure, ledger_series

DEFAULT_CAP = 2000


class Atom:
    """A measure in a group: what one series id stands for. There is one object for each, so that the counts of every
    scrape are looked up by identity."""

    __slots__ = ("group", "measure")
    _every: ClassVar[dict[tuple[Measure, Group], Atom]] = {}
    measure: Measure
    group: Group

    def __new__(cls, measure: Measure, group: Group) -> Atom:
        """The one object; those that were asked for stay, as the ledger's series do."""
        found = cls._every.get((measure, group))
        if found is None:
            fresh = super().__new__(cls)
            fresh.measure, fresh.group = measure, group
            found = cls._every.setdefault((measure, group), fresh)  # two threads may ask at once
        return found

    def __repr__(self) -> str:
        return f"Atom({self.measure!r}, {self.group!r})"


class Dictionary:
    """Caches ids both ways. Ids made inside a transaction enter the cache only by `keep`, after its commit."""

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._cap = cap
        self._ids: dict[Atom, int] = {}
        self._atoms: dict[int, Atom] = {}
        self._measures: dict[Measure, int] = {}
        self._groups: dict[int, int] = {}
        self.capped: set[str] = set()

    def resolve(self, connection: Connection, atoms: Iterable[Atom]) -> dict[Atom, int]:
        """Ids of atoms, made where they are new; a group beyond the cap resolves to `__other__`."""
        wanted = set(atoms)
        missing = [atom for atom in wanted if atom not in self._ids]
        if missing:
            self._read(connection)
        fresh: dict[Atom, int] = {}
        for atom in sorted(missing, key=lambda a: (a.measure.key(), a.group)):
            fresh[atom] = self._ids.get(atom) or self._make(connection, atom, fresh)
        return {atom: fresh.get(atom) or self._ids[atom] for atom in wanted}

    def keep(self, resolved: Mapping[Atom, int]) -> None:
        """Remember ids once the transaction that made them has committed (lumped groups are remembered too)."""
        self._ids.update(resolved)

    def forget(self) -> None:
        """Drop what was cached: a transaction that may have made ids was rolled back."""
        for cache in (self._ids, self._atoms, self._measures, self._groups):
            cache.clear()

    def atom(self, database: Database, series_id: int) -> Atom:
        """What an id stands for."""
        if series_id not in self._atoms:
            with database.read() as connection:
                self._read(connection)
        return self._atoms[series_id]

    def every(self, database: Database) -> Mapping[int, Atom]:
        """What all ids stand for by now; a view that grows."""
        with database.read() as connection:
            self._read(connection)
        return self._atoms

    def _read(self, connection: Connection) -> None:
        measures = {row.id: Measure.from_key(row.key) for row in connection.execute(select(ledger_measure))}
        self._measures = {measure: id_ for id_, measure in measures.items()}
        self._groups = {}
        for row in connection.execute(select(ledger_series)):
            atom = Atom(measures[row.measure_id], group_from_key(row.group_key))
            self._ids[atom] = row.id
            self._atoms[row.id] = atom
            self._groups[row.measure_id] = self._groups.get(row.measure_id, 0) + 1

    def _make(self, connection: Connection, atom: Atom, fresh: dict[Atom, int]) -> int:
        measure_id = self._measures.get(atom.measure) or self._make_measure(connection, atom.measure)
        if self._groups.get(measure_id, 0) >= self._cap:
            other = Atom(atom.measure, tuple((name, OTHER) for name, _ in atom.group))
            if other != atom:
                self.capped.add(atom.measure.name)
                return self._ids.get(other) or fresh.get(other) or self._make(connection, other, fresh)
        row = connection.execute(
            insert(ledger_series).values(measure_id=measure_id, group_key=group_key(atom.group))
        ).inserted_primary_key
        assert row is not None
        fresh[atom] = int(row[0])
        self._groups[measure_id] = self._groups.get(measure_id, 0) + 1
        return fresh[atom]

    def _make_measure(self, connection: Connection, measure: Measure) -> int:
        row = connection.execute(insert(ledger_measure).values(key=measure.key())).inserted_primary_key
        assert row is not None
        self._measures[measure] = int(row[0])
        return self._measures[measure]
