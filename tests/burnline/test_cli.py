"""The command line's contracts: exit codes, what goes to which stream, and how light `--help` is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import click
import pytest
import typer
from typer.testing import CliRunner

from burnline.cli.app import app
from burnline.cli.app import run as run_app
from storage import fleet
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth

ROOT = Path(__file__).parents[2]
PAGE = """\
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="stop",model_name="tiny"} 3.0
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="tiny"} 0.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{le="0.5",model_name="tiny"} 3.0
vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="tiny"} 3.0
vllm:time_to_first_token_seconds_count{model_name="tiny"} 3.0
vllm:time_to_first_token_seconds_sum{model_name="tiny"} 0.3
# TYPE something_else counter
something_else_total 1.0
"""
GOOD = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: quick}
spec:
  service: s
  indicator:
    metadata: {name: quick}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: burnline, spec: {signal: requests, where: 'outcome="good"'}}}
        total: {metricSource: {type: burnline, spec: {signal: requests}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(folder: Path, *arguments: object, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
    """Run `burnline` in a folder, in this process, without this machine's settings."""
    out, err = io.StringIO(), io.StringIO()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")} | dict(env or {})
    with ExitStack() as stack:
        stack.enter_context(chdir(folder))
        stack.enter_context(patch.dict(os.environ, clean, clear=True))
        stack.enter_context(patch.object(sys, "argv", ["burnline", *map(str, arguments)]))
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()))))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = run_app(app)
    return Done(code, out.getvalue(), err.getvalue())


def spawn(folder: Path, *arguments: str) -> Done:
    """The same as a process of its own."""
    command = [sys.executable, "-m", "burnline", *arguments]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


TREE = dict(commands(typer.main.get_command(app)))


# Files of SLOs.


def test_valid_slo_files_are_silent_and_zero(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    done = run(tmp_path, "slo", "validate", "good.yaml")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_broken_slo_file_is_one_line_an_error_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(GOOD.replace("  service: s\n", "").replace("0.99", "99"))
    done = run(tmp_path, "slo", "validate", "bad.yaml")
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("bad.yaml:") and line.split(":")[1].isdigit() for line in lines), lines
    assert any("service" in line for line in lines)


def test_slo_errors_as_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(GOOD.replace("  service: s\n", ""))
    done = run(tmp_path, "slo", "validate", "bad.yaml", "--json")
    assert done.code == 1
    (problem,) = json.loads(done.out)
    assert problem.keys() == {"file", "line", "message"}
    assert problem["file"] == "bad.yaml"
    assert isinstance(problem["line"], int)


