"""dns_sd: targets from SRV, A and AAAA records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from collector.discovery.port import Group, Sink, joined
from collector.settings import DnsSd
from core.errors import DiscoveryError

_LIFETIME = 10.0
"""Seconds for one question over all servers and tries."""


class Dns:
    """One domain name. A name that does not exist has no targets; a server that does not answer is a failure."""

    def __init__(self, given: DnsSd, name: str) -> None:
        self.name = f"dns {given.type} {name}"
        self._given = given
        self._domain = name

    async def watch(self, sink: Sink) -> None:
        """Ask at once and every refresh_interval."""
        while True:
            try:
                sink.accept({self._domain: Group(tuple(map(self._target, await self._records())), {})})
            except DiscoveryError as error:
                sink.refuse(str(error))
            await asyncio.sleep(self._given.refresh_interval)

    async def _records(self) -> Sequence[Any]:
        """In an order that stays: servers shuffle their answers."""
        try:
            resolver = resolver_of(self._given.servers)
            answer = await resolver.resolve(self._domain, self._given.type, lifetime=_LIFETIME)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DiscoveryError(f"{type(error).__name__}: {error}") from None
        return sorted(answer, key=str)

    def _target(self, record: Any) -> dict[str, str]:
        told = {"__meta_dns_name": self._domain}
        if self._given.type != "SRV":
            return {"__address__": joined(str(record.address), self._given.port or 0), **told}
        host = str(record.target)
        return {
            "__address__": joined(host.rstrip("."), record.port),
            "__meta_dns_srv_record_target": host,
            "__meta_dns_srv_record_port": str(record.port),
            **told,
        }


def resolver_of(servers: Sequence[str]) -> dns.asyncresolver.Resolver:
    """A resolver that asks these servers, or those of the machine; read anew, since they may change."""
    if not servers:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    split = [_split(server) for server in servers]
    resolver.nameservers = [host for host, _ in split]
    resolver.nameserver_ports = dict(split)
    return resolver


def _split(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    has_port = colon and (":" not in host or host.endswith("]"))
    return (host.strip("[]"), int(port)) if has_port else (server.strip("[]"), 53)
