"""Windows that are summed ahead are those that the account itself says, at every age and resolution."""

from __future__ import annotations

import pytest

from core.durations import DAY, HOUR
from slo_engine.backtest import Zone, load_book, zones
from slo_engine.backtest.quick import QuickAccount
from slo_engine.book import Account
from storage.ledger import rollups
from tests.slo_engine.backtest.test_live import lay_down
from tests.slo_engine.world import START, World, spec

WINDOWS = (300, 1800, HOUR, 2 * HOUR, 6 * HOUR, 7 * HOUR, 7 * HOUR + 60, 8 * HOUR, DAY, 3 * DAY, 5 * DAY, 30 * DAY)
HOURS = 130


@pytest.mark.parametrize("pruned", [0, 40])
def test_every_window_is_the_accounts_own(world: World, pruned: int) -> None:
    lay_down(world, HOURS, 4)
    world.lead(spec(target=99))
    world.tick(START + HOURS * HOUR)
    with world.db.write() as connection:
        rollups.prune(connection, 60, START + pruned * HOUR)
        rollups.prune(connection, 300, START + pruned * HOUR / 2)
    book = load_book(world.db, world.slos).book
    pairs = [(account, QuickAccount(account, WINDOWS)) for account in book.accounts[0].values()]
    compared = 0
    for zone in zones(world.db, START, START + HOURS * HOUR):
        for end in zone.ends[:: max(1, 7 * 300 // zone.width)]:
            book.trim(end)
            for account, read in pairs:
                compared += _compare(account, read, zone, end)
    assert compared > 1000


def _compare(account: Account, read: QuickAccount, zone: Zone, end: int) -> int:
    read.prepare(zone, end)
    whole = [window for window in WINDOWS if window % zone.width == 0]
    for window in whole:
        assert read.window(end - window, end) == account.window(end - window, end), (window, end)
    return len(whole)
