"""Our webhook body beside the one that a real Alertmanager sends for the same alert."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from alerting import route
from alerting.settings import AlertingSettings

PROGRAM = "prometheus-alertmanager"
SINCE_0_32 = "notification_reason"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: types(part) for name, part in sorted(value.items())}
    return [types(part) for part in value] if isinstance(value, list) else type(value).__name__


def theirs(tmp_path: Path, http_server: Any, labels: dict[str, str], annotations: dict[str, str]) -> Any:
    config = f"""
route:
  receiver: none
  routes: [{{receiver: hook, matchers: ['severity="page"'], group_by: [slo, model], group_wait: 0s}}]
receivers: [{{name: none}}, {{name: hook, webhook_configs: [{{url: "{http_server.url("/theirs")}"}}]}}]
"""
    (tmp_path / "am.yml").write_text(config)
    port = free_port()
    arguments = [
        f"--config.file={tmp_path / 'am.yml'}",
        f"--storage.path={tmp_path / 'am'}",
        "--cluster.listen-address=",
    ]
    server = subprocess.Popen(
        [PROGRAM, *arguments, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL
    )
    try:
        body = json.dumps([{"labels": labels, "annotations": annotations, "generatorURL": "http://127.0.0.1/"}])
        post(f"http://127.0.0.1:{port}/api/v2/alerts", body.encode())
        return wait_for(http_server, "/theirs")
    finally:
        server.terminate()
        server.wait()


def post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for attempt in range(200):
        try:
            urllib.request.urlopen(request).close()
        except OSError:
            if attempt == 199:
                raise
            time.sleep(0.05)
        else:
            return


def wait_for(http_server: Any, path: str) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [request.json() for request in http_server.requests if request.path == path]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"nothing came to {path}")


def ours(world: Any, http_server: Any) -> Any:
    hook = {"name": "hook", "webhook": {"url": http_server.url("/ours")}}
    tree = {
        "receiver": "hook",
        "routes": [
            {"receiver": "hook", "matchers": ['severity="page"'], "group_by": ["slo", "model"], "group_wait": "0s"}
        ],
    }
    world.restart(AlertingSettings.model_validate({"receivers": [hook], "route": tree}))
    world.event("firing", "eu")

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(world.alerter.run(stop))
        await asyncio.to_thread(wait_for, http_server, "/ours")
        stop.set()
        await running

    asyncio.run(run())
    return wait_for(http_server, "/ours")


@pytest.mark.server(PROGRAM)
def test_the_body_has_the_fields_types_and_group_key_of_a_real_alertmanager(
    world: Any, http_server: Any, tmp_path: Path
) -> None:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    mine = ours(world, http_server)
    labels, annotations = mine["alerts"][0]["labels"], mine["alerts"][0]["annotations"]
    real = theirs(tmp_path, http_server, labels, annotations)
    if SINCE_0_32 not in real:
        assert mine.pop(SINCE_0_32) == "first notification"
    assert types(mine) == types(real)
    same = ("groupKey", "status", "receiver", "groupLabels", "commonLabels", "commonAnnotations", "version")
    assert {name: mine[name] for name in same} == {name: real[name] for name in same}
    assert mine["alerts"][0]["fingerprint"] == real["alerts"][0]["fingerprint"]
    assert mine["alerts"][0]["endsAt"] == real["alerts"][0]["endsAt"]
    assert len(route.dedup_key(mine["groupKey"])) == 64
