"""What the receiver answers: OTLP's responses and google.rpc.Status, in the request's own encoding."""

from __future__ import annotations

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

from core.errors import BurnlineError

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_LONGEST_MESSAGE = 2000
"""A client reads 4 MiB of an answer at most; nobody reads more than this."""


class Refused(BurnlineError):
    """A request that is not taken, with its HTTP status; `retry_after` in seconds where the client should try again."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        self.status = status
        self.message = message
        self.retry_after = retry_after
        super().__init__(message)


def accepted(media: str, rejected: int, message: str) -> web.Response:
    """200: all spans were taken, but for those `rejected`."""
    return _answer(200, response(rejected, message), media)


def response(rejected: int, message: str) -> otlp.ExportTraceServiceResponse:
    """OTLP's answer to traces that were taken, but for spans `rejected`."""
    body = otlp.ExportTraceServiceResponse()
    if rejected:
        body.partial_success.rejected_spans = rejected
        body.partial_success.error_message = message[:_LONGEST_MESSAGE]
    return body


def accepted_points(media: str, body: Message) -> web.Response:
    """200: metrics were taken, as the response tells."""
    return _answer(200, body, media)


def refused(media: str, problem: Refused) -> web.Response:
    """An error, with its time in the header that HTTP has for it."""
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return _answer(problem.status, status(problem), media, headers)


def status(problem: Refused, code: int = 0) -> status_pb2.Status:
    """An error's google.rpc.Status; the details of a 400 say that the request itself is wrong."""
    message = problem.message[:_LONGEST_MESSAGE]
    body = status_pb2.Status(code=code, message=message)
    if problem.status == 400:
        violation = error_details_pb2.BadRequest.FieldViolation(field="body", description=message)
        body.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return body


def _answer(status: int, body: Message, media: str, headers: dict[str, str] | None = None) -> web.Response:
    data = body.SerializeToString() if media == PROTOBUF else json_format.MessageToJson(body).encode()
    return web.Response(status=status, body=data, content_type=media, headers=headers)
