"""Tokens: secrets are kept as digests only, end when they should, and leave an audit."""

from __future__ import annotations

import pytest

from core.errors import ConfigError
from storage import tokens
from storage.database import Database
from storage.tables import api_token, audit


@pytest.fixture
def db(database: Database) -> Database:
    return database


def test_a_token_is_found_by_its_secret_and_by_nothing_else(db: Database) -> None:
    made, secret = tokens.add(db, "ada", "write", "ann", 10.0, 20.0)
    assert tokens.find(db, secret) == made
    assert [tokens.find(db, wrong) for wrong in ("", secret[:-1], secret + "a", made.id, "\ud800")] == [None] * 5


def test_only_a_digest_is_kept(db: Database) -> None:
    _, secret = tokens.add(db, "ada", "write", "ann", 10.0)
    with db.read() as connection:
        kept = [*connection.execute(api_token.select()), *connection.execute(audit.select())]
    assert secret not in str(kept)
    assert tokens.digest(secret) in str(kept)


def test_secrets_are_long_and_never_the_same(db: Database) -> None:
    secrets = {tokens.add(db, "ada", "read", "ann", 10.0)[1] for _ in range(50)}
    assert len(secrets) == 50
    assert all(secret.startswith(tokens.PREFIX) and len(secret) == len(tokens.PREFIX) + 43 for secret in secrets)


def test_it_holds_until_its_end_or_its_revocation(db: Database) -> None:
    made, secret = tokens.add(db, "ada", "read", "ann", 10.0, 20.0)
    assert (made.holds(19.9), made.holds(20.0)) == (True, False)
    tokens.revoke(db, made.id, "bob", 15.0)
    found = tokens.find(db, secret)
    assert found is not None
    assert (found.revoked_at, found.holds(15.0)) == (15.0, False)


def test_it_is_revoked_once(db: Database) -> None:
    made, _ = tokens.add(db, "ada", "read", "ann", 10.0)
    tokens.revoke(db, made.id, "bob", 15.0)
    for missing in (made.id, "other"):
        with pytest.raises(ConfigError, match="token list"):
            tokens.revoke(db, missing, "bob", 16.0)
    with db.read() as connection:
        rows = connection.execute(audit.select().order_by(audit.c.id)).all()
    assert [(row.actor, row.action, row.subject) for row in rows] == [
        ("ann", "token.add", made.id),
        ("bob", "token.revoke", made.id),
    ]


def test_whether_any_was_made_and_whether_any_holds(db: Database) -> None:
    assert (tokens.any_made(db), tokens.any_holds(db, 0.0)) == (False, False)
    made, _ = tokens.add(db, "ada", "read", "ann", 10.0, 20.0)
    assert (tokens.any_made(db), tokens.any_holds(db, 15.0), tokens.any_holds(db, 20.0)) == (True, True, False)
    tokens.revoke(db, made.id, "bob", 15.0)
    assert (tokens.any_made(db), tokens.any_holds(db, 15.0)) == (True, False)


def test_the_newest_is_listed_first(db: Database) -> None:
    for at in (1.0, 3.0, 2.0):
        tokens.add(db, f"at {at}", "read", "ann", at)
    assert [one.created_at for one in tokens.every(db)] == [3.0, 2.0, 1.0]


def test_how_long_it_may_hold() -> None:
    assert (tokens.expiry(None, 5.0), tokens.expiry(60.0, 5.0)) == (None, 65.0)
    for seconds in (0.0, -1.0, 4e8, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="30d"):
            tokens.expiry(seconds, 5.0)
