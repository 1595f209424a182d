from __future__ import annotations

from pathlib import Path

import pytest

from burnline.demo.scenarios import SCENARIOS, Change, Effects, Kill, Scope, Traffic
from burnline.demo.settings import Cell, DemoSettings, topology, with_free_ports
from core.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"scenario": "meteor"},
        {"speed": 0},
        {"request_rate": -1},
        {"canary_share": 1.5},
        {"cells": ()},
        {"cells": (Cell("v1", "eu-west", 0),)},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        DemoSettings(**wrong)


def test_the_default_fleet_has_six_replicas_of_two_versions_in_two_regions_and_an_exporter():
    targets = topology(DemoSettings(base_port=21000)).targets()
    vllm = [target.labels for target in targets if target.labels["job"] == "vllm"]
    cells = [(labels["version"], labels["region"]) for labels in vllm]
    assert sorted(cells) == [
        ("v1", "eu-west"),
        ("v1", "eu-west"),
        ("v1", "us-east"),
        ("v1", "us-east"),
        ("v2", "eu-west"),
        ("v2", "us-east"),
    ]
    assert len({labels["replica"] for labels in vllm}) == 6
    assert targets[-1].labels == {"job": "dcgm", "region": "eu-west"}
    assert len({target.targets[0] for target in targets}) == 7


def test_a_fleet_without_ports_has_no_addresses_yet():
    with pytest.raises(ConfigError, match="with_free_ports"):
        topology(DemoSettings())


def test_ports_that_were_asked_for_stay_and_others_are_chosen_outside_the_ephemeral_range():
    assert with_free_ports(DemoSettings(base_port=4000)).base_port == 4000
    assert 20_000 <= with_free_ports(DemoSettings()).base_port < 32_000


def test_gpus_keep_their_ids_over_restarts_of_the_demo():
    first, again = (topology(DemoSettings(base_port=port)).replicas for port in (21000, 22000))
    assert [replica.gpu_uuid for replica in first] == [replica.gpu_uuid for replica in again]
    assert len({replica.gpu_uuid for replica in first}) == 6


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_events_of_a_script_are_in_order_and_meet_replicas_of_the_default_fleet(name):
    events = SCENARIOS[name].events
    assert [event.at for event in events] == sorted(event.at for event in events)
    replicas = topology(DemoSettings(base_port=21000)).replicas
    for event in events:
        if not isinstance(event, Traffic):
            assert any(event.scope.covers(replica.version, replica.region) for replica in replicas)


def test_the_scripts_do_what_their_names_say():
    def effects(name: str) -> Effects:
        return next(event.effects for event in SCENARIOS[name].events if isinstance(event, Change))

    assert SCENARIOS["healthy"].events == ()
    assert SCENARIOS["canary-regression"].events == (
        Change(20, Scope("v2", "eu-west"), Effects(slowdown=6, error_rate=0.08)),
    )
    assert effects("engine-hang").frozen
    assert effects("slow-burn").error_rate == 0.02
    assert effects("cost-surge").verbosity == 5
    assert effects("gpu-oom").kv_share < 0.1
    assert effects("unsafe-outputs").unsafe_rate > 0
    assert any(isinstance(event, Kill) and event.stays_dead for event in SCENARIOS["fleet-down"].events)
    assert SCENARIOS["traffic-drop"].events == (Traffic(30, 0.0),)


def test_every_scenario_and_file_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "demo-fleet.md").read_text()
    files = ("targets.json", "fleet.json", "events.jsonl", "load.jsonl", "received.jsonl", "journal/")
    assert [name for name in (*SCENARIOS, *files) if f"`{name}" not in text] == []
