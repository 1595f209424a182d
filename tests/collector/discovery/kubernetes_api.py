"""A stub of the Kubernetes API: lists in pages and watches with versions, and fails as it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KINDS = {
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "endpoints": ("v1", "Endpoints"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
}


class Api:
    """Objects by resource, with one version for all, as in a cluster.

    `faults`: what happens to the next requests, by "list" or "watch": an HTTP status, "gone" (an ERROR event), "cut"
    (the connection breaks within an event), "garbage", "hang" (nothing for a second, then the end) or "strange".
    """

    def __init__(self, token: str = "", page: int = 1000) -> None:
        self.version = 100
        self.oldest = 0
        self.objects: dict[str, dict[str, dict[str, Any]]] = {resource: {} for resource in KINDS}
        self.events: list[tuple[int, str, str, dict[str, Any]]] = []
        self.faults: dict[str, list[str | int]] = {"list": [], "watch": []}
        self.token = token
        self.page = page
        self.requests: list[tuple[str, str]] = []
        self.selectors: set[tuple[str, str, str]] = set()
        self.address = ""
        self._news = asyncio.Condition()

    def put(self, resource: str, given: dict[str, Any]) -> None:
        """An object comes or changes; `told` makes watches see it."""
        key = f"{given['metadata'].get('namespace', '')}/{given['metadata']['name']}"
        kind = "MODIFIED" if key in self.objects[resource] else "ADDED"
        self._change(resource, kind, key, given)

    def delete(self, resource: str, key: str) -> None:
        """An object goes."""
        self._change(resource, "DELETED", key, self.objects[resource][key])

    def _change(self, resource: str, kind: str, key: str, given: dict[str, Any]) -> None:
        self.version += 1
        api, name = KINDS[resource]
        meta = {**given["metadata"], "resourceVersion": str(self.version)}
        one = {"apiVersion": api, "kind": name, **given, "metadata": meta}
        if kind == "DELETED":
            del self.objects[resource][key]
        else:
            self.objects[resource][key] = one
        self.events.append((self.version, resource, kind, one))

    async def told(self) -> None:
        """Wake the watches."""
        async with self._news:
            self._news.notify_all()

    def forget(self) -> None:
        """No watch can go on from a version before now."""
        self.oldest = self.version

    # Serving.

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Api]:
        app = web.Application()
        for resource, (api, _) in KINDS.items():
            root = "/api/v1" if api == "v1" else f"/apis/{api}"
            for path in (f"{root}/{resource}", f"{root}/namespaces/{{namespace}}/{resource}"):
                app.router.add_get(path, self._handler(resource))
        app.router.add_get("/version", self._tell_version)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _tell_version(self, request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "25", "gitVersion": "v1.25.0"})

    def _handler(self, resource: str) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
                return _status(401, "Unauthorized")
            what = "watch" if request.query.get("watch") in ("1", "true") else "list"
            self.requests.append((what, resource))
            for name in ("labelSelector", "fieldSelector"):
                if name in request.query:
                    self.selectors.add((resource, name, request.query[name]))
            fault = self.faults[what].pop(0) if self.faults[what] else None
            if isinstance(fault, int):
                return _status(fault, "as told")
            namespace = request.match_info.get("namespace", "")
            if what == "list":
                return self._list(resource, namespace, request, fault)
            return await self._watch(resource, namespace, request, fault)

        return handle

    def _list(self, resource: str, namespace: str, request: web.Request, fault: str | None) -> web.Response:
        if fault == "garbage":
            return web.Response(body=b"<html>", content_type="text/html")
        if fault == "strange":
            return web.json_response({"kind": "List", "metadata": {}, "items": [{"metadata": {"labels": 5}}]})
        api, name = KINDS[resource]
        items = [one for key, one in sorted(self.objects[resource].items()) if _within(one, namespace)]
        page = min(self.page, int(request.query.get("limit") or len(items) + 1))
        begin = int(request.query.get("continue") or 0)
        meta: dict[str, Any] = {"resourceVersion": str(self.version)}
        if begin + page < len(items):
            meta["continue"] = str(begin + page)
        return web.json_response(
            {"apiVersion": api, "kind": f"{name}List", "metadata": meta, "items": items[begin : begin + page]}
        )

    async def _watch(
        self, resource: str, namespace: str, request: web.Request, fault: str | None
    ) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion") or 0)
        if since < self.oldest:
            return _status(410, "too old resource version")
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        if fault is not None:
            await self._fail(answer, request, fault)
            return answer
        while True:
            for version, which, kind, one in list(self.events):
                if version > since and which == resource and _within(one, namespace):
                    await answer.write(_event(kind, one))
            since = self.version
            bookmark = {"kind": KINDS[resource][1], "metadata": {"resourceVersion": str(since)}}
            await answer.write(_event("BOOKMARK", {"apiVersion": KINDS[resource][0], **bookmark}))
            async with self._news:
                await self._news.wait()
            if self.faults["watch"] and self.faults["watch"][0] == "end":
                self.faults["watch"].pop(0)
                return answer

    async def _fail(self, answer: web.StreamResponse, request: web.Request, fault: str) -> None:
        if fault == "gone":
            await answer.write(_event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"}))
        elif fault == "garbage":
            await answer.write(b'{"type": "ADDED", "object"\n')
        elif fault == "strange":
            await answer.write(_event("ADDED", {"metadata": {"name": 5}}))
        elif fault == "hang":
            await asyncio.sleep(0.3)
        elif fault == "cut":
            await answer.write(b'{"type": "ADDED", "object": {"metadata"')
            assert request.transport is not None
            request.transport.abort()


def _event(kind: str, one: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": one}).encode() + b"\n"


def _within(one: dict[str, Any], namespace: str) -> bool:
    return namespace in ("", one["metadata"].get("namespace"))


def _status(code: int, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return web.json_response(body, status=code)


# Objects.


def pod(name: str, ip: str, namespace: str = "llm", **more: Any) -> dict[str, Any]:
    """A ready pod with one container that declares the port 8000."""
    ports = [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": {"app": "vllm"}}
    status = {
        "phase": "Running",
        "podIP": ip,
        "hostIP": "10.9.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {
        "metadata": {**meta, **more.pop("metadata", {})},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "engine", "image": "vllm:1", "ports": ports}],
            **more.pop("spec", {}),
        },
        "status": {**status, **more.pop("status", {})},
    }


def cluster(api: Api) -> None:
    """Objects of every kind, odd ones among them."""
    for resource, one in _objects():
        api.put(resource, one)


def _objects() -> Iterable[tuple[str, dict[str, Any]]]:
    yield "pods", pod("plain", "10.0.0.1")
    yield (
        "pods",
        pod(
            "owned-0",
            "10.0.0.2",
            metadata={
                "labels": {"app.kubernetes.io/name": "vllm", "empty": ""},
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Job", "name": "j", "uid": "u1"},
                    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "owned", "uid": "u", "controller": True},
                ],
            },
            spec={
                "containers": [
                    {
                        "name": "engine",
                        "image": "vllm:2",
                        "ports": [
                            {"name": "http", "containerPort": 8000, "protocol": "TCP"},
                            {"containerPort": 9000, "protocol": "UDP"},
                        ],
                    },
                    {"name": "side", "image": "side:1"},
                ],
                "initContainers": [{"name": "fetch", "image": "fetch:1"}],
            },
            status={
                "containerStatuses": [{"name": "engine", "containerID": "containerd://abc", "image": "vllm:2"}],
                "initContainerStatuses": [{"name": "fetch", "containerID": "containerd://def", "image": "fetch:1"}],
            },
        ),
    )
    yield "pods", pod("pending", "", status={"podIP": "", "phase": "Pending", "conditions": None})
    yield "pods", pod("unready", "fd00::3", status={"conditions": [{"type": "Ready", "status": "False"}]})
    yield "pods", pod("elsewhere", "10.0.0.4", namespace="other", metadata={"labels": None})
    ports = [
        {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8000},
        {"name": "grpc", "port": 81, "protocol": "TCP"},
    ]
    meta = {"name": "vllm", "namespace": "llm"}
    yield (
        "services",
        {
            "metadata": {**meta, "labels": {"team": "a"}, "annotations": {"note": "x"}},
            "spec": {"type": "ClusterIP", "clusterIP": "10.1.0.1", "ports": ports},
        },
    )
    yield (
        "services",
        {
            "metadata": {"name": "outside", "namespace": "llm"},
            "spec": {"type": "ExternalName", "externalName": "llm.example.com", "ports": ports[:1]},
        },
    )
    yield (
        "services",
        {
            "metadata": {"name": "balanced", "namespace": "other"},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.1.0.2", "loadBalancerIP": "1.2.3.4", "ports": ports[1:]},
        },
    )
    reference = {"kind": "Pod", "name": "owned-0", "namespace": "llm"}
    yield (
        "endpoints",
        {
            "metadata": {**meta, "labels": {"endpoints": "yes"}},
            "subsets": [
                {
                    "addresses": [
                        {"ip": "10.0.0.2", "nodeName": "node-1", "hostname": "h-0", "targetRef": reference},
                        {"ip": "10.0.0.77", "targetRef": {"kind": "Pod", "name": "unknown", "namespace": "llm"}},
                        {"ip": "10.0.0.78", "targetRef": {"kind": "Node", "name": "node-2"}},
                    ],
                    "notReadyAddresses": [{"ip": "fd00::3", "targetRef": {**reference, "name": "unready"}}],
                    "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
                }
            ],
        },
    )
    yield "endpoints", {"metadata": {"name": "lonely", "namespace": "other"}, "subsets": None}
    yield (
        "endpointslices",
        {
            "metadata": {
                "name": "vllm-abc",
                "namespace": "llm",
                "labels": {"kubernetes.io/service-name": "vllm"},
                "annotations": {"slice": "note"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8000, "protocol": "TCP", "appProtocol": "http"}],
            "endpoints": [
                {
                    "addresses": ["10.0.0.2"],
                    "conditions": {"ready": True, "serving": True, "terminating": False},
                    "hostname": "h-0",
                    "nodeName": "node-1",
                    "zone": "eu-1a",
                    "targetRef": reference,
                    "deprecatedTopology": {"topology.kubernetes.io/region": "eu"},
                },
                {"addresses": ["10.0.0.80"], "conditions": {"ready": False}},
                {"addresses": ["10.0.0.81"], "conditions": {}},
            ],
        },
    )
    yield (
        "endpointslices",
        {
            "metadata": {"name": "orphan", "namespace": "other"},
            "addressType": "IPv6",
            "ports": [{"name": "", "port": 9100, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["fd00::9"], "conditions": {"ready": True}}],
        },
    )
