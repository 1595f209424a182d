"""http_sd: lists of target groups that an HTTP endpoint serves."""

from __future__ import annotations

import asyncio

from collector.discovery.client import ApiClient
from collector.discovery.documents import read_groups
from collector.discovery.port import Sink
from collector.settings import HttpSd
from core.errors import ConfigError, DiscoveryError


class Http:
    """One endpoint."""

    def __init__(self, given: HttpSd) -> None:
        self.name = given.url
        self._given = given

    async def watch(self, sink: Sink) -> None:
        """Ask at once and every refresh_interval."""
        async with ApiClient(self._given.url, self._given) as client:
            while True:
                await self._refresh(client, sink)
                await asyncio.sleep(self._given.refresh_interval)

    async def _refresh(self, client: ApiClient, sink: Sink) -> None:
        try:
            sink.accept(read_groups(await client.json(""), self.name, "__meta_url"))
        except (ConfigError, DiscoveryError) as error:
            sink.refuse(str(error))
