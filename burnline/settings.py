"""The one configuration: every part's settings composed, validated once at the start, frozen.

Read from `burnline.yaml`, then from the environment: `BURNLINE_<PATH>` with double underscores between levels, as
`BURNLINE_ENGINE__TICK_INTERVAL=5s`; a value is read as YAML. Every error names file and line (or the variable) and the
nearest valid key.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alerting.settings import AlertingSettings
from collector.settings import CollectorSettings
from core import yaml
from core.errors import ConfigError, Place
from dashboard.settings import DashboardSettings
from safety_eval.settings import EvaluatorSettings
from slo_engine.settings import EngineSettings

PREFIX = "BURNLINE_"
DEFAULT_FILE = "burnline.yaml"


class ApiSettings(BaseModel):
    """The HTTP API for people and controllers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to listen on; anything but loopback needs tokens")
    port: int = Field(default=9400, ge=0, le=65535, description="port to listen on")
    rate_per_minute: int = Field(
        default=600, gt=0, description="requests a minute of one token, or of one address without any"
    )
    burst: int = Field(default=100, gt=0, description="requests at once, before the rate holds")
    writes_per_minute: int = Field(default=60, gt=0, description="those of them that change something")
    max_body: int = Field(default=64 * 1024, gt=0, description="bytes of a request's body")


class PortSettings(BaseModel):
    """Where each part serves its own metrics, on loopback; 0 switches it off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collector: int = Field(default=9401, ge=0, le=65535, description="the collector's own metrics")
    engine: int = Field(default=9402, ge=0, le=65535, description="the engine's own metrics")
    alerter: int = Field(default=9403, ge=0, le=65535, description="the alerter's own metrics")
    evaluator: int = Field(default=9404, ge=0, le=65535, description="the evaluator's own metrics")


class StorageSettings(BaseModel):
    """Where everything is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path = Field(default=Path("var"), description="folder of the database and the raw series")
    url: str = Field(default="", description="database URL; empty is SQLite in the folder")


class Settings(BaseModel):
    """Everything that `burnline.yaml` can say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    storage: StorageSettings = Field(default=StorageSettings(), description="where everything is kept")
    collector: CollectorSettings = Field(default=CollectorSettings(), description="what is scraped, and how")
    engine: EngineSettings = Field(default=EngineSettings(), description="SLOs and their evaluation")
    evaluator: EvaluatorSettings = Field(default=EvaluatorSettings(), description="how drawn answers are scored")
    alerting: AlertingSettings = Field(default=AlertingSettings(), description="who is told, and how")
    api: ApiSettings = Field(default=ApiSettings(), description="the HTTP API")
    dashboard: DashboardSettings = Field(default=DashboardSettings(), description="the pages for people")
    metrics_ports: PortSettings = Field(default=PortSettings(), description="the parts' own metrics")

    @property
    def database_url(self) -> str:
        """The database's URL, SQLite in the storage folder by default."""
        return self.storage.url or f"sqlite:///{self.storage.directory / 'burnline.db'}"

    @property
    def text_key_file(self) -> Path:
        """The key of waiting texts: collector and evaluator must read the same file."""
        return self.collector.otlp.key_file or self.storage.directory / "text.key"

    @property
    def runbook_url(self) -> str:
        """What links to runbooks begin with: the API serves those that Burnline brings."""
        return self.engine.runbook_url or f"http://{self.api.host}:{self.api.port}/runbooks"


def load(file: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file (by default `burnline.yaml` where it exists) and the environment, or a ConfigError."""
    path = file or Path(environ.get("BURNLINE_CONFIG", DEFAULT_FILE))
    if file is None and not path.exists() and "BURNLINE_CONFIG" not in environ:
        document = yaml.Document(DEFAULT_FILE, {}, {})
    else:
        documents = yaml.load_file(path)
        document = documents[0] if documents else yaml.Document(str(path), {}, {})
    if not isinstance(document.value, dict):
        raise ConfigError("the file must hold one mapping of settings", Place(document.file, 1))
    return _validate(document, _overrides(environ))


def _overrides(environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    found = {}
    for name, value in environ.items():
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        # Other programs' variables begin like ours (BURNLINE_SUPERVISED), but none has levels.
        if name.startswith(PREFIX) and (len(path) > 1 or path[0] in Settings.model_fields):
            found[path] = value
    return found


def _validate(document: yaml.Document, overrides: Mapping[tuple[str, ...], str]) -> Settings:
    merged = document.value
    for path, text in overrides.items():
        documents = yaml.load_text(text, _variable(path))
        merged = _with(merged, path, documents[0].value if documents else None)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        lines = [_explain(problem, document, overrides) for problem in error.errors()]
        first = lines[0]
        raise ConfigError("\n".join([first[1], *(f"{place}: {text}" for place, text in lines[1:])]), first[0]) from None


def _with(value: Any, path: tuple[str, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    inner = value if isinstance(value, dict) else {}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], leaf)}


def _explain(problem: Any, document: yaml.Document, overrides: Mapping[tuple[str, ...], str]) -> tuple[Place, str]:
    path = tuple(problem["loc"])
    place = document.place(path)
    for variable in overrides:
        if path[: len(variable)] == variable or variable[: len(path)] == path:
            place = Place(_variable(variable), 1)
    dotted = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        return place, f"unknown key {str(path[-1])!r} in {'.'.join(map(str, path[:-1])) or 'the file'}{_nearest(path)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    given = "" if isinstance(problem.get("input"), dict | list) else f" (given: {problem.get('input')!r})"
    return place, f"{dotted}: {message}{given}"


def _nearest(path: tuple[str | int, ...]) -> str:
    known = _fields(Settings, path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid keys: {', '.join(sorted(known))}"


def _fields(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field is not None else None
        if inner is None:
            return list(model.model_fields)
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in getattr(annotation, "__args__", ()) if (found := _model_in(arg))), None)


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()
