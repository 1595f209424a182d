"""`burnline slo validate`, `convert` and `lint`: exit codes, streams, files, and JSON that its schema describes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnline.converting import as_document
from burnline.linting import as_document as as_report
from burnline.linting import run as lint_run
from burnline.settings import load
from core.measures import Measure
from slo_engine.lint import RULES, Finding, Report, Unchecked
from slo_engine.specs.converting import Conversion
from slo_engine.specs.dialects import Remark
from slo_engine.specs.model import Problem
from storage.database import Database, sqlite_url
from storage.migrate import upgrade
from tests.burnline.test_cli import GOOD, run
from tests.schemas import check, schema
from tests.slo_engine.world import START, World, source, spec

SLOTH = """\
version: prometheus/v1
service: web
slos:
  - name: ok
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(a{code="5"}[{{.window}}]))
        total_query: sum(rate(a[{{.window}}]))
    alerting: {name: X}
"""
PYRRA = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: api}
spec:
  target: '90'
  window: 4w
  indicator:
    ratio: {errors: {metric: bad}, total: {metric: all}, grouping: [pod]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sloth.yaml").write_text(SLOTH)
    (tmp_path / "pyrra.yaml").write_text(PYRRA)
    return tmp_path


# validate


def test_validate_takes_the_files_of_other_tools(folder: Path) -> None:
    done = run(folder, "slo", "validate", "sloth.yaml", "pyrra.yaml")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_validate_says_what_leniency_let_pass_and_its_json_is_what_the_schema_says(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("target: 0.99", "target: 0.99, op: gt"))
    strict = run(tmp_path, "slo", "validate", "a.yaml", "--json")
    assert strict.code == 1
    check("slo-validate", json.loads(strict.out))
    lenient = run(tmp_path, "slo", "validate", "a.yaml", "--lenient", "--json")
    assert lenient.code == 0
    assert json.loads(lenient.out) == []
    assert lenient.err.startswith("a.yaml:15: lenient: spec.objectives[0].op: is left out")


# convert


def test_convert_prints_valid_openslo_and_says_the_rest_on_stderr(folder: Path) -> None:
    done = run(folder, "slo", "convert", "sloth.yaml", "pyrra.yaml")
    assert done.code == 4
    assert "sloth.yaml:10: lost: slos[0].alerting.name: " in done.err
    assert done.err.splitlines()[-1] == "2 SLOs; 1 keys are lost or ignored"
    (folder / "out.yaml").write_text(done.out)
    assert run(folder, "slo", "validate", "out.yaml").code == 0
    assert done.out.startswith("# From sloth.yaml:4, a file of Sloth.\napiVersion: openslo/v1\n")


def test_convert_without_losses_is_zero(folder: Path) -> None:
    assert run(folder, "slo", "convert", "pyrra.yaml").code == 0


def test_convert_writes_a_file_an_slo_and_replaces_none_unasked(folder: Path) -> None:
    done = run(folder, "slo", "convert", "sloth.yaml", "pyrra.yaml", "--out", "slos")
    assert (done.code, done.out) == (4, "")
    assert sorted(path.name for path in (folder / "slos").iterdir()) == ["api.yaml", "web-ok.yaml"]
    assert run(folder, "slo", "validate", "slos").code == 0
    again = run(folder, "slo", "convert", "sloth.yaml", "--out", "slos")
    assert again.code == 2
    assert again.err.startswith("slos/web-ok.yaml: exists already")
    assert run(folder, "slo", "convert", "sloth.yaml", "--out", "slos", "--force", "--period", "4w").code == 4
    assert "duration: 4w" in (folder / "slos" / "web-ok.yaml").read_text()


def test_convert_of_a_wrong_file_writes_nothing(folder: Path) -> None:
    (folder / "bad.yaml").write_text(SLOTH.replace("99.9", "101").replace("web", "shop"))
    done = run(folder, "slo", "convert", "bad.yaml", "pyrra.yaml", "--out", "slos")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("bad.yaml:5: slos[0].objective: must be above 0 and below 100, not 101\n")
    assert not (folder / "slos").exists()
    assert run(folder, "slo", "convert", "nowhere.yaml").code == 1


@pytest.mark.parametrize("period", ["30", "0d", "x", "1h30m"])
def test_convert_refuses_a_period_that_openslo_cannot_write(folder: Path, period: str) -> None:
    done = run(folder, "slo", "convert", "sloth.yaml", "--period", period)
    assert done.code == 2
    assert done.err.startswith("--period: ")


def test_a_folder_that_cannot_be_made_is_said(folder: Path) -> None:
    done = run(folder, "slo", "convert", "sloth.yaml", "--out", "pyrra.yaml/x")
    assert done.code == 2
    assert "pyrra.yaml/x: cannot be written" in done.err


def test_converts_json_is_what_its_schema_says(folder: Path) -> None:
    done = run(folder, "slo", "convert", "sloth.yaml", "--json", "--out", "slos")
    check("slo-convert", json.loads(done.out))
    assert json.loads(done.out)["documents"][0]["written_to"] == "slos/web-ok.yaml"
    printed = run(folder, "slo", "convert", "sloth.yaml", "--json")
    check("slo-convert", json.loads(printed.out))
    assert json.loads(printed.out)["documents"][0]["written_to"] is None
    remarks = tuple(Remark("a", 1, "k", kind, "m") for kind in ("lost", "ignored", "chosen"))
    check("slo-convert", as_document(Conversion((), remarks, (Problem("a", 0, "m"),)), {}))


LABELS = 'job="w",instance="a:1"'
HTTP = (("http_total", ',code="200"', 99), ("http_total", ',code="500"', 1))
LATENCY = (("d_bucket", ',le="0.4"', 90), ("d_bucket", ',le="+Inf"', 100), ("d_count", "", 100))
RAW = """\
  - name: fast
    objective: 95
    sli:
      raw:
        error_ratio_query: 1 - sum(rate(d_bucket{le="0.4"}[{{.window}}])) / sum(rate(d_count[{{.window}}]))
    alerting: {name: X}
