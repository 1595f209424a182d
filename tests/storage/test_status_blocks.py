"""The status of many groups in one blob, and that it reads like rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage import slo
from storage.database import Database
from storage.status_blocks import NO_NUMBER, StatusBlock, coded, encode, rows

whole = st.one_of(st.none(), st.integers(-(2**62), 2**62))
shares = st.one_of(st.none(), st.floats(allow_nan=False))
texts = st.one_of(st.none(), st.text(max_size=5))


@given(st.lists(st.tuples(whole, shares, texts, shares), min_size=1, max_size=20), st.booleans())
def test_every_value_comes_back_in_its_field_and_row(told: list[tuple[int, float, str, float]], exact: bool) -> None:
    numbers, floats, words, burns = zip(*told, strict=True)
    keys = [f'{{"model":"{place}"}}' for place in range(len(told))]
    fields = {
        "total": np.array([NO_NUMBER if n is None else n for n in numbers], np.int64),
        "sli": np.array([np.nan if n is None else n for n in floats]),
        "exact": exact,
        "burn_rates": {"5m": np.array([np.nan if n is None else n for n in burns])},
        "reason": coded(words),
    }
    found = rows(encode(StatusBlock("a", keys, fields)))
    assert [key for key, _ in found] == keys
    assert [list(row) for _, row in found] == [["slo", "group", *fields]] * len(told)
    assert [row for _, row in found] == [
        {
            "slo": "a",
            "group": {"model": str(place)},
            "total": n,
            "sli": share,
            "exact": exact,
            "burn_rates": {"5m": burn},
            "reason": text,
        }
        for place, (n, share, text, burn) in enumerate(told)
    ]


def test_groups_at_rest_and_others_are_read_together_in_order_and_replaced_together(database: Database) -> None:
    block = StatusBlock("b", ['{"model":"x"}', '{"model":"z"}'], {"state": "ok"})
    firing = {"slo": "b", "group": {"model": "y"}, "state": "firing"}
    with database.write() as connection:
        others = [("c", "{}", {"slo": "c"}), ("b", '{"model":"y"}', firing)]
        slo.put_status(connection, others, 60.0, [("b", encode(block))])
    found = [(row["slo"], row.get("group"), row.get("state")) for row in slo.status(database)]
    assert found == [
        ("b", {"model": "x"}, "ok"),
        ("b", {"model": "y"}, "firing"),
        ("b", {"model": "z"}, "ok"),
        ("c", None, None),
    ]
    with database.write() as connection:
        slo.put_status(connection, [], 120.0, [("b", encode(block._replace(groups=["{}"])))])
    assert slo.status(database) == [{"slo": "b", "group": {}, "state": "ok"}]
    assert slo.status_watermark(database) == 120.0
