"""The on-call page over databases as the other parts leave them."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from dashboard.snapshot import source
from storage import slo as store
from storage.database import sqlite_url
from storage.slo import StoredRevision
from tests.dashboard.conftest import Opened, Page
from tests.dashboard.world import (
    CANARY,
    ELSEWHERE,
    STABLE,
    TITLE,
    World,
    alert_entry,
    blank_row,
    burning,
    convicted,
    status_row,
)

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> "
    "![i](http://evil.example/i.png) [l](javascript:alert(3)) :red[x]"
)


def test_an_empty_database_is_warming_and_claims_nothing(opened: Opened) -> None:
    page = opened()
    assert "warming: no counts were committed yet" in page.app.info[0].value
    assert "No SLO was judged yet" in page.section("Budgets", "Last hour")
    assert "Discovery has found no target yet" in page.text
    assert "%" not in page.text


def test_counts_without_an_evaluation_are_still_warming(world: World, opened: Opened) -> None:
    world.collected()
    assert "no minute was evaluated yet" in opened().app.info[0].value


def test_a_healthy_fleet_is_quiet_and_tells_the_age_of_its_data(world: World, opened: Opened) -> None:
    world.collected(ago=4)
    world.judged(status_row("ttft", STABLE))
    world.target("http://10.0.0.5:8000/metrics")
    page = opened()
    assert not page.app.error
    assert not page.app.warning
    assert "s old, up to" in page.app.caption[0].value
    assert page.section("Open incidents", "Budgets").strip() == "None."
    assert "0 of 1 burn too fast" in page.text
    assert "Every notification has arrived." in page.text


def test_counts_over_a_minute_old_are_an_error_on_top(world: World, opened: Opened) -> None:
    world.collected(ago=61)
    world.judged(status_row("ttft", STABLE))
    assert "collector blind: the newest counts are 1" in opened().app.error[0].value


def test_an_engine_that_stopped_judging_is_a_warning(world: World, opened: Opened) -> None:
    world.collected()
    world.judged(status_row("ttft", STABLE), ago=400)
    assert "engine silent" in opened().app.warning[0].value


def test_a_database_without_tables_is_said_and_asked_again(
    tmp_path: Path, opened: Opened, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "url", sqlite_url(tmp_path / "other.db"))
    page = opened()
    assert "The database does not answer" in page.app.error[0].value
    assert "no such table" in page.text
    source(world.url).database.dispose()


def test_an_open_incident_shows_its_evidence(world: World, opened: Opened) -> None:
    burning(world)
    card = opened().section("Open incidents", "Budgets")
    assert TITLE in card
    assert "12 min" in card
    assert "nobody has acknowledged it" in card
    assert "5m 38.2x 14.4x 26.4x 64 of 168" in card
    assert "6h 4.1x not deciding 26.4x 500 of 12,100" in card
    assert "3d not measured" in card
    assert "model llama · version v2 · region eu-west ◀ this alert 24.10 % 482 of 2,000" in card
    assert "Targets: 1 of 3 down" in card
    assert "http://10.0.0.7:8000/metrics: timeout" in card
    assert "coverage 98.7 %" in card
    assert "▲ availability · model llama · version v2 · region eu-west · ticket since" in card


def test_the_bar_of_the_worst_suspect_is_full_and_the_others_are_in_proportion(world: World, opened: Opened) -> None:
    burning(world)
    suspects = opened().markup.partition("bl-suspects")[2].partition("</table>")[0]
    assert suspects.count("width:100.0%") == 1
    assert "width:1.3%" in suspects


def test_a_failed_canarys_incident_shows_what_its_verdict_rests_on(world: World, opened: Opened) -> None:
    labels = {"alertname": "CanaryRegression", "slo": "canary regression", "model": "llama", "version": "v2"}
    alert = alert_entry(world.now - 60) | {
        "labels": labels,
        "evidence": {"canary": "llama:v2:1", "verdict": convicted()},
    }
    world.collected()
    world.incident(alerts=[alert], slo="canary regression")
    text = opened().section("Open incidents", "Budgets")
    assert "errors request-success +2.10 points (+0.80 points to +3.50 points) evidence 812 : 1" in text
    assert "By region: eu-west" in text


def test_an_incident_that_cannot_be_drawn_costs_no_other_part(world: World, opened: Opened) -> None:
    burning(world)
    broken = alert_entry(world.now - 60) | {"evidence": {"suspects": [{"of": "another version"}]}}
    world.incident(alerts=[broken], title="written by another version", severity="ticket")
    page = opened()
    assert [one.value for one in page.app.error] == [
        "**Incident 2 cannot be drawn** (KeyError). The log of the dashboard says why."
    ]
    assert TITLE in page.text
    assert "Alert events" in page.text


def test_links_lead_to_the_runbook_and_nowhere_that_a_browser_must_not_go(world: World, opened: Opened) -> None:
    alert = alert_entry(world.now)
    notes = {"runbook_url": "javascript:alert(1)", "dashboard_url": "https://ok.example/?slo=ttft"}
    world.incident(alerts=[alert | {"annotations": notes}])
    urls = [one.proto.url for one in opened().app.get("link_button")]
    assert urls == ["https://ok.example/?slo=ttft"]


def test_what_burns_stands_before_what_does_not_and_null_is_never_a_number(world: World, opened: Opened) -> None:
    burning(world)
    budgets = opened().section("Budgets", "Last hour")
    places = [budgets.index(sign) for sign in ("▲ firing", "◆ pending", "○ no data", "● ok")]
    assert places == sorted(places)
    assert "not measured: no judged sample yet not measured" in budgets
    assert "97 % not measured 0.1x" in budgets
    assert "spent, 12 % over" in budgets
    assert "91 % partial" in budgets


def test_a_row_without_any_reason_still_says_not_measured(world: World, opened: Opened) -> None:
    world.collected()
    world.judged(blank_row("ttft", "") | {"reason": None, "objective": None})
    assert "no ratio over 30d not measured: no events not measured" in opened().section("Budgets", "Last hour")


def test_the_last_hour_has_a_chart_for_what_is_measured_with_the_canary_named(world: World, opened: Opened) -> None:
    burning(world)
    page = opened()
    assert "v2 · eu-west" in page.section("Last hour", "Canaries")
    # Six of the traffic, one of the events.
    assert len(page.app.get("vega_lite_chart")) == 7


def test_what_no_target_tells_is_said_in_place_of_its_chart(world: World, opened: Opened) -> None:
    world.collected()
    world.counted({tuple(sorted(STABLE.items())): (10, 0, ())}, gauges=False)
    page = opened()
    assert "not measured: no target tells first tokens" in page.text
    assert "GPU utilisation not measured: nothing tells it" in page.text
    assert len(page.app.get("vega_lite_chart")) == 2


def test_targets_that_are_down_come_first_with_their_reason(world: World, opened: Opened) -> None:
    burning(world)
    world.target("http://user:secret@10.0.0.9:8000/metrics?key=1", up=None, last_scrape_at=None, engine=None)
    page = opened()
    targets = page.section("Targets 1 down", "Deliveries")
    assert targets.startswith(", 1 excluded, 1 never scraped, 2 up")
    assert targets.index("▼ down") < targets.index("■ excluded") < targets.index("○ never scraped")
    assert "timeout: no answer within 10 s" in targets
    assert "as if several workers answered" in targets
    assert "secret" not in page.markup


def test_deliveries_that_fail_say_why(world: World, opened: Opened) -> None:
    world.undelivered("pagerduty", "pending", "HTTP 503 from the receiver")
    world.undelivered("slack", "failed", "HTTP 404 from the receiver")
    deliveries = opened().section("Deliveries", "Alert events")
    assert "◆ retrying pagerduty 1 5 min" in deliveries
    assert "▼ failed slack 0 none waits 1 HTTP 404" in deliveries


def test_events_are_listed_newest_first(world: World, opened: Opened) -> None:
    burning(world)
    events = opened().section("Alert events 5", "no such heading")
    assert events.index("availability") < events.index("▲ firing")
    assert "● resolved" in events


def test_what_one_reading_of_the_files_changed_is_one_line(world: World, opened: Opened) -> None:
    world.collected()
    with world.db.write() as connection:
        for slo, ago in (("ttft", 500), ("itl", 500), ("e2e", 100)):
            store.add_revision(connection, StoredRevision(slo, world.now - ago, "d", 0.99, 86400), {})
    text = opened().section("What changed", "Targets")
    assert "objective itl, ttft: new revisions are in force SLO file" in text
    assert "objective e2e: a new revision is in force SLO file" in text
    assert text.index("e2e") < text.index("itl")


def test_hostile_text_is_shown_as_text_everywhere(world: World, opened: Opened) -> None:
    group = CANARY | {"version": HOSTILE}
    alert = alert_entry(world.now - 60)
    alert["labels"] |= {"version": HOSTILE}
    alert["annotations"] |= {"summary": HOSTILE, "description": HOSTILE}
    alert["evidence"] |= {"suspects": [{"group": group, "bad": 1, "total": 2, "bad_share": 0.5, "this": True}]}
    world.collected()
    world.judged(status_row("ttft", group, "firing"), blank_row("other", HOSTILE))
    world.counted({tuple(sorted(group.items())): (10, 1, (1, 2, 3, 4, 3, 2, 1))})
    world.target("http://10.0.0.7/metrics", up=False, error_reason=HOSTILE, error=HOSTILE, conditions=[HOSTILE])
    world.undelivered(HOSTILE, "pending", HOSTILE)
    world.event("firing", 60, group=group, annotations={"summary": HOSTILE}, slo=HOSTILE)
    world.incident(title=HOSTILE, alerts=[alert], acknowledged_at=world.now, acknowledged_by=HOSTILE, comment=HOSTILE)
    page = opened({"version": HOSTILE})
    assert page.text.count("<script>alert(1)</script>") > 12
    assert "<script" not in page.markup
    assert "<img" not in page.markup
    written = [*page.app.markdown, *page.app.error, *page.app.warning, *page.app.info, *page.app.caption]
    assert not any("evil" in one.value for one in written)


def test_query_parameters_narrow_every_section(world: World, opened: Opened) -> None:
    burning(world)
    page = opened({"slo": "ttft", "version": "v1", "region": "us-east"})
    assert "None of the 1 open ones fits the filters." in page.text
    budgets = page.section("Budgets", "Last hour")
    assert "region us-east" in budgets
    assert "region eu-west" not in budgets
    assert "availability" not in budgets
    assert "v1 · us-east v2" not in page.section("Last hour", "Targets")
    assert "10.0.0.6" in page.text
    assert "10.0.0.7" not in page.section("Targets", "Deliveries")
    assert page.app.multiselect(key="filters").value == ["slo = ttft", "version = v1", "region = us-east"]


def test_taking_a_chip_away_widens_the_page(world: World, opened: Opened) -> None:
    burning(world)
    page = opened({"slo": "ttft", "region": "us-east"})
    page.app.multiselect(key="filters").set_value(["slo = ttft"]).run()
    assert page.app.query_params == {"slo": "ttft"}
    assert "region eu-west" in page.section("Budgets", "Last hour")


def test_choosing_a_second_value_replaces_the_first(world: World, opened: Opened) -> None:
    burning(world)
    page = opened({"version": "v1"})
    page.app.multiselect(key="filters").set_value(["version = v1", "version = v2"]).run()
    assert page.app.query_params == {"version": "v2"}


def test_an_incident_named_in_the_address_is_shown_though_it_is_over(world: World, opened: Opened) -> None:
    over = world.incident(title="an old one", open=False, resolved_at=world.now - 100, outcome="resolved")
    world.incident(title="another")
    page = opened({"incident": str(over)})
    assert "an old one" in page.text
    assert "resolved" in page.text
    assert "another" not in page.text
    assert "There is no incident 77." in opened({"incident": "77"}).text


def _submit(page: Page, label: str) -> None:
    next(one for one in page.app.button if one.label == label).click().run()
    assert not page.app.exception


def test_acknowledging_writes_through_storage_with_an_audit_row(world: World, opened: Opened) -> None:
    incident = burning(world)
    page = opened()
    page.app.text_input(key=f"acknowledge-{incident}-by").set_value("ann")
    page.app.text_input(key=f"acknowledge-{incident}-comment").set_value("rolling back v2")
    _submit(page, "Acknowledge")
    assert "acknowledged by ann 0 s ago: rolling back v2" in page.text
    assert world.audits() == [("incident.acknowledge", str(incident), "ann")]
    assert page.app.text_input(key=f"silence-form-{incident}-by").value == ""


def test_an_acknowledgement_without_a_name_is_refused_and_says_so(world: World, opened: Opened) -> None:
    burning(world)
    page = opened()
    _submit(page, "Acknowledge")
    assert "Nothing was written: an acknowledgement needs a name" in page.text
    assert world.audits() == []


def test_silencing_starts_from_the_incidents_slo_and_group(world: World, opened: Opened) -> None:
    incident = burning(world)
    page = opened()
    key = f"silence-form-{incident}"
    wanted = 'slo="ttft", model="llama", version="v2", region="eu-west"'
    assert page.app.text_input(key=f"{key}-matchers").value == wanted
    page.app.text_input(key=f"{key}-by").set_value("bo")
    page.app.text_input(key=f"{key}-duration").set_value("30m")
    _submit(page, "Silence")
    assert "Silenced for 30m." in page.text
    assert "silenced by bo for 30 min" in page.text
    assert wanted in page.section("Silences", "Alert events")
    assert [(action, actor) for action, _, actor in world.audits()] == [("silence.add", "bo")]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("matchers", "slo=", "expected a quoted value"),
        ("matchers", 'slo=~".*"', "would hide nearly every alert"),
        ("duration", "soon", "'soon' is not a duration"),
        ("by", "", "needs its author"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused_with_the_reason(
    world: World, opened: Opened, field: str, value: str, said: str
) -> None:
    incident = burning(world)
    page = opened()
    page.app.text_input(key=f"silence-form-{incident}-by").set_value("bo")
    page.app.text_input(key=f"silence-form-{incident}-{field}").set_value(value)
    _submit(page, "Silence")
    assert said in page.text
    assert world.audits() == []


def test_one_reading_serves_the_viewers_of_a_moment(
    world: World, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.collected()
    page = opened()
    world.judged(status_row("ttft", ELSEWHERE))
    page.app.run()
    assert "No SLO was judged yet" in page.text
    st.cache_resource.clear()
    page.app.run()
    assert "us-east" in page.text
