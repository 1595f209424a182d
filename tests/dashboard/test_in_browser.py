"""The on-call page in a real browser, served as the supervisor serves it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.launch import Launch, command
from dashboard.settings import DashboardSettings
from tests.dashboard.world import TITLE, World, burning

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

pytestmark = [
    pytest.mark.server("chromium"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
]


@pytest.fixture
def address(world: World) -> Iterator[str]:
    burning(world)
    with served(command(world.url, DashboardSettings(port=free_port(), refresh_seconds=1))) as found:
        yield found


@contextmanager
def served(launch: Launch) -> Iterator[str]:
    """The dashboard's address, served until it is left."""
    port = next(int(flag.partition("=")[2]) for flag in launch.argv if flag.startswith("--server.port="))
    with subprocess.Popen(launch.argv, env=os.environ | launch.env, stdout=subprocess.DEVNULL) as server:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def test_a_person_sees_the_incident_types_through_a_refresh_and_takes_it(world: World, address: str, page: Any) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if address not in request.url else None)
    page.goto(f"{address}/?slo=ttft&version=v2&region=eu-west")
    page.get_by_text(TITLE).wait_for(timeout=60_000)
    assert page.get_by_text("model llama · version v2 · region eu-west ◀ this alert").is_visible()
    page.get_by_role("button", name="Remove slo = ttft").wait_for()
    page.locator("[data-testid=stVegaLiteChart] .marks").first.wait_for()

    page.get_by_text("Acknowledge", exact=True).first.click()
    name = page.get_by_label("Your name").first
    name.fill("ann")
    before = page.get_by_text("Data are").inner_text()
    page.wait_for_function("old => !document.body.innerText.includes(old)", arg=before)
    assert name.input_value() == "ann"
    page.get_by_role("button", name="Acknowledge").first.click()
    page.get_by_text("acknowledged by ann").wait_for()
    assert [actor for _, _, actor in world.audits()] == ["ann"]
    assert elsewhere == []


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server has ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the server does not listen")
