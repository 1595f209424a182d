"""Discovery in Kubernetes: against a stub of its API that fails in every way, and beside vmagent on the same stub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from collector.discovery.kubernetes import Kubernetes
from collector.discovery.kubernetes.access import api_of
from collector.discovery.kubernetes.watch import Pauses
from collector.settings import KubernetesNamespaces, KubernetesSd, KubernetesSelector
from core.errors import DiscoveryError
from tests.collector.discovery import oracle
from tests.collector.discovery.kubernetes_api import Api, cluster, pod
from tests.collector.discovery.sinks import Told, until, watching

QUICK = Pauses(first=0.01, longest=0.05)
ROLES = ("pod", "service", "endpoints", "endpointslice")
GOLDEN = Path(__file__).with_name("kubernetes.json")


def discovery(api: Api, role: str = "pod", **more: Any) -> Kubernetes:
    return Kubernetes(KubernetesSd(role=role, api_server=api.address, **more), QUICK)


async def of_cluster(role: str, page: int = 1000) -> list[dict[str, str]]:
    api = Api(page=page)
    cluster(api)
    async with api.serving(), watching(discovery(api, role)) as told:
        await until("everything is known", lambda: told.groups is not None)
        return told.targets()


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gives_the_labels_that_prometheus_documents(role: str) -> None:
    expected = json.loads(GOLDEN.read_text())[role]
    assert asyncio.run(of_cluster(role)) == expected
    assert asyncio.run(of_cluster(role, page=1)) == expected, "a list in pages is the same list"


UNKNOWN_TO_IT = (
    "pod_container_id",
    "pod_container_image",
    "service_port_number",
    "service_loadbalancer_ip",
    "endpointslice_endpoint_conditions_",
    "endpointslice_endpoint_node_name",
    "endpointslice_endpoint_zone",
    "endpointslice_endpoint_topology_",
)
"""Labels that came to Prometheus later than to vmagent 1.79, or have another form there."""
OF_ITS_OWN = ("service_type", "service_cluster_ip")
"""Labels that vmagent adds to endpoints."""


@pytest.mark.server("vmagent")
@pytest.mark.parametrize("role", ROLES)
def test_vmagent_finds_the_same_targets_with_the_same_labels(role: str, tmp_path: Path) -> None:
    async def live() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        api = Api()
        cluster(api)
        async with api.serving(), watching(discovery(api, role)) as told:
            await until("everything is known", lambda: told.groups is not None)
            theirs = await asyncio.to_thread(of_vmagent, api.address, role, len(told.targets()), tmp_path)
            return told.targets(), theirs

    ours, theirs = asyncio.run(live())
    assert len(ours) > 2
    assert shared(ours, role) == shared(theirs, role)


def of_vmagent(address: str, role: str, count: int, folder: Path) -> list[dict[str, str]]:
    # It drops targets that are alike after relabelling: all of their labels are kept.
    rules = [{"action": "labelmap", "regex": "__meta_kubernetes_(.+)"}]
    sd = {"role": role, "api_server": address}
    job = {"job_name": role, "kubernetes_sd_configs": [sd], "relabel_configs": rules}
    with oracle.vmagent(folder, {"scrape_configs": [job]}) as client:
        found = oracle.wait_for(
            lambda: client.get("/targets").json()["data"]["activeTargets"], lambda found: len(found) >= count
        )
    return [one["discoveredLabels"] for one in found]


def shared(found: list[dict[str, str]], role: str) -> list[list[tuple[str, str]]]:
    """What both know. It gives other ports of pods behind endpoints fewer labels: there only those of the pod."""
    return sorted(
        sorted(
            (name, value)
            for name, value in one.items()
            if value and is_shared(name.removeprefix("__meta_kubernetes_"), role, one)
        )
        for one in found
    )


def is_shared(name: str, role: str, one: Mapping[str, str]) -> bool:
    if (name.startswith("__") and name != "__address__") or name == "job":
        return False
    if not role.startswith("endpoint"):
        return not name.startswith(UNKNOWN_TO_IT)
    behind = not any(label.startswith("__meta_kubernetes_endpoint_") for label in one) and (
        "__meta_kubernetes_endpointslice_port" not in one
    )
    known = not name.startswith((*UNKNOWN_TO_IT, *OF_ITS_OWN))
    return known and not (behind and name.startswith(("endpoints_", "endpointslice_")))


# Changes and failures.


def live(api: Api, steps: Any, **more: Any) -> None:
    async def run() -> None:
        async with api.serving(), watching(discovery(api, **more)) as told:
            await steps(told)

    asyncio.run(run())


def test_changes_come_through_the_watch_without_another_list() -> None:
    api = Api()
    api.put("pods", pod("a", "10.0.0.1"))

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.addresses() == {"10.0.0.1:8000"})
        api.put("pods", pod("b", "10.0.0.2"))
        await api.told()
        await until("one came", lambda: told.addresses() == {"10.0.0.1:8000", "10.0.0.2:8000"})
        api.put("pods", pod("a", "10.0.0.9"))
        await api.told()
        await until("one changed", lambda: told.addresses() == {"10.0.0.9:8000", "10.0.0.2:8000"})
        api.delete("pods", "llm/b")
        await api.told()
        await until("one went", lambda: told.addresses() == {"10.0.0.9:8000"})
        assert [what for what, _ in api.requests].count("list") == 1

    live(api, steps)


def test_endpoints_change_with_their_pods_and_service() -> None:
    api = Api()
    cluster(api)

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.groups is not None)
        changed = pod("owned-0", "10.0.0.2", metadata={"labels": {"version": "v9"}})
        api.put("pods", changed)
        await api.told()
        version = "__meta_kubernetes_pod_label_version"
        await until("the pod's label is told", lambda: any(one.get(version) == "v9" for one in told.targets()))
        api.delete("services", "llm/vllm")
        await api.told()
        name = "__meta_kubernetes_service_name"
        await until("the service is gone", lambda: not any(name in one for one in told.targets()))

    live(api, steps, role="endpoints")


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        *(("watch", fault) for fault in (410, 500, 403, "gone", "cut", "garbage", "strange", "hang")),
        *(("list", fault) for fault in (410, 500, 403, "garbage", "strange")),
    ],
)
def test_a_failure_keeps_the_targets_and_what_changed_meanwhile_is_found(what: str, fault: str | int) -> None:
    api = Api()
    api.put("pods", pod("a", "10.0.0.1"))

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.addresses() == {"10.0.0.1:8000"})
        api.faults["watch"].append("end")
        if what == "list":
            api.forget()
            api.version += 1
            api.forget()
        api.faults[what] += [fault] * 3
        api.put("pods", pod("b", "10.0.0.2"))
        await api.told()
        await until("the change is found", lambda: "10.0.0.2:8000" in told.addresses())
        await until("the failures came", lambda: not api.faults[what])
        assert told.fewest == 1, "no target was lost on the way"
        await until("nothing is wrong any more", lambda: told.error is None)

    live(api, steps)


@pytest.mark.parametrize("fault", [500, "garbage", "strange"])
def test_until_the_first_list_nothing_is_told_but_why(fault: str | int) -> None:
    api = Api()
    api.put("pods", pod("a", "10.0.0.1"))
    api.faults["list"] += [fault] * 3

    async def steps(told: Told) -> None:
        await until("it is refused", lambda: told.error is not None)
        assert told.groups is None
        await until("it is known", lambda: told.addresses() == {"10.0.0.1:8000"})

    live(api, steps)


def test_a_version_that_is_gone_leads_to_a_list() -> None:
    api = Api()
    api.put("pods", pod("a", "10.0.0.1"))

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.addresses() == {"10.0.0.1:8000"})
        api.delete("pods", "llm/a")
        api.put("pods", pod("b", "10.0.0.2"))
        api.events.clear()  # nobody will ever tell of these changes
        api.forget()
        api.faults["watch"].append("end")
        await api.told()
        await until("what is there now is known", lambda: told.addresses() == {"10.0.0.2:8000"})

    live(api, steps)


def test_a_hundred_changes_through_a_flapping_watch_end_in_the_right_set() -> None:
    api, random = Api(page=7), Random(5)
    faults: list[str | int] = [500, "gone", "cut", "garbage", "strange", "hang", 410, 429]

    async def steps(told: Told) -> None:
        for number in range(100):
            name = f"p{random.randrange(30)}"
            if f"llm/{name}" in api.objects["pods"] and random.random() < 0.4:
                api.delete("pods", f"llm/{name}")
            else:
                api.put("pods", pod(name, f"10.0.{random.randrange(200)}.{number}"))
            if random.random() < 0.5:
                api.faults["watch"] += ["end", random.choice(faults)]
            if random.random() < 0.1:
                api.faults["list"].append(random.choice([500, 410, "garbage", "strange"]))
            if random.random() < 0.1:
                api.forget()
            await api.told()
            await asyncio.sleep(0.01)
        api.faults = {"list": [], "watch": ["end"]}
        await api.told()
        expected = {f"{one['status']['podIP']}:8000" for one in api.objects["pods"].values()}
        await until("the right set", lambda: told.addresses() == expected)
        await until("nothing is wrong", lambda: told.error is None)
        assert len(expected) > 5
        assert [what for what, _ in api.requests].count("list") > 5

    live(api, steps)


def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_loop() -> None:
    api = Api()
    api.put("pods", pod("a", "10.0.0.1"))
    api.faults["watch"] += ["strange"] * 10_000

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.addresses() == {"10.0.0.1:8000"})
        await asyncio.sleep(0.5)
        assert len(api.requests) < 100

    live(api, steps)


def test_a_rotated_token_is_read_anew(tmp_path: Path) -> None:
    api, token = Api(token="one"), tmp_path / "token"
    token.write_text("one\n")
    api.put("pods", pod("a", "10.0.0.1"))

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.addresses() == {"10.0.0.1:8000"})
        api.token = "two"
        api.put("pods", pod("b", "10.0.0.2"))
        api.faults["watch"].append("end")
        await api.told()
        await until("it is refused", lambda: told.error is not None and "401" in told.error)
        token.write_text("two\n")
        await until("it is let in again", lambda: told.addresses() == {"10.0.0.1:8000", "10.0.0.2:8000"})

    live(api, steps, bearer_token_file=token)


# What is asked for.


def test_namespaces_and_selectors_are_asked_of_the_server() -> None:
    api = Api()
    cluster(api)
    selectors = (KubernetesSelector(role="pod", label="app=vllm", field="spec.nodeName=node-1"),)

    async def steps(told: Told) -> None:
        await until("it is known", lambda: told.groups is not None)
        names = {one["__meta_kubernetes_namespace"] for one in told.targets()}
        assert names == {"other"}
        wanted = {("pods", "labelSelector", "app=vllm"), ("pods", "fieldSelector", "spec.nodeName=node-1")}
        assert api.selectors == wanted

    live(api, steps, namespaces=KubernetesNamespaces(names=("other", "nowhere")), selectors=selectors)


def test_inside_a_cluster_the_service_account_is_used(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("mine\n")
    given = KubernetesSd(role="pod", namespaces=KubernetesNamespaces(own_namespace=True, names=("more",)))
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    api = api_of(given, tmp_path, environ)
    assert api.base == "https://[fd00::1]:6443"
    assert api.access.bearer_token_file == tmp_path / "token"
    assert api.access.tls.ca_file == tmp_path / "ca.crt"
    assert api.namespaces == ("mine", "more")


def test_outside_of_a_cluster_a_server_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError, match="set api_server"):
        api_of(KubernetesSd(role="pod"), tmp_path, {})
    own = KubernetesSd(role="pod", api_server="http://x", namespaces=KubernetesNamespaces(own_namespace=True))
    with pytest.raises(DiscoveryError, match="namespace"):
        api_of(own, tmp_path, {})


def test_a_selector_of_a_kind_that_the_role_does_not_look_at_is_refused() -> None:
    with pytest.raises(ValidationError, match="selectors of role pod"):
        KubernetesSd(role="pod", selectors=(KubernetesSelector(role="service", label="x"),))
