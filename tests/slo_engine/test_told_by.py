from __future__ import annotations

from core.labels import make
from core.measures import Measure
from slo_engine.compile import told_by
from storage.ledger.dictionary import Atom


def requests(**attrs: str) -> Atom:
    return Atom(Measure("requests", "engine", make(attrs)), ())


def test_a_part_of_a_signal_is_told_once_it_was_counted_apart() -> None:
    plain = [requests(outcome="good"), requests(outcome="bad", reason="503")]
    assert told_by(plain) == {"requests"}
    assert told_by([*plain, requests(outcome="good", reason="length")]) == {"requests", "truncated"}
    other = Atom(Measure("http_responses", "engine", make({"reason": "length"})), ())
    assert told_by([other]) == {"http_responses"}
