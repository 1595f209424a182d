"""Who may ask: every operation of the OpenAPI document without a token, with a wrong one, and with each role."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from burnline.api.app import create_app
from burnline.api.auth import bearer, is_this_machine, needed
from burnline.settings import ApiSettings
from core.clock import ManualClock
from storage import tokens
from storage.database import Database
from storage.tokens import ROLES, Role
from tests.burnline.api.asking import Client, fill

OPERATIONS = [
    (method.upper(), path, operation.get("x-burnline-role"))
    for path, methods in create_app(Database("sqlite://")).openapi()["paths"].items()
    for method, operation in methods.items()
]
GUARDED = [(method, path, role) for method, path, role in OPERATIONS if role is not None]
OPEN = [(method, path) for method, path, role in OPERATIONS if role is None]
FREE = ApiSettings(rate_per_minute=10**9, burst=10**9, writes_per_minute=10**9)


def concrete(path: str) -> str:
    """A path with something in the place of each parameter."""
    return path.replace("{incident_id}", "1").replace("{trace_id}", "ab" * 16).replace("{", "").replace("}", "")


def ask(database: Database, method: str, path: str, secret: str | None) -> int:
    status = Client(create_app(database, FREE), secret).ask(method, concrete(path)).status_code
    assert status < 500 or path == "/readyz", (method, path)
    return status


def test_only_health_and_runbooks_are_open() -> None:
    assert OPEN == [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/runbooks/{name}.md")]
    assert {role for _, _, role in GUARDED} == set(ROLES)


@pytest.mark.parametrize(("method", "path", "role"), GUARDED)
def test_no_wrong_expired_or_revoked_token_is_let_in(database: Database, method: str, path: str, role: Role) -> None:
    now = time.time()
    _, expired = tokens.add(database, "old", "admin", "ann", now - 60, now - 1)
    gone, revoked = tokens.add(database, "gone", "admin", "ann", now)
    tokens.revoke(database, gone.id, "ann", now)
    _, held = tokens.add(database, "held", role, "ann", now)
    for secret in (None, "burnline_wrong", "", held[:-1], expired, revoked, "\xe2\x98\x83"):
        app = create_app(database, FREE)
        answer = Client(app, secret).ask(method, concrete(path))
        assert answer.status_code == 401, (secret, answer.text)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json()["error"]


@pytest.mark.parametrize(("method", "path", "role"), GUARDED)
def test_each_role_does_what_the_document_says_and_no_more(
    database: Database, method: str, path: str, role: Role
) -> None:
    for held in ROLES:
        _, secret = tokens.add(database, held, held, "ann", time.time())
        status = ask(database, method, path, secret)
        if ROLES.index(held) < ROLES.index(role):
            assert status == 403, held
        else:
            assert status not in (401, 403), held


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_what_is_open_asks_for_no_token(database: Database, method: str, path: str) -> None:
    tokens.add(database, "ada", "admin", "ann", time.time())
    assert ask(database, method, path, None) not in (401, 403)


@pytest.mark.parametrize("path", ["/api/v2/slos", "/api/v1/tokens/", "/", "/api/v1/TOKENS", "/metrics/"])
def test_a_path_that_nobody_thought_of_needs_a_token(database: Database, path: str) -> None:
    tokens.add(database, "ada", "admin", "ann", time.time())
    assert ask(database, "GET", path, None) == 401


def test_without_any_token_this_machine_may_do_everything(database: Database) -> None:
    for method, path, _ in GUARDED:
        assert ask(database, method, path, None) not in (401, 403), path


def test_without_any_token_a_page_whose_name_resolves_here_may_do_nothing(database: Database) -> None:
    app = create_app(database, FREE)
    assert Client(app, host="rebound.example").get("/api/v1/alerts").status_code == 403
    assert Client(app, host="127.0.0.1.example").get("/api/v1/alerts").status_code == 403
    assert Client(app, host="[::1]:9400").get("/api/v1/alerts").status_code == 200


def test_an_address_that_others_reach_is_closed_also_without_any_token(database: Database) -> None:
    app = create_app(database, ApiSettings(host="0.0.0.0"))
    assert Client(app).get("/api/v1/alerts").status_code == 401
    assert Client(app).get("/healthz").status_code == 200


def test_a_revoked_token_ends_within_five_seconds_in_every_process(database: Database, clock: ManualClock) -> None:
    made, secret = tokens.add(database, "ada", "read", "ann", clock.now())
    client = Client(create_app(database, clock=clock), secret)
    assert client.get("/api/v1/alerts").status_code == 200
    tokens.revoke(database, made.id, "ann", clock.now())
    clock.advance(5)
    assert client.get("/api/v1/alerts").status_code == 401


def test_a_token_ends_at_its_time_although_it_is_remembered(database: Database, clock: ManualClock) -> None:
    _, secret = tokens.add(database, "ada", "read", "ann", clock.now(), clock.now() + 1)
    client = Client(create_app(database, clock=clock), secret)
    assert client.get("/api/v1/alerts").status_code == 200
    clock.advance(1)
    assert client.get("/api/v1/alerts").status_code == 401


def test_the_first_token_closes_and_revoking_the_last_opens_nothing(database: Database, clock: ManualClock) -> None:
    app = create_app(database, clock=clock)
    assert Client(app).get("/api/v1/alerts").status_code == 200
    made = Client(app).post("/api/v1/tokens", json={"name": "ada", "role": "admin"}).json()
    assert Client(app).get("/api/v1/alerts").status_code == 401
    assert Client(app, made["secret"]).delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    for fresh in (app, create_app(database, clock=clock)):
        assert Client(fresh).get("/api/v1/alerts").status_code == 401
        assert Client(fresh, made["secret"]).get("/api/v1/alerts").status_code == 401


def test_secrets_are_told_once_and_kept_nowhere(database: Database, clock: ManualClock) -> None:
    client = Client(create_app(database, clock=clock))
    made = client.post("/api/v1/tokens", json={"name": "ada", "role": "admin", "expires": "30d"}).json()
    holder = Client(create_app(database, clock=clock), made["secret"])
    listed = holder.get("/api/v1/tokens")
    assert made["expires_at"] == "2026-10-21T14:13:20.000Z"
    assert [row["id"] for row in listed.json()] == [made["id"]]
    assert made["secret"] not in listed.text + holder.get("/api/v1/audit").text
    kept = Path(str(database.engine.url.database))
    assert all(made["secret"].encode() not in file.read_bytes() for file in kept.parent.iterdir())


def test_the_audit_names_the_token_whatever_the_body_says(database: Database, clock: ManualClock) -> None:
    there = fill(database, clock.now())
    _, secret = tokens.add(database, "bot", "write", "ann", clock.now())
    _, boss = tokens.add(database, "boss", "admin", "ann", clock.now())
    bot = Client(create_app(database, clock=clock), secret)
    silence = {"matchers": 'slo="a"', "created_by": "ada"}
    made = bot.post("/api/v1/silences", json=silence).json()["id"]
    assert bot.delete(f"/api/v1/silences/{made}", params={"by": "ada"}).status_code == 204
    assert bot.post(f"/api/v1/incidents/{there.incident}/acknowledge", json={"by": "ada"}).status_code == 200
    assert bot.post("/api/v1/deployments", json={"version": "v3"}).json()["created_by"] == "bot"
    page = Client(create_app(database, clock=clock), boss).get("/api/v1/audit", params={"limit": 4}).json()
    actions = ["deployment.add", "incident.acknowledge", "silence.expire", "silence.add"]
    assert [(row["actor"], row["action"]) for row in page["entries"]] == [("bot", action) for action in actions]
    (own,) = [row for row in bot.get("/api/v1/silences?expired=true").json() if row["id"] == made]
    assert own["created_by"] == "ada"


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/healthz", None),
        ("GET", "/runbooks/FleetDown.md", None),
        ("GET", "/runbooks", "read"),
        ("GET", "/api/v1/slos", "read"),
        ("HEAD", "/metrics", "read"),
        ("POST", "/api/v1/deployments", "write"),
        ("PROPFIND", "/api/v1/slos", "write"),
        ("GET", "/api/v1/tokens", "admin"),
        ("DELETE", "/api/v1/tokens/a", "admin"),
        ("GET", "/api/v1/tokenship", "read"),
        ("GET", "/api/v1/audit", "admin"),
    ],
)
def test_what_a_request_needs(method: str, path: str, role: Role | None) -> None:
    assert needed(method, path) == role


@pytest.mark.parametrize(
    ("header", "secret"),
    [("Bearer a", "a"), ("bearer  a ", "a"), ("Bearer", None), ("Bearer ", None), ("Basic a", None), ("", None)],
)
def test_a_secret_is_read_from_its_header(header: str, secret: str | None) -> None:
    assert bearer(header) == secret


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost:9400", True),
        ("127.0.0.1", True),
        ("[::1]:9400", True),
        ("[::1]", True),
        ("", True),
        ("127.evil.example", False),
        ("10.0.0.1:9400", False),
        ("localhost.evil.example", False),
    ],
)
def test_names_of_this_machine(host: str, own: bool) -> None:
    assert is_this_machine(host) is own
