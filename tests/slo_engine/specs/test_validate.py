"""Files, folders and sets of objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slo_engine.specs.validate import Problem, validate

SHARED = Path(__file__).parents[4] / "shared" / "data" / "slo-specs"

SERVICE = "apiVersion: openslo/v1\nkind: Service\nmetadata:\n  name: {name}\n"
POLICY = """\
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: wake}
spec:
  conditions:
    - conditionRef: fast
  notificationTargets:
    - targetRef: pager
"""
CONDITION = """\
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}
"""
TARGET = """\
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: pager}
spec: {target: pagerduty}
"""


def _written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_problem_reads_as_file_line_message() -> None:
    assert str(Problem("a/b.yaml", 7, "is wrong")) == "a/b.yaml:7: is wrong"


def test_references_are_resolved_across_files_by_kind_and_name(tmp_path: Path) -> None:
    _written(tmp_path, policy=POLICY, condition=CONDITION, target=TARGET)
    assert validate([tmp_path]) == []
    (found,) = validate([tmp_path / "policy.yaml", tmp_path / "condition.yaml"])
    assert (found.file, found.line) == (str(tmp_path / "policy.yaml"), 8)
    assert found.message.endswith("no AlertNotificationTarget is named 'pager'; none is in these files")


def test_a_reference_that_is_nearly_right_is_told_so(tmp_path: Path) -> None:
    _written(tmp_path, policy=POLICY.replace("Ref: fast", "Ref: fats"), condition=CONDITION, target=TARGET)
    (found,) = validate([tmp_path])
    assert found.message.endswith("no AlertCondition is named 'fats'; did you mean 'fast'?")


def test_two_objects_of_one_kind_and_name_are_refused_and_both_places_named(tmp_path: Path) -> None:
    _written(
        tmp_path, a=SERVICE.format(name="web"), b=SERVICE.format(name="shop") + "---\n" + SERVICE.format(name="web")
    )
    (found,) = validate([tmp_path])
    assert (found.file, found.line) == (str(tmp_path / "b.yaml"), 9)
    assert found.message == f"metadata.name: Service 'web' exists already at {tmp_path / 'a.yaml'}:1"


def test_one_name_may_be_used_by_two_kinds(tmp_path: Path) -> None:
    _written(tmp_path, a=SERVICE.format(name="pager"), b=TARGET)
    assert validate([tmp_path]) == []


def test_a_file_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    file = _written(tmp_path, a=SERVICE.format(name="web")) / "a.yaml"
    assert validate([tmp_path, file, file]) == []


def test_folders_are_read_recursively_by_ending_and_hidden_copies_are_left_out(tmp_path: Path) -> None:
    bad = "kind: Service\n"
    for name in ("sub/a.yml", "sub/deep/b.json", "c.txt", ".git/d.yaml", "sub/..data/e.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(bad)
    assert [p.file for p in validate([tmp_path])] == [str(tmp_path / "sub/a.yml"), str(tmp_path / "sub/deep/b.json")]


def test_json_is_read_with_the_lines_of_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(
        '{\n\t"apiVersion": "openslo/v1",\n\t"kind": "Service",\n\t"metadata": {\n\t\t"name": "A"\n\t}\n}\n'
    )
    assert [p.line for p in validate([file])] == [5]


def test_what_cannot_be_read_is_a_problem_each_and_hides_nothing(tmp_path: Path) -> None:
    _written(
        tmp_path,
        syntax="a: [1,\n",
        twice="a: 1\na: 2\n",
        empty="# nothing\n",
        nulls="---\n---\n",
        web=SERVICE.format(name="W"),
    )
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "scalar.yaml").write_text("hello\n")
    (tmp_path / "list.yaml").write_text("[]\n")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    found = {Path(p.file).name: p for p in validate([tmp_path, tmp_path / "missing.yaml", loop])}
    assert set(found) == {
        *(f"{n}.yaml" for n in ("syntax", "twice", "empty", "nulls", "web", "binary", "scalar", "list", "missing")),
        "loop",
    }
    assert found["twice.yaml"].line == 2
    assert found["web.yaml"].line == 4
    assert found["empty.yaml"].message == "is empty"
    assert found["missing.yaml"].message.startswith("cannot be read")


def test_a_folder_without_specs_is_a_problem(tmp_path: Path) -> None:
    (found,) = validate([tmp_path])
    assert found == Problem(str(tmp_path), 0, "holds no file that ends in .yaml, .yml, .json")


UNREAD = [
    ("apiVersion: openslo.com/v2alpha\nkind: SLO\n", "OpenSLO openslo.com/v2alpha"),
    ("apiVersion: pyrra.dev/v2\nkind: ServiceLevelObjective\n", "Pyrra"),
    ("apiVersion: n9/v1alpha\nkind: SLO\n", "Nobl9"),
    ("groups: []\n", "Prometheus rule file"),
    ("apiVersion: v2\n", "apiVersion: 'v2' is not known"),
    ("name: x\n", "apiVersion is required"),
]


@pytest.mark.parametrize(("text", "name"), UNREAD)
def test_what_nothing_reads_gets_one_error_that_names_it(tmp_path: Path, text: str, name: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"---\n{text}---\n{text}")
    (found,) = validate([file])
    assert name in found.message
    assert found.message.endswith("only openslo/v1 is read, and files of Sloth, Pyrra and slo-generator")
    assert found.line == 2


def _manifest() -> list[dict[str, str]]:
    path = SHARED / "manifest.json"
    return json.loads(path.read_text())["files"] if path.exists() else []


needs_files = pytest.mark.skipif(not SHARED.exists(), reason="needs the real spec files beside the checkout")


@needs_files
@pytest.mark.parametrize("entry", _manifest(), ids=lambda entry: entry["file"])
def test_real_files_are_accepted_or_rejected_as_their_own_tool_does(entry: dict[str, str]) -> None:
    found = validate([SHARED / entry["file"]])
    if entry.get("role") == "config":
        assert not found
    elif verdict := entry.get("verdict"):
        assert (not found) == (verdict == "valid"), found
    else:  # schemas and outputs of other tools
        assert len(found) == 1


ONE_EACH = (
    "sloth/example-getting-started.yaml",
    "sloth/example-openslo-kubernetes-apiserver.yaml",
    "pyrra/example-prometheus-http.yaml",
    "slo-generator/prom_latency_distribution_cut.yaml",
    "openslo-v1/spec-example-occurences-slo.yaml",
)


@needs_files
@pytest.mark.parametrize("file", ONE_EACH)
def test_a_name_that_stands_in_two_files_is_refused_in_each_dialect(tmp_path: Path, file: str) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text((SHARED / file).read_text())
    found = validate([SHARED / file, copy])
    assert found
    assert all("exists already at" in problem.message and problem.file == str(copy) for problem in found), found


@needs_files
def test_sloths_examples_share_one_id_which_only_a_set_can_show() -> None:
    one, other = (SHARED / "sloth" / f"example-{name}.yaml" for name in ("getting-started", "plugin-getting-started"))
    assert validate([one]) == validate([other]) == []
    (found,) = validate([one, other])
    assert "SLO 'myservice-requests-availability' exists already" in found.message
