"""Who is let in, and what they may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import ConfigError
from dashboard import options
from dashboard.launch import SECRETS_VARIABLE, command
from dashboard.login import ANYBODY, Refusal, Viewer, judge
from dashboard.options import Login
from dashboard.settings import DashboardSettings, LoginSettings

NOW = 1_790_000_000.0
LOGIN = Login({"ann@example.org": "write", "groups=sre": "admin", "groups=all": "read"}, 3600.0)


def _claims(**values: Any) -> dict[str, Any]:
    return {"is_logged_in": True, "email": "eve@example.org", "iat": NOW - 60, **values}


def test_without_a_login_anybody_may_write() -> None:
    assert judge(None, {}, NOW) == ANYBODY


def test_an_address_has_its_role_in_any_case() -> None:
    assert judge(LOGIN, _claims(email="Ann@Example.org"), NOW) == Viewer("Ann@Example.org", "write")


@pytest.mark.parametrize(
    ("groups", "role"), [(["all"], "read"), (["all", "sre"], "admin"), ("sre", "admin"), (["sre-intern"], None)]
)
def test_a_claim_gives_its_role_and_the_highest_counts(groups: object, role: str | None) -> None:
    found = judge(LOGIN, _claims(groups=groups), NOW)
    assert (found.role if isinstance(found, Viewer) else None) == role


@pytest.mark.parametrize(
    ("claims", "by_login"),
    [
        ({}, True),
        ({"is_logged_in": False, "email": "ann@example.org", "iat": NOW}, True),
        (_claims(), False),
        (_claims(email="ann@example.org", email_verified=False), False),
        (_claims(email="ann@example.org", email_verified="false"), False),
        (_claims(email="", sub="", groups=["sre"]), False),
        (_claims(email="ann@example.org", iat=NOW - 3601), True),
        (_claims(email="ann@example.org", iat=None), True),
    ],
)
def test_everybody_else_sees_nothing(claims: Mapping[str, Any], by_login: bool) -> None:
    found = judge(LOGIN, claims, NOW)
    assert isinstance(found, Refusal)
    assert found.by_login is by_login


def test_only_those_who_may_read_cannot_write() -> None:
    assert [Viewer("x", role).may_write for role in ("read", "write", "admin")] == [False, True, True]


def _settings(folder: Path, **values: Any) -> DashboardSettings:
    for name, text in (("client", "s3cret-of-the-client"), ("cookie", "c" * 40)):
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
    made = {"client_id": "burnline", "client_secret_file": folder / "client", "cookie_secret_file": folder / "cookie"}
    made |= {"server_metadata_url": "https://id.example/.well-known/openid-configuration"}
    made |= {"roles": {"ann@example.org": "write"}}
    login = LoginSettings.model_validate(made | values)
    return DashboardSettings(url="https://burnline.example", login=login)


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield


def test_secrets_reach_the_server_through_a_file_for_its_user_alone(tmp_path: Path) -> None:
    launch = command("sqlite:///x", _settings(tmp_path))
    file = Path(launch.env[SECRETS_VARIABLE])
    assert f"--secrets.files={file}" in launch.argv
    assert "s3cret" not in " ".join([*launch.argv, *launch.env.values()])
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert 'client_secret = "s3cret-of-the-client"' in file.read_text(encoding="utf-8")
    assert 'redirect_uri = "https://burnline.example/oauth2callback"' in file.read_text(encoding="utf-8")


def test_the_roles_reach_the_pages(tmp_path: Path) -> None:
    launch = command("sqlite:///x", _settings(tmp_path, session_hours=2))
    assert options.read([], launch.env).login == Login({"ann@example.org": "write"}, 7200.0)


def test_without_a_login_no_file_is_written(tmp_path: Path) -> None:
    launch = command("sqlite:///x", DashboardSettings())
    assert SECRETS_VARIABLE not in launch.env
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "text"), [("cookie", "short"), ("client", " \n"), ("cookie", None)])
def test_a_secret_that_is_none_is_refused_by_its_setting(tmp_path: Path, name: str, text: str | None) -> None:
    settings = _settings(tmp_path)
    (tmp_path / name).unlink() if text is None else (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"dashboard.login.{name}_secret_file"):
        command("sqlite:///x", settings)


@pytest.mark.parametrize(
    "values",
    [
        {"roles": {}},
        {"client_id": ""},
        {"roles": {"ann@example.org": "owner"}},
        {"server_metadata_url": "http://id.example/.well-known/openid-configuration"},
    ],
)
def test_half_a_login_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _settings(tmp_path, **values)
