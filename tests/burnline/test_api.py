"""The HTTP API over an empty and a seeded database: what it answers, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from burnline.api.app import create_app
from burnline.settings import ApiSettings
from storage import fleet, migrate
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.tables import evaluation, slo_status
from tests.burnline.api.asking import Client

MAX_BODY = ApiSettings().max_body


async def pieces(each: int) -> AsyncIterator[bytes]:
    for _ in range(10):
        yield b" " * each


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(sqlite_url(tmp_path / "b.db"))
    migrate.upgrade(found)
    yield found
    found.dispose()


@pytest.fixture
def api(database: Database) -> Client:
    return Client(create_app(database))


def test_an_empty_instance_is_warming_and_answers_empty_lists(api: Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    ready = api.get("/readyz")
    assert (ready.status_code, ready.json()["state"]) == (503, "warming")
    for path in ("slos/status", "alerts", "incidents", "silences", "targets"):
        answer = api.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()) == (200, []), path


def test_it_is_ready_when_counts_and_an_evaluation_are_fresh(api: Client, database: Database) -> None:
    seed(database, age=1.0)
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True), answer.text


def test_it_is_not_ready_when_the_counts_are_old_and_says_so(api: Client, database: Database) -> None:
    seed(database, age=600.0)
    answer = api.get("/readyz")
    parts = answer.json()["parts"]
    assert (answer.status_code, answer.json()["state"]) == (503, "not ready")
    assert "blind" in parts["collector"]["reason"]


def test_counts_that_are_as_late_as_their_source_said_are_no_blindness(api: Client, database: Database) -> None:
    seed(database, age=1.0)
    then = time.time()
    for lag, ready in ((120.0, True), (20.0, False)):
        with database.write() as connection:
            detail = {"lag": lag, "answered_through": then - 110}
            fleet.put_shard(connection, "0/prometheus:main", then - 110, then, then, detail)
        assert api.get("/readyz").json()["parts"]["collector"]["ready"] is ready


def seed(database: Database, age: float) -> None:
    then = time.time() - age
    with database.write() as connection:
        fleet.put_shard(connection, "0", then, then, then, {})
        connection.execute(evaluation.insert().values(minute=int(then) // 60 * 60, at=then))
        connection.execute(slo_status.insert().values(slo="a", group_key="{}", watermark=then, status={"slo": "a"}))


def test_a_schema_of_another_version_is_not_ready(tmp_path: Path) -> None:
    empty = Database(sqlite_url(tmp_path / "empty.db"))
    answer = Client(create_app(empty)).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"]["reason"]
    empty.dispose()


def test_targets_are_told_with_times_in_rfc_3339(api: Client, database: Database) -> None:
    known = TargetHealth("http://a:1/metrics", "0", "job", {"job": "job"}, 15.0, 1_800_000_000.0, up=True)
    with database.write() as connection:
        fleet.put_targets(connection, [known])
    (told,) = api.get("/api/v1/targets").json()
    assert (told["url"], told["up"], told["last_scrape_at"]) == (known.url, True, None)
    assert told["watched_since"] == "2027-01-15T08:00:00.000Z"


def test_a_silence_lives_from_post_to_delete(api: Client) -> None:
    made = api.post("/api/v1/silences", json={"matchers": 'slo="ttft"', "duration": "1h", "created_by": "ada"})
    assert made.status_code == 201, made.text
    (listed,) = api.get("/api/v1/silences").json()
    assert (listed["id"], listed["matchers"], listed["state"]) == (made.json()["id"], ['slo="ttft"'], "active")
    assert api.delete(f"/api/v1/silences/{listed['id']}", params={"by": "ada"}).status_code == 204
    assert api.get("/api/v1/silences").json() == []
    assert [one["state"] for one in api.get("/api/v1/silences", params={"expired": True}).json()] == ["expired"]


@pytest.mark.parametrize(
    "body",
    [
        {"matchers": "slo", "created_by": "ada"},
        {"matchers": 'slo="a"', "created_by": "ada", "duration": "5parsecs"},
        {"matchers": 'slo=~".*"', "created_by": "ada"},
        {"matchers": 'slo=~"("', "created_by": "ada"},
    ],
)
def test_a_silence_that_cannot_be_is_400_with_the_reason(api: Client, body: dict[str, str]) -> None:
    answer = api.post("/api/v1/silences", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert api.get("/api/v1/silences").json() == []


@pytest.mark.parametrize("body", [{}, {"matchers": 'slo="a"'}, {"matchers": 'a="b"', "created_by": "a", "more": 1}, []])
def test_a_body_of_another_shape_is_422(api: Client, body: object) -> None:
    assert api.post("/api/v1/silences", json=body).status_code == 422


def test_a_large_body_is_413_whether_it_says_its_length_or_not(api: Client) -> None:
    said = api.post("/api/v1/silences", content=b"x" * (MAX_BODY + 1))
    json = {"Content-Type": "application/json"}
    streamed = api.post("/api/v1/silences", content=pieces(MAX_BODY // 9), headers=json)
    assert (said.status_code, streamed.status_code) == (413, 413)
    assert said.json() == streamed.json() == {"error": f"a body of at most {MAX_BODY} bytes is taken"}


def test_a_small_body_may_come_in_pieces(api: Client) -> None:
    json = {"Content-Type": "application/json"}
    assert api.post("/api/v1/silences", content=pieces(10), headers=json).status_code == 422


@pytest.mark.parametrize("incident_id", ["1", "99999999999999999999"])
def test_an_incident_that_is_not_there_is_404(api: Client, incident_id: str) -> None:
    assert api.post(f"/api/v1/incidents/{incident_id}/acknowledge", json={"by": "ada"}).status_code == 404


def test_an_alert_state_that_does_not_exist_is_422(api: Client) -> None:
    assert api.get("/api/v1/alerts", params={"state": "burning"}).status_code == 422


def test_its_own_metrics_count_answers_by_status(api: Client) -> None:
    api.get("/api/v1/alerts", params={"state": "burning"})
    assert 'burnline_api_requests_total{status="422"} 1.0' in api.get("/metrics").text
