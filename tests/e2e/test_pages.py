"""Every page in a real browser while the demo's canary is bad: what an on-call engineer and an executive must see.

With BURNLINE_PICTURES=FOLDER the pictures that were looked at are kept there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.dashboard.test_in_browser import CHROMIUM, FLAGS
from tests.e2e.running import Instance

pytestmark = [
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(420),
    pytest.mark.server("chromium"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
]

LOOKS = ((1280, 900, "light"), (1920, 1080, "dark"))
DRAWN = 30_000
"""Milliseconds until something must be visible: two cores serve the fleet, its judge and the browser."""


class Looked(NamedTuple):
    """A browser's page over a running instance, and how it looks at it."""

    page: Any
    instance: Instance
    look: str

    def open(self, address: str) -> None:
        self.page.goto(address if address.startswith("http") else f"{self.instance.dashboard}/{address}")

    def see(self, *texts: str | re.Pattern[str]) -> None:
        """Each text can be read somewhere on the page."""
        for text in texts:
            found = self.page.get_by_text(text).filter(visible=True).first
            found.wait_for(timeout=DRAWN)

    def heading(self, text: str | re.Pattern[str]) -> None:
        self.page.get_by_role("heading", name=text).first.wait_for(timeout=DRAWN)

    def settle(self, name: str) -> str:
        """All that can be read once nothing is being drawn any more; a picture of it where pictures are asked for."""
        self.page.wait_for_function("document.querySelectorAll('[data-stale=true]').length === 0", timeout=DRAWN)
        self.page.wait_for_timeout(1500)
        if folder := os.environ.get("BURNLINE_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._picture(Path(folder) / f"{name}-{self.look}.png")
        text = str(self.page.inner_text("body"))
        wide = self.page.evaluate(
            "[...document.querySelectorAll('body, .stMain')].map(e => e.scrollWidth - e.clientWidth)"
        )
        assert max(wide) <= 0, f"{name} is wider than the window by {max(wide)} px"
        over = self.page.evaluate(
            "[...document.querySelectorAll('.bl-table')].map(e => e.scrollWidth - e.parentElement.clientWidth)"
        )
        assert max(over, default=0) <= 1, f"a table on {name} reaches over what holds it by {max(over)} px"
        for sign in ("Traceback", "NaN", "undefined", "encountered an error", "cannot be drawn"):
            assert sign not in text, f"{sign} on {name}:\n{text}"
        assert not re.search(r"\bnan\b", text), text
        return text

    def _picture(self, path: Path) -> None:
        # The page scrolls within a part of itself: a window as high as that part shows it whole.
        size = self.page.viewport_size
        height = self.page.evaluate("document.querySelector('.stMain').scrollHeight")
        self.page.set_viewport_size(size | {"height": max(size["height"], height)})
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A demo whose pager was told and whose canary has failed."""
    with Instance(tmp_path_factory.mktemp("pages"), "canary-regression") as made:
        made.until(200, "the pager was told", made.alerts_received)
        made.until(120, "the canary failed", lambda: _canary(made)["state"] == "fail")
        yield made


@pytest.fixture(scope="module", params=LOOKS, ids=lambda look: f"{look[2]}-{look[0]}")
def looked(instance: Instance, request: pytest.FixtureRequest) -> Iterator[Looked]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    width, height, scheme = request.param
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        yield Looked(page, instance, f"{scheme}-{width}")
        browser.close()


def test_on_call_says_what_burns_who_is_suspect_and_what_to_do(looked: Looked) -> None:
    looked.open("")
    incident = looked.instance.cli_json("incident", "list")[0]
    looked.see(incident["title"], "Runbook", "Acknowledge", "Silence")
    looked.heading(re.compile("Canaries"))
    text = looked.settle("on-call")
    assert "eu-west" in text
    assert "v2" in text
    for said in ("p95", "p99", "Queue", "GPU", "Safety", "What changed", "fail"):
        assert said.casefold() in text.casefold(), f"{said} is not on the page:\n{text}"
    canary = _canary(looked.instance)
    assert text.index(incident["title"]) < text.index(f"{canary['version']} beside {canary['baseline']}")


def test_an_alerts_link_opens_the_page_on_its_incident(looked: Looked) -> None:
    alert = looked.instance.alerts_received()[0]
    looked.open(alert["annotations"]["dashboard_url"])
    looked.see(alert["annotations"]["title"] if "title" in alert["annotations"] else alert["labels"]["slo"])
    text = looked.settle("linked")
    assert f"slo = {alert['labels']['slo']}" in text, text


def test_executive_says_how_the_week_was_and_what_is_not_known(looked: Looked) -> None:
    looked.open("executive")
    looked.heading("The last seven days")
    looked.see("Requests", "Cost", "Availability", "Hallucination", "New versions on trial", "incident")
    text = looked.settle("executive")
    assert "not measured" in text.casefold()
    assert "v2 beside v1" in text


def test_debug_shows_every_signal_and_the_scrapes(looked: Looked) -> None:
    canary = _canary(looked.instance)
    looked.open(f"debug?model={canary['model']}&version={canary['version']}&region=eu-west&range=1h")
    looked.see("Time to first token", "Queue")
    looked.page.locator("canvas, svg.marks").first.wait_for(timeout=DRAWN)
    looked.settle("debug")
    target = looked.page.locator('a[href*="target="]').first
    target.wait_for(timeout=DRAWN, state="attached")
    looked.open(f"{looked.instance.dashboard}/{target.get_attribute('href').lstrip('./')}")
    looked.see("last scrape", "Time to first token")
    looked.settle("target")


def test_a_drawn_trace_is_a_waterfall(looked: Looked) -> None:
    canary = _canary(looked.instance)
    looked.open(f"debug?model={canary['model']}&version={canary['version']}&range=1h")
    link = looked.page.locator('a[href*="trace="]').first
    link.wait_for(timeout=DRAWN, state="attached")
    looked.open(f"{looked.instance.dashboard}/{link.get_attribute('href').lstrip('./')}")
    looked.heading(re.compile("Trace|Waterfall"))
    text = looked.settle("trace")
    assert "prefill" in text.casefold() or "first token" in text.casefold(), text


def test_slo_shows_the_budget_its_burn_alerts_and_revisions(looked: Looked) -> None:
    alert = looked.instance.alerts_received()[0]["labels"]
    looked.open(f"slo?slo={alert['slo']}&version={alert['version']}&region={alert['region']}")
    looked.heading(alert["slo"])
    for name in ("budget", "Burn", "Alert", "Revision"):
        looked.heading(re.compile(name, re.IGNORECASE))
    text = looked.settle("slo")
    assert "firing" in text.casefold()


def _canary(instance: Instance) -> dict[str, Any]:
    """The demo's one comparison; a state `none` before there is any."""
    found: list[dict[str, Any]] = instance.cli_json("canary", "list")
    return found[0] if found else {"state": "none"}
