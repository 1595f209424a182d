"""`burnline slo plan, apply, history, reset`: what they say, their exit codes, and what stays in the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.errors import ConfigError
from core.measures import Measure
from slo_engine.metrics import EngineMetrics
from slo_engine.service import EngineService
from slo_engine.settings import EngineSettings
from storage import slo as store
from storage import slo_sets
from storage.database import Database, sqlite_url
from storage.migrate import upgrade
from storage.slo_sets import SpecFile
from storage.tables import audit
from tests import schemas
from tests.burnline.test_cli import run
from tests.slo_engine.world import GOOD_REQUESTS, START, World, ratio, spec

GOOD, BAD = (Measure("requests", "engine", (("outcome", one),)) for one in ("good", "bad"))
M = (("model", "llama"),)
ALL = "signal: requests, by: [model]"
HOURS = 3 * 3600


def quick(target: float = 99.0, **more: str) -> str:
    return spec(GOOD_REQUESTS, target, "quick", **more)


class Place:
    """A configuration, a fleet's ledger with ten minutes of errors, and an engine that has read the files once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.slos = folder / "slos"
        self.slos.mkdir()
        (self.slos / "quick.yaml").write_text(quick())
        (folder / "var").mkdir()
        self.configure("files")
        upgrade(Database(sqlite_url(folder / "var" / "burnline.db")))
        self.world = World(folder / "var")
        self.world.count(range(START, START + HOURS, 60), {(GOOD, M): 100, (BAD, M): 0}, "a")
        self.world.count(range(START + HOURS - 600, START + HOURS, 60), {(GOOD, M): 0, (BAD, M): 100}, "a")
        self.world.lead(quick(), ttl=0.0)
        self.world.tick(START + HOURS)
        self.engine()

    def configure(self, source: str) -> None:
        text = f"storage: {{directory: var}}\nengine: {{packs: [], slos: [slos], slo_source: {source}}}\n"
        (self.folder / "burnline.yaml").write_text(text)

    def engine(self, source: str = "files") -> EngineService:
        """An engine process that takes over and does a round."""
        settings = EngineSettings(packs=(), slos=(self.slos,), slo_source=source)  # type: ignore[arg-type]
        service = EngineService(self.world.db, settings, "", self.world.clock, EngineMetrics())
        assert service._hold()
        service._round()
        service._release()
        return service

    def write(self, *texts: str) -> Path:
        folder = self.folder / "new"
        folder.mkdir(exist_ok=True)
        (folder / "quick.yaml").write_text("---\n".join(texts))
        return folder

    def plan(self, *more: str) -> tuple[int, dict[str, Any]]:
        done = run(self.folder, "slo", "plan", "new", "--json", *more)
        found = json.loads(done.out) if done.out else {}
        if found:
            schemas.check("slo-plan", found)
        return done.code, found

    def apply(self, *more: str) -> Any:
        return run(self.folder, "slo", "apply", "new", "--reason", "agreed", "--by", "ann", "--yes", *more)

    def history(self, name: str = "quick") -> list[dict[str, Any]]:
        found = json.loads(run(self.folder, "slo", "history", name, "--json").out)
        schemas.check("slo-history", found)
        entries: list[dict[str, Any]] = found["entries"]
        return entries

    def audited(self) -> list[Any]:
        with self.world.db.read() as connection:
            return [(r.actor, r.action, r.subject) for r in connection.execute(select(audit).order_by(audit.c.id))]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_files_as_they_are_in_force_change_nothing(place: Place) -> None:
    place.write(quick())
    code, found = place.plan("--check")
    assert (code, found["changes"], found["alerts"]) == (0, [], None)
    assert "no changes" in run(place.folder, "slo", "plan").out


def test_a_plan_has_fields_budgets_and_the_alerts_of_both_sides(place: Place) -> None:
    place.write(quick(99.9), spec(GOOD_REQUESTS, 90, "other"))
    code, found = place.plan("--check")
    assert code == 2
    assert [(one["slo"], one["change"]) for one in found["changes"]] == [("other", "added"), ("quick", "changed")]
    assert found["changes"][1]["fields"] == [{"field": "objective", "before": "99/100", "after": "999/1000"}]
    budgets = {one["slo"]: one for one in found["budgets"]}
    assert budgets["quick"]["before"] == budgets["quick"]["after"] < 0  # the past stays under what was promised then
    assert budgets["other"]["before"] is None
    assert found["alerts"]["before"]["counts"]["pages"] == 1
    assert found["alerts"]["after"]["counts"]["pages"] >= 1
    assert place.plan()[0] == 0
    said = run(place.folder, "slo", "plan", "new").out
    assert "+ other" in said
    assert "    objective: 99/100 → 999/1000" in said


def test_a_plan_tells_alerting_by_itself_and_what_is_removed(place: Place) -> None:
    place.write(quick(page="false"))
    _, found = place.plan()
    (field,) = found["changes"][0]["fields"]
    assert field["field"] == "alerting"
    assert (field["before"]["page"], field["after"]["page"]) == (True, False)
    place.write(spec(GOOD_REQUESTS, 90, "other"))
    assert [(one["slo"], one["change"]) for one in place.plan()[1]["changes"]] == [
        ("other", "added"),
        ("quick", "removed"),
    ]


def test_words_alone_are_a_change_that_judges_nothing(place: Place) -> None:
    place.write(quick().replace("service: chat", "service: talk"))
    code, found = place.plan("--check")
    assert (code, found["alerts"], found["budgets"]) == (2, None, [])


def test_check_exits_with_1_on_any_error(place: Place) -> None:
    place.write("kind: SLO\n")
    done = run(place.folder, "slo", "plan", "new", "--check")
    assert done.code == 1
    assert "quick.yaml:1" in done.err
    assert run(place.folder, "slo", "plan", "nowhere", "--check").code == 1


