"""How often a client may ask, and that remembering clients has a bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from burnline.api.app import create_app
from burnline.api.limits import Level, Limiter, address_of, take
from burnline.settings import ApiSettings
from core.clock import ManualClock
from storage import tokens
from storage.database import Database
from tests.burnline.api.asking import Client

TIGHT = ApiSettings(rate_per_minute=60, burst=5, writes_per_minute=2)
DEPLOYED = {"json": {"version": "v2"}}


@given(
    st.lists(st.floats(0, 30), max_size=60),
    st.floats(0.1, 20),
    st.integers(1, 8),
)
def test_no_stretch_of_time_admits_more_than_the_burst_and_its_rate(
    gaps: list[float], per_second: float, burst: int
) -> None:
    level: Level | None = None
    now, admitted = 1000.0, []
    for gap in gaps:
        now += gap
        level, wait = take(level, now, per_second, burst)
        if not wait:
            admitted.append(now)
        else:
            _, then = take(level, now + wait + 1e-6, per_second, burst)
            assert then == 0
    for first, start in enumerate(admitted):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= burst + (admitted[last] - start) * per_second + 1e-6
    assert all(a <= b for a, b in pairwise(admitted))


def test_a_bound_of_clients_is_remembered() -> None:
    limiter = Limiter(60, 1, ManualClock(), most=3)
    for n in range(100):
        limiter.take(f"client {n}")
    assert len(limiter) == 3
    with pytest.raises(HTTPException):
        limiter.take("client 99")


def test_too_many_requests_are_429_until_the_time_that_is_said(database: Database, clock: ManualClock) -> None:
    client = Client(create_app(database, TIGHT, clock))
    assert [client.get("/api/v1/alerts").status_code for _ in range(6)] == [200] * 5 + [429]
    refused = client.get("/api/v1/alerts")
    assert (refused.headers["Retry-After"], "60 a minute" in refused.json()["error"]) == ("1", True)
    clock.advance(1)
    assert [client.get("/api/v1/alerts").status_code for _ in range(2)] == [200, 429]


def test_changes_have_a_limit_of_their_own(database: Database, clock: ManualClock) -> None:
    client = Client(create_app(database, TIGHT, clock))
    assert [client.post("/api/v1/deployments", **DEPLOYED).status_code for _ in range(3)] == [201, 200, 429]
    assert client.get("/api/v1/deployments").status_code == 200


def test_each_token_and_each_address_has_its_own_limit(database: Database, clock: ManualClock) -> None:
    secrets = [tokens.add(database, name, "read", "ann", clock.now())[1] for name in ("a", "b")]
    app = create_app(database, TIGHT, clock)
    first, second = (Client(app, secret) for secret in secrets)
    while first.get("/api/v1/alerts").status_code == 200:
        pass
    assert second.get("/api/v1/alerts", address="10.0.0.2").status_code == 200


def test_secrets_cannot_be_tried_out_quickly(database: Database, clock: ManualClock) -> None:
    tokens.add(database, "a", "read", "ann", clock.now())
    app = create_app(database, TIGHT, clock)
    tried = [Client(app, f"burnline_{n}").get("/api/v1/alerts").status_code for n in range(7)]
    assert tried == [401] * 5 + [429] * 2
    assert Client(app, "burnline_0").get("/api/v1/alerts", address="10.0.0.2").status_code == 401


def test_a_prober_is_never_kept_out(database: Database, clock: ManualClock) -> None:
    client = Client(create_app(database, TIGHT, clock))
    assert {client.get("/healthz").status_code for _ in range(50)} == {200}


@pytest.mark.parametrize(
    ("host", "client"),
    [("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "20010db800000000::/64"), ("unix", "unix")],
)
def test_clients_are_told_by_address_and_by_network_for_ipv6(host: str, client: str) -> None:
    assert address_of({"client": (host, 1)}) == client
    assert address_of({"client": None}) == "local"
