"""Discovery by DNS: a name server of our own, which answers, refuses and is silent as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from pydantic import ValidationError

from collector.discovery import dns as mechanism
from collector.discovery.dns import Dns
from collector.settings import DnsSd
from tests.collector.discovery.sinks import Told, until, watching


class Zone(asyncio.DatagramProtocol):
    """Answers over UDP from `records`: (name, type) to the texts of its records; `rcode` refuses all."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.rcode = dns.rcode.NOERROR
        self.silent = False
        self.truncated = False
        self.address = ""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.silent:
            self._transport.sendto(self.answer(data, cut=self.truncated), addr)

    async def over_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        wire = self.answer(await reader.readexactly(size), cut=False)
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await writer.drain()
        writer.close()

    def answer(self, data: bytes, *, cut: bool) -> bytes:
        query = dns.message.from_wire(data)
        question = query.question[0]
        answer = dns.message.make_response(query)
        answer.set_rcode(self.rcode)
        name = str(question.name).rstrip(".")
        if cut:
            answer.flags |= dns.flags.TC
        elif (name, dns.rdatatype.to_text(question.rdtype)) in self.records:
            texts = self.records[name, dns.rdatatype.to_text(question.rdtype)]
            if texts:
                answer.answer.append(dns.rrset.from_text_list(question.name, 5, "IN", question.rdtype, texts))
        else:
            answer.set_rcode(self.rcode or dns.rcode.NXDOMAIN)
        return answer.to_wire()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Zone]:
        server = await asyncio.start_server(self.over_tcp, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        self.address = f"127.0.0.1:{port}"
        try:
            yield self
        finally:
            transport.close()
            server.close()


def live(steps: Any, name: str = "_http._tcp.llm.test", **more: Any) -> None:
    async def run() -> None:
        async with Zone().serving() as zone:
            zone.records["_http._tcp.llm.test", "SRV"] = ["0 5 8000 b.llm.test.", "0 5 8001 a.llm.test."]
            zone.records["llm.test", "A"] = ["10.0.0.2", "10.0.0.1"]
            zone.records["llm.test", "AAAA"] = ["fd00::1"]
            zone.records["empty.test", "A"] = []
            given = DnsSd(names=(name,), servers=(zone.address,), refresh_interval=0.02, **more)
            async with watching(Dns(given, name)) as told:
                await steps(zone, told)

    asyncio.run(run())


def test_srv_records_tell_host_and_port() -> None:
    async def steps(zone: Zone, told: Told) -> None:
        await until("it is known", lambda: told.groups is not None)
        assert told.targets()[0] == {
            "__address__": "a.llm.test:8001",
            "__meta_dns_name": "_http._tcp.llm.test",
            "__meta_dns_srv_record_port": "8001",
            "__meta_dns_srv_record_target": "a.llm.test.",
        }
        assert told.addresses() == {"a.llm.test:8001", "b.llm.test:8000"}
        zone.records["_http._tcp.llm.test", "SRV"] = ["0 5 8002 a.llm.test."]
        await until("it changed", lambda: told.addresses() == {"a.llm.test:8002"})

    live(steps)


@pytest.mark.parametrize(
    ("type_", "expected"), [("A", {"10.0.0.1:9", "10.0.0.2:9"}), ("AAAA", {"[fd00::1]:9"})], ids=["A", "AAAA"]
)
def test_address_records_take_the_port_of_the_settings(type_: str, expected: set[str]) -> None:
    async def steps(zone: Zone, told: Told) -> None:
        await until("it is known", lambda: told.addresses() == expected)

    live(steps, "llm.test", type=type_, port=9)


@pytest.mark.parametrize("name", ["missing.test", "empty.test"])
def test_a_name_without_records_has_no_targets(name: str) -> None:
    async def steps(zone: Zone, told: Told) -> None:
        await until("it is known", lambda: told.groups is not None)
        assert told.targets() == []
        assert told.error is None

    live(steps, name, type="A", port=9)


def test_a_server_that_fails_keeps_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mechanism, "_LIFETIME", 0.2)

    async def steps(zone: Zone, told: Told) -> None:
        await until("it is known", lambda: len(told.targets()) == 2)
        zone.rcode = dns.rcode.SERVFAIL
        await until("it is refused", lambda: told.refused == 1)
        zone.rcode, zone.silent = dns.rcode.NOERROR, True
        await until("it is silent", lambda: told.error is not None and "LifetimeTimeout" in told.error)
        assert len(told.targets()) == 2
        zone.silent = False
        zone.records["_http._tcp.llm.test", "SRV"] = ["0 5 8002 a.llm.test."]
        await until("it is known again", lambda: told.addresses() == {"a.llm.test:8002"})
        assert told.error is None

    live(steps)


def test_an_answer_that_was_cut_is_asked_for_over_tcp() -> None:
    async def steps(zone: Zone, told: Told) -> None:
        zone.truncated = True
        zone.records["_http._tcp.llm.test", "SRV"] = [f"0 5 {port} a.llm.test." for port in range(8000, 8200)]
        await until("all are known", lambda: len(told.targets()) == 200)

    live(steps)


def test_address_records_need_a_port() -> None:
    with pytest.raises(ValidationError, match="set port"):
        DnsSd(names=("a.test",), type="A")


@pytest.mark.parametrize(
    ("server", "expected"),
    [("10.0.0.1", ("10.0.0.1", 53)), ("10.0.0.1:5353", ("10.0.0.1", 5353)), ("fd00::1", ("fd00::1", 53)),
     ("[fd00::1]:5353", ("fd00::1", 5353)), ("[fd00::1]", ("fd00::1", 53))],
)  # fmt: skip
def test_servers_are_addresses_with_or_without_port(server: str, expected: tuple[str, int]) -> None:
    assert mechanism._split(server) == expected
