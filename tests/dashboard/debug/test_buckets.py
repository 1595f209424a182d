"""Buckets as flat arrays, read from a database."""

from __future__ import annotations

from dashboard.debug.buckets import Buckets, Piece
from tests.dashboard.world import CANARY, World

GROUP = tuple(sorted(CANARY.items()))


def test_rollups_and_a_targets_own_rows_tell_the_same_and_are_decoded_once(world: World) -> None:
    world.counted({GROUP: (11, 0, (1, 2, 0, 0, 0, 0, 0))}, minutes=3)
    reader, end = Buckets(world.db), int((world.now - 3) // 60) * 60
    rolled = reader.rollups([Piece(60, end - 180, end)])
    own = reader.of_source("http://127.0.0.1:9/metrics", end - 180, end)
    assert sorted(map(tuple, zip(*(c.tolist() for c in rolled), strict=True))) == sorted(
        map(tuple, zip(*(c.tolist() for c in own), strict=True))
    )
    assert len(set(rolled.at.tolist())) == 3
    assert {atom.group for atom in reader.atoms(rolled).values()} >= {GROUP}
    again = reader.rollups([Piece(60, end - 180, end)])
    assert (again.counts == rolled.counts).all()


def test_a_bucket_that_changed_is_read_anew(world: World) -> None:
    world.counted({GROUP: (11, 0, (1, 0, 0, 0, 0, 0, 0))}, minutes=1)
    reader, end = Buckets(world.db), int((world.now - 3) // 60) * 60
    before = reader.rollups([Piece(60, end - 60, end)])
    world.counted({GROUP: (22, 0, (1, 0, 0, 0, 0, 0, 0))}, minutes=1)
    after = reader.rollups([Piece(60, end - 60, end)])
    assert int(after.counts.sum()) > int(before.counts.sum())


def test_a_source_that_never_wrote_and_time_without_rows_are_empty(world: World) -> None:
    reader = Buckets(world.db)
    assert len(reader.of_source("http://nobody", 0, 9_999_999_999).at) == 0
    assert reader.atoms(reader.rollups([Piece(3600, 0, 7200)])) == {}
    assert reader.layers() == {}


def test_signals_are_counted_in_the_outermost_layer_that_was_ever_seen(world: World) -> None:
    world.counted({GROUP: (1, 0, (1, 0, 0, 0, 0, 0, 0))}, minutes=1)
    assert Buckets(world.db).layers()["requests"] == "engine"
