"""Discovery in Consul: a stub of its catalogue, and vmagent beside us on the same stub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from collector.discovery.consul import Consul
from collector.settings import ConsulSd
from tests.collector.discovery import oracle
from tests.collector.discovery.sinks import Told, until, watching


def instance(node: str, port: int, checks: Mapping[str, str] | None = None, **service: Any) -> dict[str, Any]:
    return {
        "Node": {
            "ID": node,
            "Node": node,
            "Address": f"10.0.0.{len(node)}",
            "Datacenter": "dc1",
            "TaggedAddresses": {"lan": "10.0.0.1", "wan-v4": "1.2.3.4"},
            "Meta": {"rack.id": "r1"},
        },
        "Service": {"ID": f"id-{node}-{port}", "Service": "s", "Address": "", "Port": port, "Tags": None, **service},
        "Checks": [{"CheckID": name, "Status": status} for name, status in (checks or {}).items()],
    }


INSTANCES = {
    "vllm": [
        instance("n", 8000, {"a": "passing", "b": "warning"}, Tags=["gpu", "v1"], Meta={"model-name": "m"}),
        instance("nn", 8000, {"a": "warning", "b": "critical"}, Address="10.9.9.9", Tags=["gpu"]),
        instance("nnn", 8001, {"_service_maintenance:x": "critical"}),
        instance("nnnn", 8002, {"_node_maintenance": "passing"}, Address="fd00::1"),
    ],
    "web": [instance("n", 80)],
    "empty": [],
}


class Catalogue:
    """Consul's catalogue; a question with the newest index waits for `told`."""

    def __init__(self) -> None:
        self.instances: dict[str, list[dict[str, Any]]] = {name: list(found) for name, found in INSTANCES.items()}
        self.index = 7
        self.faults: list[int | str] = []
        self.asked: list[str] = []
        self.address = ""
        self._news = asyncio.Condition()

    async def told(self, index: int | None = None) -> None:
        async with self._news:
            self.index = self.index + 1 if index is None else index
            self._news.notify_all()

    async def _answer(self, request: web.Request, document: Any) -> web.Response:
        self.asked.append(request.path_qs)
        index = int(request.query.get("index") or 0)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, int):
                return web.Response(status=fault, text="as told")
            return web.Response(text=fault, headers={"X-Consul-Index": str(self.index)})
        async with self._news:
            while index and index == self.index:
                await self._news.wait()
        return web.json_response(document(), headers={"X-Consul-Index": str(self.index)})

    async def _services(self, request: web.Request) -> web.Response:
        def document() -> Any:
            return {
                name: sorted({tag for one in found for tag in one["Service"]["Tags"] or ()})
                for name, found in self.instances.items()
            }

        return await self._answer(request, document)

    async def _health(self, request: web.Request) -> web.Response:
        wanted = set(request.query.getall("tag", []))

        def document() -> Any:
            found = self.instances.get(request.match_info["name"], [])
            return [one for one in found if wanted <= set(one["Service"]["Tags"] or ())]

        return await self._answer(request, document)

    async def _self(self, request: web.Request) -> web.Response:
        return web.json_response({"Config": {"Datacenter": "dc1"}})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Catalogue]:
        app = web.Application()
        app.router.add_get("/v1/catalog/services", self._services)
        app.router.add_get("/v1/health/service/{name}", self._health)
        app.router.add_get("/v1/agent/self", self._self)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


def live(steps: Any, catalogue: Catalogue | None = None, **more: Any) -> None:
    async def run() -> None:
        async with (catalogue or Catalogue()).serving() as stub:
            given = ConsulSd(server=f"http://{stub.address}", refresh_interval=0.01, **more)
            async with watching(Consul(given)) as told:
                await steps(stub, told)

    asyncio.run(run())


@pytest.mark.server("vmagent")
@pytest.mark.parametrize("more", [{}, {"services": ["vllm"]}, {"tags": ["gpu"], "tag_separator": "|"}], ids=str)
def test_vmagent_finds_the_same_targets_with_the_same_labels(tmp_path: Path, more: dict[str, Any]) -> None:
    async def steps(stub: Catalogue, told: Told) -> None:
        await until("everything is known", lambda: told.groups is not None)
        theirs = await asyncio.to_thread(of_vmagent, stub.address, more, len(told.targets()), tmp_path)
        assert told.targets() == theirs
        assert told.error is None

    live(steps, **more)


def of_vmagent(address: str, more: Mapping[str, Any], count: int, folder: Path) -> list[dict[str, str]]:
    # It drops targets that are alike after relabelling: all of their labels are kept.
    rules = [{"action": "labelmap", "regex": "__meta_consul_(.+)"}]
    job = {"job_name": "j", "consul_sd_configs": [{"server": address, **more}], "relabel_configs": rules}
    with oracle.vmagent(folder, {"scrape_configs": [job]}) as client:
        found = oracle.wait_for(
            lambda: client.get("/targets").json()["data"]["activeTargets"], lambda found: len(found) >= count
        )
    given = [
        {k: v for k, v in one["discoveredLabels"].items() if v and k.startswith(("__address__", "__meta"))}
        for one in found
    ]
    return sorted(given, key=lambda one: sorted(one.items()))


def test_changes_of_instances_and_services_are_waited_for() -> None:
    async def steps(stub: Catalogue, told: Told) -> None:
        await until("everything is known", lambda: len(told.targets()) == 5)
        stub.instances["web"] = [instance("n", 81)]
        await stub.told()
        await until("an instance moved", lambda: "10.0.0.1:81" in told.addresses())
        stub.instances["new"] = [instance("n", 82)]
        await stub.told()
        await until("a service came", lambda: "10.0.0.1:82" in told.addresses())
        del stub.instances["vllm"]
        await stub.told()
        await until("a service went", lambda: told.addresses() == {"10.0.0.1:81", "10.0.0.1:82"})
        assert any("wait=120s" in asked for asked in stub.asked)

    live(steps)


@pytest.mark.parametrize("fault", [500, 403, "no JSON", "[1]", '{"a": 1}'])
def test_a_failure_keeps_the_targets_and_what_changed_meanwhile_is_found(fault: int | str) -> None:
    async def steps(stub: Catalogue, told: Told) -> None:
        await until("everything is known", lambda: len(told.targets()) == 5)
        stub.faults += [fault] * 8
        stub.instances["web"].append(instance("n", 81))
        await stub.told()
        await until("it is refused", lambda: told.refused > 0)
        assert len(told.targets()) >= 5
        await until("the change is found", lambda: len(told.targets()) == 6)
        await until("nothing is wrong", lambda: told.error is None)

    live(steps)


def test_an_index_that_goes_back_is_begun_anew() -> None:
    async def steps(stub: Catalogue, told: Told) -> None:
        await until("everything is known", lambda: len(told.targets()) == 5)
        stub.instances["web"].append(instance("n", 81))
        await stub.told(3)
        await until("the change is found", lambda: len(told.targets()) == 6)
        stub.instances["web"].append(instance("n", 82))
        await stub.told()
        await until("and the next", lambda: len(told.targets()) == 7)

    live(steps)


def test_what_is_asked_for_is_in_the_question() -> None:
    async def steps(stub: Catalogue, told: Told) -> None:
        await until("everything is known", lambda: told.groups is not None)
        assert "/v1/catalog/services?dc=d&ns=n&partition=p&node-meta=a:b" in stub.asked

    live(steps, datacenter="d", namespace="n", partition="p", node_meta={"a": "b"}, allow_stale=False)
