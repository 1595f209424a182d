"""What gRPC answers where HTTP answers with a status: the same refusals under gRPC's codes.

Retrying is said as OTLP asks for it: RESOURCE_EXHAUSTED and UNAVAILABLE with RetryInfo come again, RESOURCE_EXHAUSTED
without does not. (https://opentelemetry.io/docs/specs/otlp/#failures)
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from collector.otlp.answer import Refused, status

CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.UNIMPLEMENTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.UNIMPLEMENTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""gRPC's code for each HTTP status that a request can be refused with."""

Trailers = tuple[tuple[str, bytes], ...]


def code_of(problem: Refused) -> grpc.StatusCode:
    """The code of a refusal."""
    return CODES[problem.status]


def trailers(problem: Refused) -> Trailers:
    """What follows the code: google.rpc.Status with its details."""
    body = status(problem, code_of(problem).value[0])
    if problem.retry_after is None:
        return (("grpc-status-details-bin", body.SerializeToString()),)
    again = RetryInfo(retry_delay=Duration(seconds=problem.retry_after))
    body.details.add().Pack(again)
    # The exporter of OpenTelemetry's Python SDK looks for RetryInfo under a name of its own, not among the details.
    return (
        ("grpc-status-details-bin", body.SerializeToString()),
        ("google.rpc.retryinfo-bin", again.SerializeToString()),
    )
