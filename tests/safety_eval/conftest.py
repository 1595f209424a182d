"""Databases as the storage tests have them, and every model loaded once."""

from __future__ import annotations

import pytest

from safety_eval import loading
from safety_eval.detectors.port import Detector
from safety_eval.settings import EvaluatorSettings
from tests.storage.conftest import database, databases, postgresql_url

__all__ = ["database", "databases", "postgresql_url"]


@pytest.fixture(scope="session")
def pii() -> Detector:
    return loading.load("pii", EvaluatorSettings(), "cpu")


@pytest.fixture(scope="session")
def injection() -> Detector:
    return loading.load("injection", EvaluatorSettings(), "cpu")


@pytest.fixture(scope="session")
def groundedness() -> Detector:
    return loading.load("groundedness", EvaluatorSettings(), "cpu")
