"""What each subject answers beyond its shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from burnline.api.app import create_app
from core.clock import ManualClock
from storage import migrate, tokens
from storage.database import Database
from tests import schemas
from tests.burnline.api.asking import CALL, TRACE, Client, Known, fill
from tests.burnline.api.conftest import NOW


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Database:
    """A database at the newest schema, on both engines."""
    if request.param == "sqlite":
        return request.getfixturevalue("database")
    url = request.getfixturevalue("postgresql_url") + "&options=-csynchronous_commit%3Doff"
    found = Database(url)
    migrate.downgrade(found, "base")
    migrate.upgrade(found)
    request.addfinalizer(found.dispose)
    return found


@pytest.fixture
def there(either: Database) -> Known:
    return fill(either, NOW)


@pytest.fixture
def api(either: Database, there: Known, clock: ManualClock) -> Client:
    _, secret = tokens.add(either, "ada", "admin", "ann", NOW)
    return Client(create_app(either, clock=clock), secret)


def test_slos_in_force_are_one_row_each(api: Client) -> None:
    cost, ttft = api.get("/api/v1/slos").json()
    assert (ttft["name"], ttft["objective"], ttft["groups"], ttft["state"]) == ("ttft", 0.99, 1, "firing")
    assert (ttft["by"], ttft["since"]) == (["model", "version"], "2026-09-21T13:58:20.000Z")
    assert (cost["groups"], cost["state"], cost["objective"], cost["reason"]) == (0, "no_data", None, "no price")


def test_revisions_of_an_slo_and_of_none(api: Client) -> None:
    (revision,) = api.get("/api/v1/slos/ttft/revisions").json()
    assert (revision["objective"], revision["budget"], revision["window"]) == (0.99, 0.01, "30d")
    assert api.get("/api/v1/slos/cost/revisions").json() == []
    assert api.get("/api/v1/slos/none/revisions").status_code == 404


def test_the_history_of_an_slo_and_of_none(api: Client) -> None:
    found = api.get("/api/v1/slos/ttft/history").json()
    schemas.check("slo-history", found)
    assert [(one["kind"], one["objective"], one["window"]) for one in found["entries"]] == [
        ("revision", "99/100", "30d")
    ]
    answer = api.get("/api/v1/slos/none/history")
    assert (answer.status_code, "nothing is known" in answer.text) == (404, True)


def test_alert_events_by_time(api: Client) -> None:
    (event,) = api.get("/api/v1/alerts/events", params={"slo": "ttft"}).json()
    assert (event["transition"], event["group"]) == ("firing", {"model": "llama", "version": "v2"})
    assert api.get("/api/v1/alerts/events", params={"from": NOW}).json() == []
    assert api.get("/api/v1/alerts/events", params={"to": NOW - 30}).json() == []


def test_an_incident_by_its_number(api: Client, there: Known) -> None:
    assert api.get(f"/api/v1/incidents/{there.incident}").json()["title"] == "ttft burns"
    for missing in ("0", "-1", str(2**31), str(2**63), "9" * 100):
        assert api.get(f"/api/v1/incidents/{missing}").status_code == 404, missing
    assert api.get("/api/v1/incidents/one").status_code == 422


def test_canaries_and_their_verdicts(api: Client) -> None:
    (canary,) = api.get("/api/v1/canaries", params={"active": True}).json()
    assert (canary["id"], canary["state"], canary["deployment"]) == ("llama-v2", "inconclusive", 1)
    verdict = api.get("/api/v1/canaries/llama-v2/verdict").json()
    assert (verdict["e_value"], verdict["delta"], verdict["needs"]) == (1.5, None, {"requests": 900})
    assert api.get("/api/v1/canaries/none/verdict").status_code == 404


def test_a_deployment_that_is_sent_twice_is_one(api: Client) -> None:
    body = {"version": "v3", "model": "llama", "share": 0.25, "at": "2026-09-21T14:00:00Z", "note": "ramp"}
    first, again = (api.post("/api/v1/deployments", json=body | {"note": note}) for note in ("ramp", "again"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["at"], first.json()["created_by"]) == ("2026-09-21T14:00:00.000Z", "ada")
    assert [row["version"] for row in api.get("/api/v1/deployments").json()] == ["v3", "v2"]
    added = api.get("/api/v1/audit", params={"action": "deployment.add"}).json()["entries"]
    assert [entry["detail"]["version"] for entry in added] == ["v3", "v2"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"version": ""}, 422),
        ({"version": "v", "share": 1.5}, 422),
        ({"version": "v", "share": True}, 422),
        ({"version": "v", "share": "0.5"}, 422),
        ({"version": "v\0"}, 422),
        ({"version": "v", "note": "\ud800"}, 422),
        ({"version": "v", "\ud800": 1}, 422),
        ({"version": "v", "at": "tomorrow"}, 400),
        ({"version": "v", "at": str(NOW + 3601)}, 400),
        ({"version": "v", "at": str(NOW - 31 * 86_400)}, 400),
    ],
)
def test_a_deployment_that_cannot_be(api: Client, body: dict[str, Any], status: int) -> None:
    escaped = json.dumps(body).encode()  # httpx itself cannot write a lone surrogate
    answer = api.post("/api/v1/deployments", content=escaped, headers={b"Content-Type": b"application/json"})
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_generations_are_filtered_and_have_no_text(api: Client) -> None:
    (call,) = api.get("/api/v1/generations", params={"model": "llama", "failed": True, "sampled": True}).json()
    assert (call["span_id"], call["outcome"], call["group"]["version"]) == (CALL, "bad", "v2")
    assert api.get("/api/v1/generations", params={"version": "v1"}).json() == []
    trace = api.get(f"/api/v1/traces/{TRACE}").json()
    assert [len(trace[part]) for part in ("spans", "generations", "scores")] == [1, 1, 1]
    assert api.get("/api/v1/traces/" + "0" * 32).status_code == 404


def test_quality_says_what_it_rests_on(api: Client) -> None:
    (row,) = api.get("/api/v1/quality", params={"from": NOW - 3600}).json()
    assert (row["detector"], row["judged"], row["drawn"], row["rate"], row["corrected"]) == ("pii", 10, 10, 0.0, False)
    assert row["low"] == 0.0 < row["high"] < 1.0


def test_the_audit_is_read_page_by_page(api: Client) -> None:
    whole = api.get("/api/v1/audit").json()
    assert whole["before"] is None
    pages, before = [], None
    while True:
        page = api.get("/api/v1/audit", params={"limit": 1, **({"before": before} if before else {})}).json()
        pages += page["entries"]
        before = page["before"]
        if before is None:
            break
    assert pages == whole["entries"]
    assert len(pages) == 5


@pytest.mark.parametrize(
    "address",
    ["/api/v1/slos/a%00b/revisions", "/api/v1/generations?model=a%00b", "/api/v1/silences/%00?by=a"],
)
def test_a_nul_in_the_address_is_400(api: Client, address: str) -> None:
    method = "DELETE" if "silences" in address else "GET"
    assert api.ask(method, address).status_code == 400


def test_names_in_every_script_are_taken_and_given_back(api: Client) -> None:
    name = "Ωmega 模型 😀 \"'\\ %00"
    assert api.post("/api/v1/deployments", json={"version": name}).json()["version"] == name
    assert api.get(f"/api/v1/generations?model={'%F0%9F%98%80'}").json() == []


def test_a_parameter_with_a_slip_in_it_is_refused(api: Client) -> None:
    answer = api.get("/api/v1/alerts", params={"sate": "firing"})
    assert (answer.status_code, "'state'" in answer.json()["error"]) == (422, True)


def test_a_token_that_cannot_be_is_refused(api: Client) -> None:
    for body in ({"name": "a", "role": "root"}, {"name": "", "role": "read"}, {"name": "a\nb", "role": "read"}):
        assert api.post("/api/v1/tokens", json=body).status_code == 422
    for expires in ("0s", "11y", "soon", "9" * 31 + "y"):
        body = {"name": "a", "role": "read", "expires": expires}
        assert api.post("/api/v1/tokens", json=body).status_code == 400, expires
    assert api.delete("/api/v1/tokens/none").status_code == 404


def test_another_method_is_405_with_those_that_there_are(api: Client) -> None:
    answer = api.ask("PUT", "/api/v1/deployments")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert answer.json() == {"error": "PUT is not for this address"}


def test_maintenance_is_announced_listed_and_ended(api: Client, there: Known) -> None:
    body = {"matchers": "region=eu", "reason": "power", "created_by": "ada", "begins": "2030-01-01T10:00"}
    too_far = api.post("/api/v1/maintenance", json=body)
    assert (too_far.status_code, "within a year" in too_far.json()["error"]) == (400, True)
    made = api.post("/api/v1/maintenance", json={**body, "begins": None, "duration": "2h", "zone": "Europe/Warsaw"})
    assert made.status_code == 201
    rows = {row["id"]: row for row in api.get("/api/v1/maintenance").json()}
    assert rows.keys() == {there.maintenance, made.json()["id"]}
    assert (
        rows[made.json()["id"]] | {"state": "active", "duration": "2h", "matchers": ['region="eu"']}
        == rows[made.json()["id"]]
    )
    assert api.delete(f"/api/v1/maintenance/{made.json()['id']}", params={"by": "ada"}).status_code == 204
    assert api.delete(f"/api/v1/maintenance/{made.json()['id']}", params={"by": "ada"}).status_code == 400
    assert [row["id"] for row in api.get("/api/v1/maintenance").json()] == [there.maintenance]
    assert len(api.get("/api/v1/maintenance?over=true").json()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"begins": "9999-12-31T23:59:59Z"},
        {"begins": "0001-01-01T00:00:00+14:00"},
        {"begins": "253402300799"},
        {"begins": "soon"},
        {"zone": "Mars"},
        {"zone": "../../etc/passwd"},
        {"rule": "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"},
        {"duration": "1000000y"},
        {"matchers": "{"},
        {"reason": " "},
    ],
)
def test_maintenance_that_cannot_be_meant_is_refused(api: Client, wrong: dict[str, str]) -> None:
    body = {"matchers": "region=eu", "reason": "power", "created_by": "ada"}
    assert api.post("/api/v1/maintenance", json={**body, **wrong}).status_code == 400


def test_a_silence_of_a_million_years_is_refused(api: Client) -> None:
    body = {"matchers": 'slo="a"', "created_by": "ada", "duration": "1000000y"}
    assert api.post("/api/v1/silences", json=body).status_code == 400
    assert api.get("/api/v1/silences").status_code == 200
