"""What gRPC answers where HTTP answers with a status: the same refusals under gRPC's codes.

Retrying is said as OTLP asks for it: RESOURCE_EXHAUSTED and UNAVAILABLE with RetryInfo come again, RESOURCE_EXHAUSTED
without does not. (https://opentelemetry.io/docs/specs/otlp/#failures)
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
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

_GOLDEN = 0.6180339887
"""Its multiples, without their whole part, are spread evenly, however many there are."""
Trailers = tuple[tuple[str, bytes], ...]


def code_of(problem: Refused) -> grpc.StatusCode:
    """The code of a refusal."""
    return CODES[problem.status]


class Refusals:
    """What follows the code of a refusal. Clients that are refused at once must not come again at once: each is given
    another time, 0.5 to 1.5 times what HTTP says, and those of consecutive refusals lie far apart."""

    def __init__(self) -> None:
        self._count = 0

    def trailers(self, problem: Refused) -> Trailers:
        """google.rpc.Status with its details."""
        body = status(problem, code_of(problem).value[0])
        if problem.retry_after is None:
            return (("grpc-status-details-bin", body.SerializeToString()),)
        again = RetryInfo()
        again.retry_delay.FromMilliseconds(self._milliseconds(problem.retry_after))
        body.details.add().Pack(again)
        # The exporter of OpenTelemetry's Python SDK looks for RetryInfo under a name of its own, not among the details.
        return (
            ("grpc-status-details-bin", body.SerializeToString()),
            ("google.rpc.retryinfo-bin", again.SerializeToString()),
        )

    def _milliseconds(self, seconds: int) -> int:
        self._count += 1
        return round(seconds * 1000 * (0.5 + self._count * _GOLDEN % 1))
