"""The OpenAPI document: what FastAPI reads off the routes, with what the gate and the error shape add to each."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from burnline.api.auth import needed
from burnline.api.errors import Error

_BEARER = {"type": "http", "scheme": "bearer", "description": "`burnline token add NAME --role ROLE` makes one"}
_TEXTS = {
    400: "what is wrong with the request",
    401: "no token, or one that is unknown, expired or revoked",
    403: "the token's role does not allow this",
    413: "the body is too large",
    422: "a parameter or the body is of another shape; the text names the place",
    429: "too many requests",
    503: "the database did not answer",
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    429: {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "required": True, "description": "seconds"}},
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


class Api(FastAPI):
    """FastAPI with the complete document."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the security scheme, the error shape, and every refusal that an operation may answer."""
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": _BEARER}
    schemas = components.setdefault("schemas", {})
    schemas["Error"] = Error.model_json_schema()
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method.upper(), path)
    return document


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    role = needed(method, path)
    if role is not None:
        operation["security"] = [{"bearer": []}]
        operation["x-burnline-role"] = role
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _refusals(operation, path, guarded=role is not None):
        responses.setdefault(str(status), {"description": _TEXTS[status]})
    for status, response in responses.items():
        if int(status) >= 400 and "content" not in response:
            response["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        response.update({"headers": _HEADERS[int(status)]} if int(status) in _HEADERS else {})


def _refusals(operation: dict[str, Any], path: str, *, guarded: bool) -> list[int]:
    asks = bool(operation.get("parameters")) or "requestBody" in operation
    found = [400]
    found += [401, 403, 503] if guarded else []
    found += [413]
    found += [422] if guarded or asks else []
    return found + ([429] if path != "/healthz" else [])
