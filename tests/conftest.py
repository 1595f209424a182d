"""What every test shares: markers for servers that are not ours, and a seed of databases."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

# Tests assert nothing on the wall: a busy machine must not fail an example by its slowness.
settings.register_profile("burnline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("burnline")

PROGRAMS = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "victoria-metrics": "victoria-metrics",
    "chromium": "chromium",
    "vmagent": "vmagent",
}
"""Programs that a marker `server(name)` looks for; other names are decided by their own fixtures."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip with a printed reason where a server is missing; in CI that is a failure."""
    for marker in item.iter_markers("server"):
        program = PROGRAMS.get(marker.args[0])
        if program is not None and shutil.which(program) is None:
            pytest.skip(f"needs the program {program}, which is not installed here")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what did not run, so that a green run on a bare machine is not mistaken for the whole."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("BURNLINE_NO_SKIPS"):
        terminalreporter.write_line(f"CI allows no skipped tests, {len(skipped)} were", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip fails the run: there every server is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("BURNLINE_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = 1
