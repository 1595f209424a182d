"""Counts of sampled quality, read from the roll-ups."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.measures import Group, Measure
from core.statistics.quality import estimate
from storage.database import Database
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, RowKey, SourceFlush
from storage.quality import QualityCounts, counts, stratum_of

NOON = 1_767_614_400
A: Group = (("model", "a"), ("region", "eu"), ("version", "1"))
A_US: Group = (("model", "a"), ("region", "us"), ("version", "1"))
OF_A: Group = (("model", "a"), ("version", "1"))


def told(name: str, stratum: str, group: Group = A) -> Atom:
    return Atom(Measure(name, "client", (("stratum", stratum),)), group)


def verdict(name: str, stratum: str = "default", detector: str = "pii", revision: str = "r1", group: Group = A) -> Atom:
    attrs = (("detector", detector), ("revision", revision), ("stratum", stratum), ("verdict", name))
    return Atom(Measure("judged", "client", attrs), group)


def put(database: Database, time: int, amounts: Mapping[Atom, int], width: int = 60) -> None:
    mark = rows.open_source(database, "test", f"{time}/{width}", 0.0)
    cells: AtomCells = {(atom, 0): n for atom, n in amounts.items()}
    rows.commit(database, Dictionary(), [SourceFlush(mark, b"", {RowKey(width, time): cells})], 0.0)
    with database.write() as connection:
        rollups.store(connection, rollups.compute(connection))


def test_a_detectors_counts_stand_beside_those_of_its_stratum(database: Database) -> None:
    put(
        database,
        NOON,
        {
            told("generations", "default"): 100,
            told("drawn", "default"): 10,
            verdict("flagged"): 1,
            verdict("clear"): 5,
            verdict("failed"): 2,
            verdict("not_applicable"): 2,
        },
    )
    (found,) = counts(database, NOON - 3600, NOON + 60)
    assert found == QualityCounts("pii", "r1", OF_A, "default", 100, 10, 1, 5, 2, 2)
    assert found.judged == 6


def test_groups_are_added_by_the_dimensions_that_are_asked_for(database: Database) -> None:
    put(database, NOON, {told("generations", "s"): 3, told("generations", "s", A_US): 4, told("drawn", "s"): 1})
    (merged,) = counts(database, NOON, NOON + 60)
    assert (merged.group, merged.generated, merged.drawn) == (OF_A, 7, 1)
    assert {one.group: one.generated for one in counts(database, NOON, NOON + 60, by=("region",))} == {
        (("region", "eu"),): 3,
        (("region", "us"),): 4,
    }


def test_revisions_and_strata_are_rows_of_their_own_and_a_revision_has_every_stratum(database: Database) -> None:
    put(
        database,
        NOON,
        {
            told("drawn", "failed"): 5,
            told("drawn", "default"): 9,
            verdict("clear", "default", revision="r1"): 4,
            verdict("clear", "failed", revision="r2"): 1,
        },
    )
    assert {(one.revision, one.stratum): one.judged for one in counts(database, NOON, NOON + 60)} == {
        ("r1", "default"): 4,
        ("r1", "failed"): 0,
        ("r2", "default"): 0,
        ("r2", "failed"): 1,
    }


def test_what_was_drawn_and_not_judged_is_told_without_a_detector(database: Database) -> None:
    put(database, NOON, {told("drawn", "default"): 9})
    (found,) = counts(database, NOON, NOON + 60)
    assert (found.detector, found.revision, found.drawn, found.judged) == ("", "", 9, 0)


@pytest.mark.parametrize(("hours", "width"), [(6, 60), (72, 300), (720, 3600)])
def test_a_window_is_read_from_the_width_of_its_length(database: Database, hours: int, width: int) -> None:
    """What lies in the bucket before the window's first edge is out, what lies in the bucket of its end is in."""
    until = NOON + 30
    start = -(-(until - hours * 3600) // width) * width
    for time in (start - width, start, NOON // width * width):
        put(database, time, {verdict("clear"): 1}, width)
    (found,) = counts(database, until - hours * 3600, until)
    assert found.clear == 2


def test_an_empty_ledger_has_no_counts(database: Database) -> None:
    assert counts(database, NOON, NOON + 3600) == []


def test_a_stratum_is_as_large_as_what_the_detector_can_speak_of() -> None:
    """Of 100 drawn of 1,000, a quarter had something to judge: the stratum stands for about a quarter of it."""
    one = stratum_of(generated=1000, drawn=100, flagged=5, judged=25, not_applicable=75)
    assert one.weight == pytest.approx(1000 * 25.5 / 101)
    assert (one.flagged, one.judged, one.drawn) == (5, 25, 25)
    assert stratum_of(1000, 100, 5, 90, 0).weight == 1000


def test_what_was_judged_before_it_was_counted_is_in_the_population() -> None:
    assert stratum_of(generated=0, drawn=0, flagged=1, judged=4, not_applicable=0).weight == 4


def test_counts_lead_to_an_estimate(database: Database) -> None:
    put(database, NOON, {told("generations", "s"): 50, told("drawn", "s"): 4, verdict("flagged", "s"): 1})
    found = estimate([one.sample() for one in counts(database, NOON, NOON + 60)])
    assert (found.rate, found.judged, found.drawn, found.coverage) == (1.0, 1, 4, 0.25)
