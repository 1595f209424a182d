"""The collector's settings: what `shard` means."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from collector.settings import CollectorSettings
from storage.shards import Member


@pytest.mark.parametrize("shard", ["0", "eu-west", "A_1"])
def test_a_name_is_a_shard_that_stands_alone(shard: str) -> None:
    settings = CollectorSettings(shard=shard)
    assert (settings.member, settings.shard_name) == (None, shard)


def test_a_part_is_a_member_of_a_set() -> None:
    settings = CollectorSettings(shard="2/8")
    assert (settings.member, settings.shard_name) == (Member(2, 8), "2-of-8")


@pytest.mark.parametrize("shard", ["8/8", "9/8", "0/0", "-1/8", "a/8", "1/8/2", "01/8", "2-of-8", "", "a b", "x" * 65])
def test_what_could_mean_something_else_is_refused(shard: str) -> None:
    with pytest.raises(ValidationError, match="shard"):
        CollectorSettings(shard=shard)


@pytest.mark.parametrize(
    ("shard", "reads", "name"), [("0", True, "0"), ("0/8", True, "parts"), ("2/8", False, "parts")]
)
def test_of_several_parts_the_first_reads_the_prometheus_servers_whatever_their_number(
    shard: str, reads: bool, name: str
) -> None:
    settings = CollectorSettings(shard=shard)
    assert (settings.reads_servers, settings.servers_name) == (reads, name)
