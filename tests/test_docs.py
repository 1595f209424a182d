"""Documentation that drifts from the code fails here."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

import pytest
from pydantic import BaseModel

from alerting.settings import ReceiverSettings
from burnline import reference
from burnline.check import check
from burnline.settings import Settings, load
from collector.profiles import profiles
from core.matchers import parse_matchers
from core.signals import ALIASES, SIGNALS
from slo_engine import alerts
from slo_engine.packs import load_pack, pack_names
from storage.tables import metadata as tables

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(*names: str) -> str:
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


# What is made from the code.


@pytest.mark.parametrize("page", reference.PAGES)
def test_made_parts_say_what_the_code_says(page: str) -> None:
    text = text_of(page)
    assert "<!-- made: " in text
    assert reference.rewritten(text) == text, "run `python -m burnline.reference`"


def test_a_changed_setting_would_be_noticed() -> None:
    text = text_of("docs/configuration.md")
    assert reference.rewritten(text.replace("| `15s` |", "| `16s` |")) == text
    assert "| `16s` |" not in text


def test_a_made_part_without_a_maker_is_an_error() -> None:
    with pytest.raises(KeyError):
        reference.rewritten("<!-- made: weather -->\n<!-- end -->")


def test_every_made_table_stands_in_some_page() -> None:
    made = re.findall(r"<!-- made: (\S+) -->", text_of(*reference.PAGES))
    assert set(made) == {
        "settings",
        "commands",
        "api",
        "engines",
        "dialects",
        *(f"pack:{name}" for name in pack_names()),
    }


def test_every_setting_has_a_type_a_default_and_a_meaning() -> None:
    for setting in reference.settings():
        assert setting.type, setting
        assert setting.description, setting
        assert setting.default or setting.type == "section", setting


def test_settings_that_are_listed_are_those_that_the_model_takes() -> None:
    paths = {setting.path for setting in reference.settings()}
    assert set(Settings.model_fields) == {path for path in paths if "." not in path}
    assert {"collector.scrape[].tls.ca_file", "alerting.route.continue", "engine.absence.traffic_window"} <= paths


@pytest.mark.parametrize(
    ("path", "type_", "default"),
    [
        ("collector.flush_interval", "duration (over 0, at most 5)", "`5s`"),
        ("collector.dimensions", "list of texts", "`[model, version, region, tenant]`"),
        ("collector.scrape[].name", "text", "required"),
        ("alerting.receivers[].webhook.url", "text, secret", "none"),
        ("api.port", "whole number (at least 0, at most 65535)", "`9400`"),
    ],
)
def test_types_and_defaults_are_in_words(path: str, type_: str, default: str) -> None:
    found = {setting.path: setting for setting in reference.settings()}[path]
    assert (found.type, found.default) == (type_, default)


def test_what_markdown_would_read_as_its_own_is_escaped() -> None:
    assert reference.table(["a"], [["<x> | __y__"]]) == "| a |\n| --- |\n| &lt;x> \\| \\_\\_y\\_\\_ |"


# What people wrote, against the code.


@pytest.mark.parametrize("signal", [*SIGNALS, *ALIASES])
def test_every_signal_is_explained_with_the_specs(signal: str) -> None:
    assert f"`{signal}`" in text_of("docs/slo-specs.md")


def test_every_receiver_is_documented() -> None:
    systems = [n for n, f in ReceiverSettings.model_fields.items() if issubclass_in(f.annotation)]
    assert {"webhook", "pagerduty", "slack"} <= set(systems)
    for system in systems:
        assert f"| `{system}` |" in text_of("docs/alerting.md")
        assert f"`alerting.receivers[].{system}`" in text_of("docs/configuration.md")


def issubclass_in(annotation: object) -> bool:
    return any(isinstance(arg, type) and issubclass(arg, BaseModel) for arg in getattr(annotation, "__args__", ()))


@pytest.mark.parametrize("engine", [profile.engine for profile in profiles()])
def test_every_engine_profile_is_documented(engine: str) -> None:
    assert f"| `{engine}` |" in text_of("docs/configuration.md")


@pytest.mark.parametrize("pack", pack_names())
def test_every_slo_of_a_pack_is_documented(pack: str) -> None:
    documented = text_of("docs/configuration.md")
    assert [slo.name for slo in load_pack(pack).slos if f"| `{slo.name}` |" not in documented] == []


def test_the_environment_rule_holds_as_it_is_written() -> None:
    lines = re.findall(r"^    (BURNLINE_\w+)=(.+)$", text_of("docs/configuration.md"), re.MULTILINE)
    settings = load(None, {name: value.strip("'") for name, value in lines})
    assert settings.engine.tick_interval == 5
    assert settings.engine.packs == ("llm-serving", "mlperf")
    assert settings.database_url.startswith("postgresql+psycopg://")


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(.*?)```", text_of("README.md"), re.DOTALL)
    assert block is not None
    file = tmp_path / "burnline.yaml"
    file.write_text(block[1], encoding="utf-8")
    notes = check(load(file, {}))
    assert "2 scrape jobs, 6 static targets" in notes
    assert "2 receivers" in notes
    assert not any(note.startswith("note:") for note in notes)


def test_the_ports_of_the_readme_are_the_defaults() -> None:
    settings = Settings()
    assert settings.dashboard.external_url in text_of("README.md")
    assert f"http://{settings.api.host}:{settings.api.port}/docs" in text_of("README.md")


def test_the_targets_of_the_makefile_that_are_named_exist() -> None:
    defined = set(re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make (\w+)", text_of("README.md", "CONTRIBUTING.md"), re.MULTILINE))
    assert {"up", "test", "setup"} <= named <= defined


def test_every_table_has_a_writer_in_the_architecture() -> None:
    section = text_of("docs/architecture.md").split("## Who writes what")[1].split("\n## ")[0]
    assert [name for name in tables.tables if f"`{name}`" not in section] == []


def test_every_package_is_in_the_map() -> None:
    packages = tomllib.loads(text_of("pyproject.toml"))["tool"]["coverage"]["run"]["source"]
    for page in ("docs/architecture.md", "CONTRIBUTING.md"):
        assert [name for name in packages if f"| `{name}/` |" not in text_of(page)] == []


def test_files_that_are_named_exist() -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[\w.-]*)`", text_of("README.md", "CONTRIBUTING.md", "docs/architecture.md"))
    kept = [name for name in named if not name.startswith(("var/", "pages/", "sections/", "receivers/"))]
    inside = [ROOT, *(path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))]
    assert len(kept) > 20
    assert [name for name in kept if not any((folder / name).exists() for folder in inside)] == []


# Alerts and their runbooks.


def alert_names() -> set[str]:
    """The second argument of every `Sign(...)` in the engine, and the alerts of budgets."""
    found = {alerts.BURN, alerts.POLICY}
    for file in (ROOT / "slo_engine").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Sign" and len(node.args) > 1:
                found |= {node.args[1].value} if isinstance(node.args[1], ast.Constant) else set()
    return found


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {file.stem for file in (DOCS / "runbooks").glob("*.md")} == alert_names()


@pytest.mark.parametrize("alert", sorted(alert_names()))
def test_a_runbook_says_what_where_why_and_what_ends_it(alert: str) -> None:
    text = text_of(f"docs/runbooks/{alert}.md")
    assert text.startswith(f"# {alert}\n")
    for part in ("**What it means.**", "**Look first**", "**Likely causes**", "**What ends it.**"):
        assert part in text


# Commands and links.


def command_lines() -> Iterator[tuple[str, str]]:
    """(page, command line) for every `burnline …` in a code block, up to a pipe or a comment."""
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            found = re.match(r"(?: {4,}|.*\| )(?:\.venv/bin/)?(burnline(?: .*)?)$", line)
            if found is not None and not line.startswith("| "):
                yield name_of(page), found[1].split(" #")[0]


@pytest.mark.parametrize(("page", "line"), sorted(set(command_lines())))
def test_commands_in_the_documentation_exist(page: str, line: str) -> None:
    known = dict(reference.commands())
    words = shlex.split(line)
    path = next(" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in known)
    options = {option for parameter in known[path].params for option in parameter.opts} | {"--help"}
    rest = words[len(path.split()) :]
    before = rest[: rest.index("--")] if "--" in rest else rest
    assert {word for word in before if word.startswith("-") and word != "-"} <= options
    if path == "burnline silence add":
        values = rest[: min(i for i, w in enumerate(rest) if w.startswith("--"))]
        assert parse_matchers(", ".join(values))
    assert path != "burnline" or not rest, f"{page}: no such command"


def test_commands_were_found() -> None:
    assert len(list(command_lines())) > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_names_every_page() -> None:
    index = text_of("docs/README.md")
    pages = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"({page})" not in index] == []


# Dependencies.


def requirements() -> list[str]:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [re.match(r"[\w.-]+", line)[0] for line in lines]  # type: ignore[index]  # each line begins with a name


def documented_licences() -> dict[str, str]:
    rows = [line.strip("| ").split(" | ") for line in text_of("docs/dependencies.md").splitlines() if line[:2] == "| "]
    return {row[0]: row[4] for row in rows if len(row) == 6 and row[0] not in ("package", "---")}


def test_every_dependency_is_documented_and_no_other() -> None:
    assert sorted(documented_licences()) == sorted(requirements())


@pytest.mark.parametrize("package", requirements())
def test_licences_are_those_of_the_installed_packages(package: str) -> None:
    found = metadata(package)
    said = documented_licences()[package]
    if expression := found.get("License-Expression"):
        assert said == expression
        return
    family = re.search(r"BSD|MIT|Apache", " ".join(found.get_all("Classifier") or [])) or re.search(
        r"BSD|MIT|Apache", found.get("License", "")
    )
    assert family is not None
    assert family[0] in said
