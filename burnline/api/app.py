"""The API: health that tells the truth, SLO status, alerts, incidents, silences, targets.

Bound to loopback: without tokens it is for this machine alone. Errors are `{"error": text}` with a fitting status.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.base import RequestResponseEndpoint

from burnline import views
from burnline.readiness import readiness
from burnline.runbooks import read_runbook
from core.durations import parse_prometheus
from core.errors import BurnlineError, ConfigError, ParseError, StorageError
from core.matchers import parse_matchers
from storage import fleet, incidents, silences
from storage import slo as store
from storage.database import Database

MAX_BODY = 64 * 1024


class NewSilence(BaseModel):
    """A silence that begins now."""

    model_config = ConfigDict(extra="forbid")

    matchers: str = Field(min_length=1, max_length=4096, examples=['slo="ttft", version="v2"'])
    duration: str = Field(default="2h", max_length=32, examples=["90m"])
    created_by: str = Field(min_length=1, max_length=200)
    comment: str = Field(default="", max_length=4096)


class Acknowledgement(BaseModel):
    """Who takes an incident."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200)
    comment: str = Field(default="", max_length=4096)


def create_app(database: Database) -> FastAPI:
    """The application over one database."""
    app = FastAPI(title="Burnline", version="0.1.0", docs_url="/docs", redoc_url=None)
    registry = CollectorRegistry()
    requests = Counter("burnline_api_requests", "Answers by status.", ["status"], registry=registry)
    _guard(app, requests)
    _health(app, database, registry)
    _runbooks(app)
    _reading(app, database)
    _writing(app, database)
    return app


def _guard(app: FastAPI, requests: Counter) -> None:
    @app.middleware("http")
    async def limit(request: Request, call_next: RequestResponseEndpoint) -> Response:
        length = request.headers.get("content-length", "" if "transfer-encoding" in request.headers else "0")
        if request.method in ("POST", "PUT", "PATCH", "DELETE") and (not length.isdigit() or int(length) > MAX_BODY):
            return JSONResponse({"error": f"a body of at most {MAX_BODY} bytes with a Content-Length is taken"}, 413)
        answer = await call_next(request)
        requests.labels(str(answer.status_code)).inc()
        return answer

    @app.exception_handler(ConfigError)
    @app.exception_handler(ParseError)
    async def refused(_request: Request, error: BurnlineError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(StorageError)
    async def unavailable(_request: Request, error: StorageError) -> JSONResponse:
        return JSONResponse({"error": f"the database did not answer: {error}"}, 503)


def _health(app: FastAPI, database: Database, registry: CollectorRegistry) -> None:
    @app.get("/healthz", tags=["health"])
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], responses={503: {"description": "not ready, with the reasons"}})
    def readyz(response: Response) -> dict[str, Any]:
        """Whether what Burnline says can be relied on now, each part by itself."""
        state = readiness(database, time.time())
        response.status_code = 200 if state["ready"] else 503
        return state

    @app.get("/metrics", tags=["health"], response_class=Response)
    def metrics() -> Response:
        """The API's own metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _runbooks(app: FastAPI) -> None:
    @app.get(
        "/runbooks/{name}.md",
        tags=["runbooks"],
        response_class=PlainTextResponse,
        responses={404: {"description": "no runbook of that name"}},
    )
    def runbook(name: Annotated[str, Path(pattern="^[A-Za-z]{1,64}$")]) -> str:
        """What to do when an alert of this name wakes you."""
        text = read_runbook(name)
        if text is None:
            raise HTTPException(404, f"there is no runbook {name}")
        return text


def _reading(app: FastAPI, database: Database) -> None:
    @app.get("/api/v1/slos/status", tags=["slos"])
    def slo_status() -> list[dict[str, Any]]:
        """Every SLO and group: the rows of `burnline slo status --json`."""
        return store.status(database)

    @app.get("/api/v1/alerts", tags=["alerts"])
    def alerts(state: Annotated[str | None, Query(pattern="^(ok|pending|firing)$")] = None) -> list[dict[str, Any]]:
        """Alerts by (slo, group, severity)."""
        return [views.alert(row) for row in store.alert_rows(database) if state in (None, row.state)]

    @app.get("/api/v1/incidents", tags=["incidents"])
    def list_incidents(open_only: bool = True) -> list[dict[str, Any]]:
        """Incidents, newest first."""
        return [views.incident(one) for one in incidents.list_incidents(database, open_only=open_only)]

    @app.get("/api/v1/silences", tags=["silences"])
    def list_silences(expired: bool = False) -> list[dict[str, Any]]:
        """Silences that hold or will; `expired` adds those that have ended."""
        now = time.time()
        return [views.silence(one, now) for one in silences.list_silences(database, now, include_expired=expired)]

    @app.get("/api/v1/targets", tags=["targets"])
    def list_targets() -> list[dict[str, Any]]:
        """Targets in discovery and how they do."""
        return [views.target(one) for one in fleet.targets(database)]


def _writing(app: FastAPI, database: Database) -> None:
    bad: dict[int | str, dict[str, Any]] = {400: {"description": "what is wrong with the request"}}

    @app.post("/api/v1/silences", tags=["silences"], status_code=201, responses=bad)
    def add_silence(new: Annotated[NewSilence, Body()]) -> dict[str, str]:
        """Silence alerts that match, from now on."""
        now = time.time()
        ends = now + parse_prometheus(new.duration)
        found = silences.add(database, parse_matchers(new.matchers), now, ends, new.created_by, new.comment, now)
        return {"id": found}

    @app.delete("/api/v1/silences/{silence_id}", tags=["silences"], status_code=204, responses=bad)
    def expire_silence(silence_id: str, by: Annotated[str, Query(min_length=1, max_length=200)]) -> None:
        """End a silence now."""
        silences.expire(database, silence_id, by, time.time())

    @app.post(
        "/api/v1/incidents/{incident_id}/acknowledge",
        tags=["incidents"],
        responses={404: {"description": "no such incident"}, **bad},
    )
    def acknowledge(incident_id: int, ack: Annotated[Acknowledgement, Body()]) -> dict[str, Any]:
        """Take an incident: repeats stop until something new happens."""
        if incident_id > 2**31 - 1 or incidents.get(database, incident_id) is None:
            raise HTTPException(404, f"there is no incident {incident_id}")
        return views.incident(incidents.acknowledge(database, incident_id, ack.by, ack.comment, time.time()))
