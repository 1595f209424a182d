"""Every refusal as `{"error": text}`, the text for the person who must act on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from core.errors import BurnlineError, ConfigError, ParseError, StorageError

_MOST_PROBLEMS = 5


class Error(BaseModel):
    """Why a request was refused."""

    error: str


def refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to a request that is refused; what no encoding can carry is replaced."""
    safe = text.encode("utf-8", "replace").decode()
    return JSONResponse({"error": safe}, status, headers)


def answer_to(error: HTTPException | BurnlineError) -> JSONResponse:
    """The refusal that an expected error becomes."""
    if isinstance(error, HTTPException):
        return refusal(error.status_code, str(error.detail), error.headers)
    if isinstance(error, StorageError):
        return refusal(503, f"the database did not answer: {error}")
    return refusal(400, str(error))


def register(app: FastAPI) -> None:
    """Answer every error in the one shape."""
    app.add_exception_handler(HTTPException, _expected)
    for kind in (ConfigError, ParseError, StorageError):
        app.add_exception_handler(kind, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _fault)


async def _expected(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException | BurnlineError)
    if isinstance(error, HTTPException) and error.status_code == 405:
        return refusal(405, f"{request.method} is not for this address", {"Allow": ", ".join(_allowed(request))})
    return answer_to(error)


def _allowed(request: Request) -> list[str]:
    """Every method of the address: the framework names those of the first route that has it."""
    found: set[str] = set()
    for template, methods in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.url.path):
            found |= {method.upper() for method in methods}
    return sorted(found)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    said = [_problem(one) for one in problems[:_MOST_PROBLEMS]]
    more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
    return refusal(422, "; ".join(said + more))


async def _fault(_request: Request, _error: Exception) -> JSONResponse:
    return refusal(500, "a fault in Burnline: its log has the details")


def _problem(problem: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {str(problem['msg']).removeprefix('Value error, ')}"