"""


def _history() -> str:
    """An hour of one target, a sample every 30 s: 1 % errors, and 90 % of all within 0.4 s."""
    lines = []
    for family, series in (("counter http", HTTP), ("histogram d", LATENCY)):
        lines.append("# TYPE {1} {0}".format(*family.split()))
        lines += [f"{n}{{{LABELS}{more}}} {i * by} {START + i * 30}" for n, more, by in series for i in range(121)]
    return "\n".join([*lines, "# EOF\n"])


def test_a_file_of_sloth_counts_the_same_as_it_is_and_converted(tmp_path: Path) -> None:
    text = SLOTH.replace('a{code="5"}', 'http_total{code=~"5.."}').replace("rate(a[", "rate(http_total[") + RAW
    (tmp_path / "sloth.yaml").write_text(text)
    (tmp_path / "history.om").write_text(_history())
    assert run(tmp_path, "slo", "convert", "sloth.yaml", "--out", "slos").code == 4
    replay = ("ledger", "replay", "--openmetrics", "history.om", "--json", "--slo")
    direct, converted = (json.loads(run(tmp_path, *replay, path).out) for path in ("sloth.yaml", "slos"))
    assert direct == converted
    counts = {row["slo"]: (row["good"], row["total"], row["exact"]) for row in direct}
    assert counts == {"web-ok": (11_880, 12_000, True), "web-fast": (10_800, 12_000, True)}


# lint


def test_lint_says_what_to_change_and_a_warning_fails_only_when_strict(folder: Path) -> None:
    done = run(folder, "slo", "lint", "pyrra.yaml")
    assert done.code == 0
    assert [line.split(" ")[2] for line in done.out.splitlines()] == ["[dead-alert]", "[label-cardinality]"]
    assert done.out.startswith("pyrra.yaml:5: warning: [dead-alert] ")
    assert "not checked: [low-traffic] the ledger was not read" in done.err
    assert done.err.splitlines()[-1] == "0 errors, 2 warnings"
    assert run(folder, "slo", "lint", "pyrra.yaml", "--strict").code == 1
    assert run(folder, "slo", "lint", "sloth.yaml", "--strict").code == 0


def test_lint_fails_for_an_error_and_for_a_file_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(GOOD.replace(", where: 'outcome=\"good\"'", ""))
    done = run(tmp_path, "slo", "lint", "same.yaml")
    assert done.code == 1
    assert "error: [same-query]" in done.out
    (tmp_path / "wrong.yaml").write_text("a: 1\n")
    assert run(tmp_path, "slo", "lint", "wrong.yaml").code == 1


def test_lint_without_paths_looks_at_what_the_configuration_names(folder: Path) -> None:
    (folder / "burnline.yaml").write_text("engine: {slos: [pyrra.yaml], packs: [llm-serving]}\n")
    done = run(folder, "slo", "lint", "--json")
    report = json.loads(done.out)
    assert done.code == 0
    assert {finding["file"] for finding in report["findings"]} == {"pyrra.yaml"}
    assert {one["rule"] for one in report["unchecked"]} == {"bucket-bound", "low-traffic"}
    check("slo-lint", report)


def test_lint_reads_traffic_and_bounds_from_the_ledger_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var").mkdir()
    database = Database(sqlite_url(tmp_path / "var" / "burnline.db"))
    upgrade(database)
    database.dispose()
    world = World(tmp_path / "var")
    texts = (spec(target=99.9), spec(f"{{thresholdMetric: {source('signal: ttft')}}}", 99, "fast", at_most=0.3))
    world.lead(*texts)
    ttft, good = Measure("ttft", "engine", (), (0.25, 0.5)), Measure("requests", "engine", (("outcome", "good"),))
    world.count([START], {(good, (("model", "llama"),)): 50, (ttft, (("model", "llama"),)): {0: 9, 1: 1}})
    world.tick(START + 3600)
    world.db.dispose()
    (tmp_path / "slos.yaml").write_text("---\n".join(texts))
    (tmp_path / "burnline.yaml").write_text("storage: {directory: var}\nengine: {packs: [], slos: [slos.yaml]}\n")
    monkeypatch.chdir(tmp_path)
    assert lint_run((), load(None, {}), START + 3600.0, strict=False, as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    check("slo-lint", report)
    said = {finding["rule"]: finding["message"] for finding in report["findings"] if "fast" not in finding["message"]}
    assert "50 events in 1h on average in 1 of 1 groups, the least in model=llama" in said["low-traffic"]
    assert "between 0.25 and 0.5 s counts as bad, and 10.00% of the last week's events" in said["bucket-bound"]
    assert report["unchecked"] == []


def test_lints_json_is_what_its_schema_says() -> None:
    findings = tuple(Finding("a", 1, rule.id, rule.severity, "m", "do") for rule in RULES)
    check("slo-lint", as_report(Report(findings, (Unchecked("low-traffic", "why"),), (Problem("a", 0, "m"),))))
    item = schema("slo-lint")["properties"]["findings"]["items"]
    assert item["properties"]["rule"]["enum"] == [rule.id for rule in RULES]
