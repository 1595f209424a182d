from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.errors import ConfigError, ParseError
from safety_eval import anchors, loading
from safety_eval.detectors.port import Item
from safety_eval.detectors.unavailable import NO_REVISION, Unavailable
from safety_eval.models import device
from safety_eval.revision import digest, of_file
from safety_eval.settings import EvaluatorSettings, PiiSettings, SecretsSettings
from storage.scores import FAILED
from tests.safety_eval.world import Words

SETTINGS = EvaluatorSettings()


def test_a_detector_whose_package_is_missing_fails_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoguard.model", None)
    found = loading.load("injection", SETTINGS, "cpu")
    assert isinstance(found, Unavailable)
    assert "nanoguard.model is not installed" in found.reason
    verdicts = found.score([Item("a prompt", "x"), Item("b", "y")])
    assert [(one.label, one.score, one.reason) for one in verdicts] == [(FAILED, None, found.reason)] * 2


@pytest.mark.parametrize("error", [OSError("no file"), ParseError("pickle refused"), RuntimeError("size mismatch")])
def test_broken_weights_fail_everything_with_the_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(_settings: EvaluatorSettings, _on: str) -> Words:
        raise error

    monkeypatch.setattr(loading, "DETECTORS", {"injection": broken})
    found = loading.load("injection", SETTINGS, "cpu")
    assert isinstance(found, Unavailable)
    assert (found.revision, str(error) in found.reason) == (NO_REVISION, True)


def test_a_detector_that_does_not_tell_its_anchors_apart_keeps_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "DETECTORS", {"pii": lambda *_: Words("never there", revision="r7")})
    found = loading.load("pii", SETTINGS, "cpu")
    assert isinstance(found, Unavailable)
    assert found.revision == "r7"
    assert found.reason.startswith("refuses to score")


def test_every_detector_has_anchors_and_a_switch() -> None:
    assert set(anchors.ANCHORS) == set(loading.DETECTORS) == set(loading.enabled(SETTINGS))
    some = EvaluatorSettings(secrets=SecretsSettings(enabled=False), pii=PiiSettings(enabled=False))
    assert loading.enabled(some) == ["injection", "groundedness"]


def test_secrets_alone_load_no_model() -> None:
    assert loading.device_of(["secrets", "pii"], EvaluatorSettings(device="cuda")) == "cpu"
    assert not isinstance(loading.load("secrets", SETTINGS, "cpu"), Unavailable)


def test_a_device_that_is_missing_is_a_mistake_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device.choose("auto", 1) == "cpu"
    with pytest.raises(ConfigError, match="finds no CUDA device"):
        device.choose("cuda", 1)


def test_a_revision_changes_with_each_of_its_parts(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"1")
    first = of_file(weights)
    weights.write_bytes(b"2")
    found = [
        digest((), {}),
        digest(("numpy",), {}),
        digest((), {"threshold": 0.5}),
        digest((), {"threshold": 0.6}),
        digest((), {"files": [first]}),
        digest((), {"files": [of_file(weights)]}),
    ]
    assert len(set(found)) == len(found)
    assert found[0] == digest((), {})
    assert {len(one) for one in found} == {10}
