"""The runbooks that Burnline brings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import PlainTextResponse

from burnline.runbooks import read_runbook


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["runbooks"])

    @routes.get(
        "/runbooks/{name}.md",
        response_class=PlainTextResponse,
        responses={404: {"description": "no runbook of that name"}},
    )
    def runbook(name: Annotated[str, Path(pattern="^[A-Za-z]{1,64}$")]) -> str:
        """What to do when an alert of this name wakes you."""
        text = read_runbook(name)
        if text is None:
            raise HTTPException(404, f"there is no runbook {name}")
        return text

    return routes
