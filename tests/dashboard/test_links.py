"""Addresses in alerts, and addresses between pages, mean what the pages read in them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import links
from dashboard.filters import Filters, from_query
from slo_engine.alerts import Links

STARTED = 1_790_000_000.0
BURN = {"alertname": "ErrorBudgetBurn", "slo": "ttft", "service": "chat", "version": "v2", "region": "eu west&1"}
ABSENT = {"alertname": "FleetDown", "slo": "fleet-down", "service": "fleet", "severity": "page", "model": "llama"}
TRIAL = {"alertname": "CanaryRegression", "slo": "canary", "service": "fleet", "severity": "ticket", "model": "llama"}
BASE = "https://burnline.example/ops"


def _read(url: str) -> tuple[str, Filters]:
    parts = urlsplit(url)
    return parts.path, from_query(dict(parse_qsl(parts.query)))


def _link(labels: dict[str, str], canary: str | None = None) -> tuple[str, Filters]:
    return _read(Links(f"{BASE}/", "").of(labels, STARTED, None, canary)["dashboard_url"])


def test_a_page_opens_on_call_with_its_filters_and_time() -> None:
    group = {"version": "v2", "region": "eu west&1"}
    assert _link(BURN | {"severity": "page"}) == ("/ops/", Filters(slo="ttft", group=group, at=STARTED))


def test_a_ticket_opens_its_budget() -> None:
    path, read = _link(BURN | {"severity": "ticket"})
    assert (path, read.slo, read.at) == ("/ops/slo", "ttft", STARTED)


def test_something_absent_opens_debug_and_is_no_slo() -> None:
    assert _link(ABSENT) == ("/ops/debug", Filters(group={"model": "llama"}, at=STARTED))


def test_a_canary_opens_on_call_with_its_comparison() -> None:
    path, read = _link(TRIAL, "llama:v2:1")
    assert (path, read.canary, read.slo) == ("/ops/", "llama:v2:1", None)


@pytest.mark.parametrize(
    ("labels", "page"),
    [(BURN | {"severity": "page"}, links.ON_CALL), (BURN | {"severity": "ticket"}, links.SLO), (ABSENT, links.DEBUG)],
)
def test_the_engine_and_the_pages_write_the_same_address(labels: dict[str, str], page: str) -> None:
    of_engine = Links(BASE, "").of(labels, STARTED, None)["dashboard_url"]
    group = {name: value for name, value in labels.items() if name in ("model", "version", "region")}
    slo = labels["slo"] if labels["alertname"] == "ErrorBudgetBurn" else None
    assert of_engine == f"{BASE}/{links.of_group(page, group, STARTED, slo).removeprefix('./')}"


TEXT = st.text(min_size=1, max_size=20).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)


@given(
    st.builds(
        Filters,
        slo=st.none() | TEXT,
        incident=st.none() | st.integers(min_value=0, max_value=10**9),
        group=st.dictionaries(st.sampled_from(["model", "version", "region", "tenant"]), TEXT),
        canary=st.none() | TEXT,
        at=st.none() | st.integers(min_value=0, max_value=4_000_000_000).map(float),
    )
)
def test_what_an_address_says_is_what_is_read(chosen: Filters) -> None:
    query = urlsplit(links.address(links.SLO, chosen)).query
    assert from_query(dict(parse_qsl(query, keep_blank_values=True))) == chosen


def test_a_trace_has_an_address_of_its_own() -> None:
    assert links.trace("00ff") == "debug?trace=00ff"
    assert links.address(links.EXECUTIVE) == "executive"
