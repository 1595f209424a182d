"""An SLI in plain data; that it counts like the engine is proven in tests/dashboard/objective/test_sli.py."""

from __future__ import annotations

import json
from pathlib import Path

from slo_engine.describe import describe, policy
from slo_engine.packs import load_pack
from tests.slo_engine.world import World, spec


def test_every_measured_slo_of_the_pack_has_a_description_that_json_keeps() -> None:
    for slo in load_pack("llm-serving").slos:
        found = describe(slo)
        assert (found is None) == (slo.indicator is None)
        assert json.loads(json.dumps(found)) == found


def test_requests_without_an_outcome_leave_the_excluded_out(tmp_path: Path) -> None:
    (slo,) = World(tmp_path).read(spec())
    found = describe(slo)
    assert found is not None
    assert found["total"]["where"] == 'outcome!="excluded"'
    assert (found["kind"], found["by"], found["part_is_good"]) == ("events", ["model"], True)


def test_a_policy_has_no_page_for_an_slo_that_never_pages(tmp_path: Path) -> None:
    both, quiet = World(tmp_path).read(spec(), spec(name="quiet", page="false"))
    assert {row["severity"] for row in policy(both)} == {"page", "ticket"}
    assert {row["severity"] for row in policy(quiet)} == {"ticket"}
