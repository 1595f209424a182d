"""The composed settings: where a mistake is, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from burnline.check import check
from burnline.settings import Settings, load
from core.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "burnline.yaml"
    file.write_text(text)
    return file


def refusal(file: Path | None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file, environ)
    return str(caught.value)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, ""), {}) == Settings()


def test_without_any_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Settings()


def test_the_file_of_the_folder_is_read_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "api: {port: 1234}\n")
    other = tmp_path / "other.yaml"
    other.write_text("api: {port: 4321}\n")
    assert load(None, {}).api.port == 1234
    assert load(None, {"BURNLINE_CONFIG": str(other)}).api.port == 4321


def test_a_named_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "nowhere.yaml" in refusal(tmp_path / "nowhere.yaml")
    assert "nowhere.yaml" in refusal(None, BURNLINE_CONFIG=str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("api:\n  prot: 9400\n", 2, "unknown key 'prot' in api; did you mean 'port'?"),
        ("apis:\n  port: 9400\n", 1, "unknown key 'apis' in the file; did you mean 'api'?"),
        ("collector:\n  scrape:\n    - name: a\n      intervall: 5s\n", 4, "did you mean 'interval'?"),
        ("api:\n  zzzzzz: 1\n", 2, "valid keys: burst, host"),
        ("api:\n  port: 99999\n", 2, "api.port: Input should be less than or equal to 65535 (given: 99999)"),
        ("api:\n  port: many\n", 2, "api.port: "),
        ("api: [1]\n", 1, "api: "),
        ("- api\n", 1, "the file must hold one mapping"),
        ("alerting:\n  receivers:\n    - name: page\n      webhok: {url: http://a}\n", 4, "did you mean 'webhook'?"),
    ],
)
def test_a_mistake_names_file_line_and_remedy(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = write(tmp_path, text)
    said = refusal(file)
    assert said.startswith(f"{file}:{line}: ")
    assert message in said


@pytest.mark.parametrize(
    "text",
    [
        "alerting:\n  heartbeat: {url: http://a, interval: 5parsecs}\n",
        "engine:\n  tick_interval: 5parsecs\n",
        "collector:\n  flush_interval: 5parsecs\n",
    ],
)
def test_a_duration_that_is_none_is_a_mistake_with_a_place(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    said = refusal(file)
    assert said.startswith(f"{file}:2: ")
    assert "15s" in said


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "api:\n  prot: 1\ndashboard:\n  prot: 1\n")
    said = refusal(file)
    assert f"{file}:2: " in said
    assert f"{file}:4: " in said


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "api: {port: 1234, host: localhost}\n")
    settings = load(file, {"BURNLINE_API__PORT": "4321", "BURNLINE_STORAGE": "{directory: elsewhere}"})
    assert (settings.api.port, settings.api.host) == (4321, "localhost")
    assert settings.storage.directory == Path("elsewhere")


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    assert refusal(file, BURNLINE_API__PORT="many").startswith("BURNLINE_API__PORT:")
    said = refusal(file, BURNLINE_API__PROT="1")
    assert said.startswith("BURNLINE_API__PROT:")
    assert "did you mean 'port'?" in said
    assert refusal(file, BURNLINE_API__PORT="[").startswith("BURNLINE_API__PORT:")


def test_a_variable_of_an_unknown_section_is_refused(tmp_path: Path) -> None:
    said = refusal(write(tmp_path, ""), BURNLINE_APIS__PORT="1")
    assert said.startswith("BURNLINE_APIS__PORT:")
    assert "did you mean 'api'?" in said


def test_variables_without_levels_that_are_no_section_are_somebody_elses(tmp_path: Path) -> None:
    assert load(write(tmp_path, ""), {"BURNLINE_SUPERVISED": "1", "OTHER_API__PORT": "1"}) == Settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().api.port = 1  # type: ignore[misc]  # that it must not be done is the test


def test_the_check_says_that_raw_series_leave_the_machine(tmp_path: Path) -> None:
    remote = "collector: {remote_write: [{name: central, url: 'http://127.0.0.1:9090/api/v1/write'}]}"
    assert "raw series are sent to 1 engine" in check(load(write(tmp_path, remote), {}))
    assert not [note for note in check(Settings()) if "raw series" in note]
