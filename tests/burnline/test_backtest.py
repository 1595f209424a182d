"""`burnline backtest`: over a file, over the live ledger, beside another policy, as JSON and as charts."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from burnline.times import parse_moment
from core.errors import ConfigError
from storage import slo_sets
from storage.database import Database, sqlite_url
from storage.migrate import upgrade
from tests import schemas
from tests.burnline.test_cli import Done, run
from tests.burnline.test_replay import BEGIN, SLO
from tests.slo_engine.backtest.test_live import BAD, GOOD, M
from tests.slo_engine.world import GOOD_REQUESTS, START, World, spec

HOUR = 3600
TABLE = "period: 30d\nrows:\n  - {severity: page, long: 30m, short: 5m, budget_percent: 1}\n"


def page_text(hours: int = 5) -> str:
    """A server scraped each minute: 600 requests a minute, a third of which fail in 40 minutes of the third hour."""
    labels = 'instance="s:80",job="app",region="eu"'
    counts, lines = {"200": 0, "500": 0}, {"200": [], "500": []}  # type: dict[str, int], dict[str, list[str]]
    times = range(BEGIN, BEGIN + hours * HOUR + 1, 60)
    for at in times:
        bad = 200 if 2 * HOUR < at - BEGIN <= 2 * HOUR + 2400 else 0
        counts["200"] += 600 - bad
        counts["500"] += bad
        for code, n in counts.items():
            lines[code].append(f'app_requests_total{{code="{code}",{labels}}} {n} {at}')
    starts = [f"process_start_time_seconds{{{labels}}} {BEGIN - 5000} {at}" for at in times]
    text = ["# TYPE app_requests counter", *lines["200"], *lines["500"]]
    return "\n".join([*text, "# TYPE process_start_time_seconds gauge", *starts, "# EOF", ""])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "day.om").write_text(page_text())
    (tmp_path / "slo.yaml").write_text(SLO.replace("WINDOW", "30d"))
    (tmp_path / "table.yaml").write_text(TABLE)
    return tmp_path


def over_file(folder: Path, *more: str) -> dict[str, Any]:
    done = run(folder, "backtest", "--slo", "slo.yaml", "--openmetrics", "day.om", "--json", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    schemas.check("backtest", found)
    return found


def test_a_file_tells_when_alerts_would_have_fired_by_which_row_and_what_was_left(folder: Path) -> None:
    found = over_file(folder)
    assert found["counts"]["pages"] == 1
    page = next(one for one in found["alerts"] if one["severity"] == "page")
    assert page["group"] == {"region": "eu"}
    assert (page["starts_at"], page["firing_at"]) == ("2026-01-05T02:03:00Z", "2026-01-05T02:26:00Z")  # 5,200 of 36,000
    assert page["row"] == {"severity": "page", "long": "1h", "short": "5m", "factor": 14.4}
    assert page["resolved_at"] == "2026-01-05T03:06:00Z"  # the half-hour window is the last to come down
    left = page["budget_remaining"]
    assert left["start"] >= left["firing"]
    assert [zone["step"] for zone in found["resolution"]] == ["1m"]
    budget = found["slos"][0]["groups"][0]["budget"]
    assert budget[0]["remaining"] == 1.0
    assert min(point["remaining"] for point in budget) < 0


def test_another_table_tells_of_the_same_incident_at_another_time(folder: Path) -> None:
    against = over_file(folder, "--against", "table.yaml")["against"]
    assert against["name"] == "table.yaml"
    changes = {one["severity"]: (one["change"], one["seconds"]) for one in against["differences"]}
    assert changes == {"page": ("earlier", -780), "ticket": ("only_here", None)}  # 2,600 of 18,000


def test_other_slos_are_compared_by_name(folder: Path) -> None:
    (folder / "soft.yaml").write_text(SLO.replace("WINDOW", "30d").replace("99}", "50}"))
    against = over_file(folder, "--against", "soft.yaml")["against"]
    assert {one["change"] for one in against["differences"]} == {"only_here"}
    (folder / "else.yaml").write_text(SLO.replace("WINDOW", "30d").replace("name: success", "name: other"))
    done = run(folder, "backtest", "--slo", "slo.yaml", "--openmetrics", "day.om", "--against", "else.yaml")
    assert (done.code, "compared by name" in done.err) == (2, True)


def test_a_span_is_judged_with_what_came_before_it(folder: Path) -> None:
    found = over_file(folder, "--from", "2026-01-05T02:05:00Z", "--to", "2026-01-05T02:30:00Z")
    assert (found["from"], found["to"]) == ("2026-01-05T02:05:00Z", "2026-01-05T02:30:00Z")
    assert all(one["resolved_at"] is None for one in found["alerts"])


def test_words_for_people(folder: Path) -> None:
    done = run(folder, "backtest", "--slo", "slo.yaml", "--openmetrics", "day.om", "--against", "table.yaml")
    assert done.code == 0
    assert "1 page, " in done.out
    assert re.search(r"page +success +region=eu +2026-01-05T02:", done.out)
    assert "note: targets that left the fleet" in done.out


@pytest.mark.parametrize("name", ["day.html", "day.png", "day.svg"])
def test_charts_stand_in_one_file_that_needs_nothing_from_elsewhere(folder: Path, name: str) -> None:
    over_file(folder, "--plot", name, "--against", "table.yaml")
    body = (folder / name).read_bytes()
    assert body[:4] == b"\x89PNG" or b"success" in body
    assert not re.search(rb'(src|href)="https?://', body)


# The live ledger.


@pytest.fixture
def live(tmp_path: Path) -> World:
    """A configuration, and six hours of a fleet with an outage and a reset."""
    storage = tmp_path / "var"
    storage.mkdir()
    upgrade(Database(sqlite_url(storage / "burnline.db")))
    world = World(storage)
    world.count(range(START, START + 6 * HOUR, 60), {(GOOD, M): 100})
    world.count(range(START + HOUR, START + HOUR + 900, 60), {(BAD, M): 100}, "outage", coverage=None)
    world.lead(spec(GOOD_REQUESTS, 99.0, "quick"))
    for minute in range(START + 60, START + 6 * HOUR + 60, 60):
        world.tick(minute)
    slo_sets.reset(world.db, "quick", None, START + 3.0 * HOUR, "ann", "a proxy lied", START + 3.0 * HOUR)
    (tmp_path / "slos.yaml").write_text(spec(GOOD_REQUESTS, 99.0, "quick"))
    (tmp_path / "burnline.yaml").write_text("storage: {directory: var}\nengine: {packs: [], slos: [slos.yaml]}\n")
    return world


def ledger(world: World, *more: str) -> tuple[Done, dict[str, Any]]:
    done = run(world.folder.parent, "backtest", "--ledger", "--json", "--from", "2026-01-05T00:00:00Z", *more)
    found = json.loads(done.out) if done.code == 0 else {}
    if found:
        schemas.check("backtest", found)
    return done, found


def test_slos_in_force_over_the_ledger_fire_as_they_did(live: World) -> None:
    _, found = ledger(live)
    told = [(int(e.at), e.severity) for e in live.events("quick") if e.transition == "firing"]
    assert [(parse_moment(one["firing_at"], 0.0), one["severity"]) for one in found["alerts"]] == told
    assert told
    ended = [int(e.at) for e in live.events("quick") if e.transition == "resolved"]
    assert sorted(parse_moment(one["resolved_at"], 0.0) for one in found["alerts"] if one["resolved_at"]) == ended


def test_a_reset_is_told_and_the_budget_counts_anew_from_it(live: World) -> None:
    _, found = ledger(live)
    assert [(one["at"], one["reason"]) for one in found["resets"]] == [("2026-01-05T03:00:00Z", "a proxy lied")]
    budget = {one["at"]: one["remaining"] for one in found["slos"][0]["groups"][0]["budget"]}
    assert budget["2026-01-05T02:59:00Z"] < 0
    assert budget["2026-01-05T03:02:00Z"] == 1.0
    svg = live.folder.parent / "live.svg"
    ledger(live, "--plot", str(svg))
    assert "a proxy lied" in svg.read_text()


def test_the_live_database_is_only_read(live: World) -> None:
    live.db.dispose()
    file = live.folder / "burnline.db"

    def content() -> str:
        database = Database(sqlite_url(file))
        with database.read() as connection:
            driver: Any = connection.connection.driver_connection
            text = "\n".join(driver.iterdump())
        database.dispose()
        return hashlib.sha256(text.encode()).hexdigest()

    before = content()
    assert ledger(live, "--slo", "slos.yaml")[0].code == 0
    assert content() == before


def test_a_time_without_counts_is_refused_and_says_where_they_end(live: World) -> None:
    done = run(live.folder.parent, "backtest", "--ledger", "--from", "2026-02-01T00:00:00Z")
    assert (done.code, "newest counts (2026-01-05T06:00:00Z)" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "one of --openmetrics FILE, --prometheus URL and --ledger"),
        (("--ledger", "--openmetrics", "day.om"), "one of --openmetrics"),
        (("--openmetrics", "day.om"), "--slo is needed"),
        (("--openmetrics", "none.om", "--slo", "slo.yaml"), "none.om: cannot be read"),
        (("--openmetrics", "slo.yaml", "--slo", "slo.yaml"), "slo.yaml:1"),
        (("--openmetrics", "day.om", "--slo", "day.om"), "day.om:"),
        (("--openmetrics", "day.om", "--slo", "slo.yaml", "--from", "yesterday"), "'yesterday' is no time"),
        (("--openmetrics", "day.om", "--slo", "slo.yaml", "--from", "now", "--to", "-1d"), "--to must be after --from"),
        (("--openmetrics", "day.om", "--slo", "slo.yaml", "--from", "-1d"), "holds samples from"),
        (("--openmetrics", "day.om", "--slo", "slo.yaml", "--plot", "a.gif"), ".html, .png or .svg"),
        (("--openmetrics", "day.om", "--slo", "slo.yaml", "--plot", "no/a.png"), "does not exist"),
        (("--prometheus", "main", "--slo", "slo.yaml", "--from", "-1d"), "is no URL"),
        (("--prometheus", "http://127.0.0.1:1", "--slo", "slo.yaml"), "needs --from"),
        (("--prometheus", "http://127.0.0.1:1", "--slo", "slo.yaml", "--from", "-1h"), "connect: no connection"),
        (("--prometheus", "http://a", "--match", "up", "--slo", "slo.yaml", "--from", "-1h"), "names a metric"),
    ],
)
def test_wrong_use_says_what_to_write(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = run(folder, "backtest", *words)
    assert (done.code, said in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", 1e9),
        ("-7d", 1e9 - 7 * 86_400),
        ("now-1h30m", 1e9 - 5400),
        ("now-0", 1e9),
        ("1767571200", 1767571200.0),
        ("2026-01-05T00:00:00Z", 1767571200.0),
    ],
)
def test_a_moment_may_be_told_from_now_on_back(text: str, time: float) -> None:
    assert parse_moment(text, 1e9) == time


@pytest.mark.parametrize(
    "text", ["-5", "now-", "now+1d", "-7 d", "-99999999d", "", "soon", "2026-01-05T00:00:00", "nan"]
)
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_moment(text, 1e9)
