"""The API: what people and rollout controllers ask of Burnline. One file a subject; this one puts them together.

Without any token it answers this machine alone; see auth.py. Errors are `{"error": text}` with a fitting status.
"""

from __future__ import annotations

from fastapi import Depends
from prometheus_client import CollectorRegistry, Counter

from burnline.api import (
    alerts,
    audit,
    canaries,
    deployments,
    errors,
    gate,
    generations,
    health,
    incidents,
    ledger,
    maintenance,
    quality,
    runbooks,
    silences,
    slos,
    targets,
    tokens,
)
from burnline.api.admission import Admission
from burnline.api.auth import Door
from burnline.api.context import Context
from burnline.api.document import Api
from burnline.api.fields import known_only
from burnline.check import is_loopback
from burnline.settings import ApiSettings
from core.clock import Clock, SystemClock
from storage.database import Database

_SUBJECTS = (
    slos,
    gate,
    ledger,
    alerts,
    incidents,
    silences,
    maintenance,
    targets,
    deployments,
    canaries,
    quality,
    generations,
    tokens,
    audit,
)


def create_app(database: Database, settings: ApiSettings | None = None, clock: Clock | None = None) -> Api:
    """The application over one database."""
    settings, clock = settings or ApiSettings(), clock or SystemClock()
    app = Api(
        title="Burnline",
        version="0.1.0",
        docs_url="/docs",
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    registry = CollectorRegistry()
    answers = Counter("burnline_api_requests", "Answers by status.", ["status"], registry=registry)
    door = Door(database, clock, loopback=is_loopback(settings.host))
    context = Context(database, clock, door)
    errors.register(app)
    app.include_router(health.router(context, registry))
    app.include_router(runbooks.router())
    for subject in _SUBJECTS:
        app.include_router(subject.router(context), dependencies=[Depends(known_only)])
    app.add_middleware(Admission, door=door, settings=settings, clock=clock, answers=answers)
    return app
