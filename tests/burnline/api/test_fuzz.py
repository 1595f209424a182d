"""The OpenAPI document against the application: no request gets a 500, or an answer that the document does not say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.config import (
    ChecksConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)

from burnline.api.app import create_app
from burnline.settings import ApiSettings
from storage import migrate, tokens
from storage.database import Database, sqlite_url
from tests.burnline.api.asking import CALL, TRACE, fill

FAST = ApiSettings(rate_per_minute=10**9, burst=10**9, writes_per_minute=10**9)
"""Limits that no fuzzer reaches: they are tested by themselves."""

ACCEPTED = ("2xx", "400", "404")
"""Text that fits its pattern may still be no matcher, no duration, or an incident that is closed: 400 says which."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """(the document's schema over a filled database, the headers of an administrator)."""
    database = Database(sqlite_url(tmp_path_factory.mktemp("fuzz") / "b.db"))
    migrate.upgrade(database)
    fill(database, time.time())
    _, secret = tokens.add(database, "fuzz", "admin", "test", time.time())
    checks = ChecksConfig(positive_data_acceptance=PositiveDataAcceptanceConfig(expected_statuses=ACCEPTED))
    project = ProjectConfig(checks=checks)
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    yield (
        schemathesis.openapi.from_asgi("/openapi.json", create_app(database, FAST), config=config),
        {"Authorization": f"Bearer {secret}"},
    )
    database.dispose()


OPERATIONS = sorted(
    (path, method.upper())
    for path, methods in create_app(Database("sqlite://")).openapi()["paths"].items()
    for method in methods
)
RANDOM = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MODES = list(GenerationMode)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_gets_an_answer_that_the_document_does_not_say(
    known: tuple[Any, dict[str, str]], path: str, method: str
) -> None:
    document, headers = known
    operation = document[path][method]
    right, wrong = (operation.as_strategy(generation_mode=mode) for mode in MODES)

    @RANDOM
    @given(st.one_of(right, wrong))
    def any_request(case: Any) -> None:
        case.call_and_validate(headers=headers)

    any_request()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_edges_of_every_value_are_answered_as_the_document_says(
    known: tuple[Any, dict[str, str]], path: str, method: str
) -> None:
    document, headers = known
    options = {"generation_modes": MODES, "generation_config": document.config.generation}
    for case in document.iter_coverage_cases(document[path][method], **options):
        case.call_and_validate(headers=headers)


KNOWN: dict[str, dict[str, str]] = {
    "/runbooks/{name}.md": {"name": "FleetDown"},
    "/api/v1/slos/{name}/history": {"name": "ttft"},
    "/api/v1/slos/{name}/revisions": {"name": "ttft"},
    "/api/v1/incidents/{incident_id}": {"incident_id": "1"},
    "/api/v1/canaries/{canary_id}": {"canary_id": "llama-v2"},
    "/api/v1/canaries/{canary_id}/verdict": {"canary_id": "llama-v2"},
    "/api/v1/traces/{trace_id}": {"trace_id": TRACE},
}

ASKED: dict[str, dict[str, str]] = {"/api/v1/ledger": {"signal": "ttft"}, "/api/v1/gate": {"slo": "ttft"}}


def test_what_is_there_is_told_as_the_document_says(known: tuple[Any, dict[str, str]]) -> None:
    document, headers = known
    operations = [found.ok() for found in document.get_all_operations()]
    for operation in operations:
        if operation.method == "get":
            case = operation.Case(path_parameters=KNOWN.get(operation.path, {}))
            case.query = ASKED.get(operation.path, {})
            answer = case.call_and_validate(headers=headers)
            assert answer.status_code == 200, (operation.path, answer.text)
            assert answer.text not in ("[]", "{}"), operation.path
    assert (
        CALL
        in document["/api/v1/traces/{trace_id}"]["GET"]
        .Case(path_parameters={"trace_id": TRACE})
        .call(headers=headers)
        .text
    )