def test_a_folder_of_slo_files_is_read_as_one_set(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    done = run(tmp_path, "slo", "validate", ".")
    assert done.code == 1
    assert "quick" in done.err


# Pages.


def test_a_page_that_can_be_read_is_printed_and_zero(tmp_path: Path) -> None:
    done = run(tmp_path, "debug", "parse", "-", stdin=PAGE)
    assert (done.code, done.err) == (0, "")
    assert 'vllm:num_requests_running{model_name="tiny"} 0.0' in done.out


def test_a_page_that_is_rejected_is_one_and_says_the_line(tmp_path: Path) -> None:
    done = run(tmp_path, "debug", "parse", "-", stdin=PAGE + "a{ 1\n")
    assert done.code == 1
    assert done.err.startswith(f"-:{PAGE.count(chr(10)) + 1}: ")
    as_json = run(tmp_path, "debug", "parse", "-", "--json", stdin=PAGE + "a{ 1\n")
    assert as_json.code == 1
    assert json.loads(as_json.out)["errors"][0]["line"] == PAGE.count("\n") + 1


def test_a_page_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    done = run(tmp_path, "debug", "parse", "nowhere.txt")
    assert done.code == 2
    assert "nowhere.txt" in done.err


def test_identify_says_engine_signals_and_what_is_unmapped(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text(PAGE)
    done = run(tmp_path, "engines", "identify", "page.txt", "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert found.keys() >= {"engine", "confidence", "signals", "unmapped"}
    assert found["engine"] == "vllm"
    assert 0 < found["confidence"] <= 1
    assert found["signals"]["requests"] == ["vllm:request_success_total"]
    assert any("something_else" in name for name in found["unmapped"])


def test_identify_of_a_page_of_nobody_is_null(tmp_path: Path) -> None:
    done = run(tmp_path, "engines", "identify", "-", "--json", stdin="a_total 1\n")
    assert json.loads(done.out)["engine"] is None


# Configuration.


def test_a_valid_configuration_is_zero_and_says_what_is_missing(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "check")
    assert done.code == 0
    assert "no receivers" in done.out
    assert "valid" in done.out


PROMETHEUS = """\
collector:
  scrape:
    - {name: vllm, static: [{targets: ["a:1", "b:1"], labels: {region: eu}}]}
    - {name: other, static: [{targets: ["c:1"]}]}
  prometheus:
    - {name: main, url: "http://p:9090", match: ['{job="vllm",instance!="b:1"}']}
"""


def test_a_target_that_is_scraped_and_would_be_read_too_is_noted(tmp_path: Path) -> None:
    (tmp_path / "burnline.yaml").write_text(PROMETHEUS)
    done = run(tmp_path, "config", "check")
    assert done.code == 0
    noted = [line for line in done.out.splitlines() if "fits a selector of the Prometheus server main" in line]
    assert len(noted) == 1
    assert "a:1 is scraped by job vllm" in noted[0]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("""{name: main, url: "http://p:9090", match: ['up{job="vllm"}']}""", "names a metric"),
        ("""{name: main, url: "http://p:9090", match: ['{__name__=~"vllm.*"}']}""", "names a metric"),
        ("""{name: main, url: "http://p:9090", match: ['{job=~".*"}']}""", "does not match the empty text"),
        ("""{name: main, url: "http://p:9090", match: []}""", "at least 1 item"),
        ("""{name: main, url: "ftp://p:9090", match: ['{job="vllm"}']}""", "pattern"),
        ("""{name: "a/b", url: "http://p:9090", match: ['{job="vllm"}']}""", "pattern"),
        ("""{name: main, url: "http://p:9090", match: ['{job="vllm"}']}, &""", ""),
    ],
)
def test_a_prometheus_server_that_cannot_be_read_is_two(tmp_path: Path, setting: str, says: str) -> None:
    twice = setting.removesuffix(", &")
    entries = [twice, twice] if twice != setting else [setting]
    (tmp_path / "burnline.yaml").write_text(f"collector: {{prometheus: [{', '.join(entries)}]}}\n")
    done = run(tmp_path, "config", "check")
    assert done.code == 2
    assert (says or "two servers have one name") in done.err


def test_an_unknown_key_is_two_and_names_file_line_and_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("collector:\n  flush_interval: 2s\n  scrap: []\n")
    done = run(tmp_path, "config", "check", "--config", "mine.yaml")
    assert (done.code, done.out) == (2, "")
    assert done.err == "mine.yaml:3: unknown key 'scrap' in collector; did you mean 'scrape'?\n"


def test_an_error_in_the_environment_is_two_and_names_the_variable(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "check", env={"BURNLINE_API__PORT": "many"})
    assert done.code == 2
    assert done.err.startswith("BURNLINE_API__PORT:")


def test_broken_slo_files_make_the_configuration_wrong(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text("kind: SLO\n")
    (tmp_path / "burnline.yaml").write_text("engine: {slos: [slo.yaml]}\n")
    done = run(tmp_path, "config", "check")
    assert done.code == 2
    assert "slo.yaml:1: " in done.err


@pytest.mark.parametrize("part", ["collector", "engine", "alerter", "api", "dashboard"])
def test_a_part_with_a_wrong_configuration_ends_with_two_before_it_starts(tmp_path: Path, part: str) -> None:
    (tmp_path / "burnline.yaml").write_text("apis: {}\n")
    done = run(tmp_path, part)
    assert done.code == 2
    assert "burnline.yaml:1: unknown key 'apis'" in done.err


def test_up_with_a_wrong_configuration_ends_with_two_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "burnline.yaml").write_text("apis: {}\n")
    done = spawn(tmp_path, "up")
    assert (done.code, done.out) == (2, "")
    assert done.err == "burnline.yaml:1: unknown key 'apis' in the file; did you mean 'api'?\n"


def test_the_api_refuses_an_address_that_others_can_reach(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "check", env={"BURNLINE_API__HOST": "0.0.0.0"})
    assert done.code == 2
    assert "127.0.0.1" in done.err


@pytest.mark.parametrize("shard", ["b", "2/8"])
def test_several_shards_need_postgresql(tmp_path: Path, shard: str) -> None:
    done = run(tmp_path, "config", "check", env={"BURNLINE_COLLECTOR__SHARD": shard})
    assert done.code == 2
    assert "PostgreSQL" in done.err


def test_a_question_before_there_is_a_database_says_what_to_run(tmp_path: Path) -> None:
    done = run(tmp_path, "slo", "status")
    assert done.code == 2
    assert "burnline db upgrade" in done.err


# The database and what is in it.


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty database."""
    folder = tmp_path_factory.mktemp("instance")
    (folder / "burnline.yaml").write_text("storage: {directory: .}\n")
    done = run(folder, "db", "upgrade")
    assert done.code == 0, done.err
    return folder


@pytest.mark.parametrize("words", ["slo status", "incident list", "silence list", "maintenance list", "debug targets"])
def test_an_empty_answer_is_an_empty_list(instance: Path, words: str) -> None:
    done = run(instance, *words.split(), "--json")
    assert (done.code, json.loads(done.out)) == (0, [])


def test_debug_targets_says_what_is_wrong_with_each(tmp_path: Path) -> None:
    (tmp_path / "burnline.yaml").write_text("storage: {directory: .}\n")
    assert run(tmp_path, "db", "upgrade").code == 0
    odd = TargetHealth("http://a:1/metrics", "0", "llm", {}, 15.0, 1.0, engine="vllm", up=True)
    odd.conditions = ["frozen: nothing moves", "duplicates: 2 samples"]
    gone = TargetHealth("http://b:1/metrics", "0", "llm", {}, 15.0, 1.0, up=False, error_reason="timeout", error="late")
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    with database.write() as connection:
        fleet.put_targets(connection, [odd, gone])
    database.dispose()
    assert [line.split() for line in run(tmp_path, "debug", "targets").out.splitlines()[1:]] == [
        ["up", "llm", "vllm", "http://a:1/metrics", "frozen:", "nothing", "moves"],
        ["duplicates:", "2", "samples"],
        ["down", "llm", "-", "http://b:1/metrics", "timeout:", "late"],
    ]
    (found, _) = json.loads(run(tmp_path, "debug", "targets", "--json").out)
    assert found["conditions"] == odd.conditions


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("silence", "add", "slo=~.*", "--for", "1h"), "matcher"),
        (("silence", "add", "slo", "--for", "1h"), "slo"),
        (("silence", "add", "slo=ttft", "--for", "5parsecs"), "5parsecs"),
        (("silence", "expire", "nothing-like-it"), "nothing-like-it"),
        (("maintenance", "end", "nothing-like-it"), "nothing-like-it"),
        (("maintenance", "add", "slo=a", "--reason", "x", "--from", "2001-01-01T00:00"), "48 hours back"),
        (("maintenance", "add", "slo=a", "--reason", "x", "--zone", "Mars"), "Mars"),
        (("maintenance", "add", "slo=a", "--reason", "x", "--rule", "weekly"), "FREQ=WEEKLY;BYDAY=TU"),
        (("incident", "ack", "7"), "7"),
    ],
)
def test_what_cannot_be_done_says_why_and_is_not_zero(instance: Path, words: tuple[str, ...], says: str) -> None:
    done = run(instance, *words)
    assert done.code in (1, 2)
    assert says in done.err
    assert done.out == ""


def test_a_part_without_its_tables_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    done = run(tmp_path, "evaluator")
    assert (done.code, done.out) == (1, "")
    assert "burnline db upgrade" in done.err


def test_an_unknown_command_is_wrong_use(tmp_path: Path) -> None:
    assert run(tmp_path, "nothing").code == 2


# Help.


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_help_explains_every_command_and_option(path: tuple[str, ...]) -> None:
    command = TREE[path]
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    assert len((command.help or "").split()) >= 3, "a command without a sentence"
    for parameter in command.params:
        if not isinstance(parameter, click.Argument) and parameter.name != "help":
            assert getattr(parameter, "help", None), f"{parameter.name} is not explained"


HEAVY = ("sqlalchemy", "aiohttp", "pydantic", "streamlit", "fastapi", "numpy", "httpx")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['burnline', '--help']\n"
        "from burnline.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as leaving:\n    assert not leaving.code\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_engines_list_says_what_each_tells_and_where_to_scrape_it(tmp_path: Path) -> None:
    found = {one["engine"]: one for one in json.loads(run(tmp_path, "engines", "list", "--json").out)}
    assert found.keys() >= {"dcgm", "epp", "litellm", "sglang", "tgi", "triton", "vllm"}
    assert found["litellm"]["scrape"] == {"path": "/metrics/", "port": 4000, "content_type": "negotiated"}
    assert found["vllm"]["versions"] == "v0 of 0.5 and its like, v1 from 0.8 to 0.33"
    assert found["litellm"]["dimensions"]["tenant"][0] == "team_alias"
    assert "averages only" in found["triton"]["cannot"]["e2e"]
    assert "litellm (gateway, /metrics/): cost" in run(tmp_path, "engines", "list").out


def test_engines_identify_tells_a_range_of_versions_or_why_not(tmp_path: Path) -> None:
    page = tmp_path / "page.prom"
    for text, version, reason in (
        ("vllm:num_requests_waiting_by_reason 0\n", "after 0.17.1", None),
        ("nv_inference_request_success 1\n", None, "Triton does not tell its version on the page; its /v2 does."),
    ):
        page.write_text(text)
        found = json.loads(run(tmp_path, "engines", "identify", str(page), "--json").out)
        assert (found["version"], found["version_reason"]) == (version, reason)
        assert f"version: {version or 'not known'}" in run(tmp_path, "engines", "identify", str(page)).out
