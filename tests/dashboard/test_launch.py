"""How the server is started."""

from __future__ import annotations

import pytest

from dashboard import options
from dashboard.launch import APP, command
from dashboard.settings import DashboardSettings

URL = "postgresql://burnline:secret@127.0.0.1/burnline"


def test_the_server_is_quiet_local_and_tells_nobody() -> None:
    argv = command(URL, DashboardSettings(port=9999, refresh_seconds=7)).argv
    for flag in (
        "--server.headless=true",
        "--server.address=127.0.0.1",
        "--server.port=9999",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
    ):
        assert flag in argv
    assert argv[argv.index("run") + 1] == str(APP)
    assert argv[-2:] == ["--", "--refresh=7"]


def test_both_themes_are_given() -> None:
    argv = command(URL, DashboardSettings()).argv
    assert [sum(flag.startswith(f"--theme.{name}.") for flag in argv) for name in ("light", "dark")] == [5, 5]


def test_the_password_is_in_no_argument() -> None:
    launch = command(URL, DashboardSettings())
    assert "secret" not in " ".join(launch.argv)
    assert options.read(launch.argv[launch.argv.index("--") + 1 :], launch.env) == options.Options(URL, 5.0)


def test_an_argument_wins_over_the_environment_and_a_refresh_is_at_least_a_second() -> None:
    given = options.read(["--database", "sqlite:///x", "--refresh", "0"], {options.DATABASE_VARIABLE: URL})
    assert given == options.Options("sqlite:///x", 1.0)


def test_without_a_database_the_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.read([], {})
    assert options.DATABASE_VARIABLE in capsys.readouterr().err
