"""Logging in, in a real browser, at a provider of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.launch import SECRETS_VARIABLE, command
from dashboard.settings import DashboardSettings, LoginSettings
from tests.dashboard.provider import Provider
from tests.dashboard.test_in_browser import free_port, served
from tests.dashboard.test_in_browser import page as page
from tests.dashboard.test_in_browser import pytestmark as pytestmark
from tests.dashboard.world import TITLE, World, burning

ROLES = {"ann@example.org": "write", "groups=managers": "read"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider({})
    made.start()
    yield made
    made.stop()


@pytest.fixture
def address(world: World, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    burning(world)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("client", "cookie"):
        (tmp_path / name).write_text(f"{name}-" * 8, encoding="utf-8")
    login = LoginSettings.model_validate(
        {
            "client_id": "burnline",
            "client_secret_file": tmp_path / "client",
            "cookie_secret_file": tmp_path / "cookie",
            "server_metadata_url": provider.metadata_url,
            "roles": ROLES,
        }
    )
    launch = command(world.url, DashboardSettings(port=free_port(), refresh_seconds=1, login=login))
    with served(launch) as found:
        yield found
    assert not Path(launch.env[SECRETS_VARIABLE]).exists()


def test_somebody_logs_in_acknowledges_under_their_own_name_and_leaves(
    world: World, address: str, provider: Provider, page: Any
) -> None:
    provider.claims = {"email": "ann@example.org", "email_verified": True}
    page.goto(f"{address}/?slo=ttft&version=v2")
    page.get_by_role("button", name="Log in").wait_for(timeout=60_000)
    assert TITLE not in page.inner_text("body")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text(TITLE).wait_for(timeout=60_000)
    page.get_by_text("ann@example.org · may acknowledge and silence").wait_for()
    page.wait_for_url("**version=v2**")
    page.get_by_text("Acknowledge", exact=True).first.click()
    assert page.get_by_label("Your name").count() == 0
    page.get_by_role("button", name="Acknowledge").first.click()
    page.get_by_text("acknowledged by ann@example.org").wait_for()
    assert [actor for _, _, actor in world.audits()] == ["ann@example.org"]
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in").wait_for(timeout=60_000)


def test_a_reader_sees_the_incident_and_no_button_to_write(address: str, provider: Provider, page: Any) -> None:
    provider.claims = {"email": "bo@example.org", "groups": ["managers"]}
    page.goto(address)
    page.get_by_role("button", name="Log in").click(timeout=60_000)
    page.get_by_text(TITLE).wait_for(timeout=60_000)
    page.get_by_text("bo@example.org · may read").wait_for()
    assert page.get_by_text("Acknowledge", exact=True).count() == 0
    assert page.get_by_text("Silence", exact=True).count() == 0


def test_a_stranger_is_told_so_and_sees_nothing(address: str, provider: Provider, page: Any) -> None:
    provider.claims = {"email": "eve@example.org"}
    page.goto(f"{address}/executive")
    page.get_by_role("button", name="Log in").click(timeout=60_000)
    page.get_by_text("eve@example.org has no role here").wait_for(timeout=60_000)
    assert TITLE not in page.inner_text("body")
    page.get_by_role("button", name="Log out").wait_for()
