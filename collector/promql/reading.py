"""Asking a server for a span of time, piece by piece, as long as it will answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.promql import wanted
from collector.promql.api import TOO_MUCH, PrometheusApi, Stream
from collector.promql.pages import Address, address_of
from collector.promql.pieces import PieceLength
from core.errors import ScrapeError
from core.labels import Labels


class Answer(NamedTuple):
    """What a server told of the span that ends at `end`, and the targets that it had then (one entry each)."""

    streams: list[Stream]
    present: list[Address]
    end: int


class SpanReader:
    """Reads the targets of some selectors of one server. `wished`: samples an answer."""

    def __init__(self, api: PrometheusApi, match: Sequence[str], wished: int) -> None:
        self._api = api
        self._match = match
        self._piece = PieceLength(wished)

    async def next(self, selectors: Sequence[str], since: int, goal: int) -> Answer:
        """The piece after `since`, at most up to `goal` (Unix seconds); ScrapeError where there is no answer."""
        while True:
            end = self._piece.end(since, goal)
            try:
                return await self._ask(selectors, since, end)
            except ScrapeError as error:
                if error.reason not in (TOO_MUCH, "timeout") or not self._piece.too_long(end - since):
                    raise

    async def _ask(self, selectors: Sequence[str], since: int, end: int) -> Answer:
        streams: list[Stream] = []
        for selector in selectors:
            streams += await self._api.raw(selector, since, end)
        present: set[Labels] = set()
        for selector in wanted.up(self._match):
            present.update(await self._api.present(selector, end))
        self._piece.answered(end - since, sum(len(stream.times) for stream in streams))
        return Answer(streams, [address_of(labels) for labels in present], end)