def test_what_is_applied_is_kept_audited_and_followed_by_the_engine(place: Place) -> None:
    place.configure("applied")
    place.write(quick(99.9))
    done = place.apply()
    assert (done.code, "applied as set 2" in done.out) == (0, True)
    engine = place.engine("applied")
    assert [slo.objective for slo in engine._files.slos] == [0.999]
    place.write(quick(99.5))
    place.apply()
    assert engine._files.refresh()
    assert [slo.objective for slo in engine._files.slos] == [0.995]
    stored = slo_sets.newest(place.world.db, "apply")
    assert stored is not None
    assert (stored.actor, stored.reason, stored.files) == ("ann", "agreed", (SpecFile("quick.yaml", quick(99.5)),))
    assert place.audited() == [("ann", "slo.apply", "2"), ("ann", "slo.apply", "3")]
    assert place.plan()[1]["changes"] == []


def test_while_the_engine_follows_files_an_applied_set_waits(place: Place) -> None:
    place.write(quick(99.9))
    done = place.apply()
    assert done.code == 0
    assert "until engine.slo_source is set to applied" in done.err
    assert [slo.objective for slo in place.engine()._files.slos] == [0.99]
    assert place.plan("--check")[0] == 2  # the files are still what is in force


def test_without_a_set_the_engine_reads_the_files(place: Place) -> None:
    assert [slo.objective for slo in place.engine("applied")._files.slos] == [0.99]


def test_an_answer_of_no_and_an_empty_reason_change_nothing(place: Place) -> None:
    place.write(quick(99.9))
    assert run(place.folder, "slo", "apply", "new", "--reason", "agreed").code == 1
    done = run(place.folder, "slo", "apply", "new", "--reason", " ", "--yes")
    assert (done.code, "say why" in done.err) == (2, True)
    assert slo_sets.newest_id(place.world.db, "apply") is None
    assert place.audited() == []


def test_an_edit_that_would_hide_a_spent_budget_is_refused_unless_that_is_said(place: Place) -> None:
    place.configure("applied")
    place.write(spec(ratio(ALL, ALL), 99.0, "quick"))  # whatever happens is good now
    found = place.plan()[1]
    assert [one["hides_spent_budget"] for one in found["budgets"]] == [True]
    done = place.apply()
    assert (done.code, "burnline slo reset" in done.err) == (2, True)
    assert slo_sets.newest_id(place.world.db, "apply") is None
    assert place.apply("--accept-lost-budget").code == 0


def test_of_two_that_apply_at_once_the_second_is_told_and_changes_nothing(place: Place) -> None:
    files, described = (SpecFile("a.yaml", quick()),), {"quick": {"objective": "99/100"}}
    first = slo_sets.apply(place.world.db, files, described, "ann", "x", 1.0, {}, None)
    with pytest.raises(ConfigError, match="meanwhile"):
        slo_sets.apply(place.world.db, files, described, "bob", "y", 2.0, {}, None)
    assert slo_sets.newest_id(place.world.db, "apply") == first
    assert [actor for actor, _, _ in place.audited()] == ["ann"]


def test_the_history_has_sets_revisions_and_resets_with_who_and_why(place: Place) -> None:
    place.configure("applied")
    place.write(quick(99.9))
    place.apply()
    run(place.folder, "slo", "reset", "quick", "--reason", "a proxy lied", "--by", "bob")
    entries = place.history()
    kinds = [one["kind"] for one in entries]
    assert sorted(kinds) == ["apply", "files", "reset", "revision"]
    applied = next(one for one in entries if one["kind"] == "apply")
    assert (applied["by"], applied["reason"], applied["text"]) == ("ann", "agreed", quick(99.9))
    assert (applied["objective"], applied["window"]) == ("999/1000", "30d")
    reset = next(one for one in entries if one["kind"] == "reset")
    assert (reset["by"], reset["reason"], reset["group"]) == ("bob", "a proxy lied", None)
    assert "a proxy lied" in run(place.folder, "slo", "history", "quick").out
    done = run(place.folder, "slo", "history", "quck")
    assert (done.code, "there are quick" in done.err) == (2, True)


def test_a_reset_of_a_group_is_stored_audited_and_shown(place: Place) -> None:
    ask = ("slo", "reset", "quick", "--reason", "a proxy lied", "--by", "bob")
    done = run(place.folder, *ask, "--group", "model=llama", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    schemas.check("slo-reset", found)
    assert [(one["group"], one["by"], one["reason"]) for one in found] == [({"model": "llama"}, "bob", "a proxy lied")]
    assert place.audited() == [("bob", "slo.reset", "quick")]
    assert "budget left was -" in run(place.folder, *ask).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("quick", "--reason", ""), "say why"),
        (("quck", "--reason", "x"), "there are quick"),
        (("quick", "--reason", "x", "--group", "model"), "write label=value"),
        (("quick", "--reason", "x", "--group", "model=qwen"), "there are model=llama"),
    ],
)
def test_a_reset_that_cannot_be_says_what_there_is(place: Place, words: tuple[str, ...], said: str) -> None:
    done = run(place.folder, "slo", "reset", *words)
    assert (done.code, said in done.err) == (2, True), done.err
    assert slo_sets.resets(place.world.db) == []


def test_the_engine_records_the_files_once_for_each_change(place: Place) -> None:
    place.engine()
    assert [one.origin for one in slo_sets.every(place.world.db)] == ["files"]
    (place.slos / "quick.yaml").write_text(quick(99.9))
    place.engine()
    assert [one.slos["quick"]["objective"] for one in slo_sets.every(place.world.db)] == ["99/100", "999/1000"]
    assert store.revisions(place.world.db)[-1].objective == "999/1000"
